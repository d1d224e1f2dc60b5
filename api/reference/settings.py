"""``settings.md``: every setting with its default."""

from enum import Enum
from typing import Any, get_args

from pydantic import SecretStr
from pydantic_core import PydanticUndefined

from domain.text import field_docs

from .. import settings
from . import markdown
from .markdown import code, codes, table
from .types import shown

INTRODUCTION = """
Everything Daybook can be told. Settings come from the environment; a wrong one is an error at start that says what to
do. Without `DATABASE_URL`, the master key and the token secret are made when a ledger begins, with `daybook run` or
`daybook migrate`, and kept in `secrets.env` under `DAYBOOK_HOME`, origin and seal key in `seal.env` beside it; with it
they must be set.
"""


def page() -> str:
    """The page."""
    docs = field_docs(settings.Settings)
    rows = [
        (code(settings.variable(name, field)), _values(field.annotation), _default(field.default), docs[name])
        for name, field in settings.Settings.model_fields.items()
    ]
    return markdown.page("Settings", INTRODUCTION.strip(), table(("variable", "values", "default", "meaning"), rows))


def _values(annotation: Any) -> str:
    kind = next(part for part in get_args(annotation) or (annotation,) if part is not type(None))
    if issubclass(kind, Enum):
        return codes(member.value for member in kind)
    return "secret" if kind is SecretStr else shown(kind)


def _default(default: Any) -> str:
    if default is None or default is PydanticUndefined:
        return ""
    return code(str(default))
