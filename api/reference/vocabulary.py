"""``vocabulary.md``: the enumerations and structures that fields are made of."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, get_type_hints

from domain.event import events
from domain.text import described, field_docs, first_sentence
from projections.engine.metric import metrics
from projections.engine.model import models

from . import markdown
from .markdown import code, table
from .types import shown, words

INTRODUCTION = """
The words with which events, read models and metrics speak. Values are shown as they are stored and imported; GraphQL
writes them in capitals.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    for word in sorted(set(_used()), key=lambda word: word.__name__):
        parts += [f"## {word.__name__}", first_sentence(word.__doc__), _body(word)]
    return markdown.page("Vocabulary", *parts)


def _used() -> Iterator[type[Any]]:
    parameters = [metric.Params for metric in metrics().values()]
    rows = [metric.Row for metric in metrics().values()]
    for cls in [*events().values(), *models().values(), *parameters, *rows]:
        for hint in get_type_hints(cls, include_extras=True).values():
            yield from words(hint)


def _body(word: type[Any]) -> str:
    if issubclass(word, Enum):
        docs = field_docs(word)
        plain = ", ".join(code(member.value) for member in word if member.name not in docs)
        told = [f"- {code(member.value)}: {docs[member.name]}" for member in word if member.name in docs]
        return "\n\n".join(filter(None, (plain, "\n".join(told))))
    hints = get_type_hints(word, include_extras=True)
    rows = [(code(field), shown(hints[field]), described(word, field)) for field in word.__struct_fields__]
    return table(("field", "type", "meaning"), rows)
