"""``metrics.md``: every metric with its definition, parameters, figures and statement."""

import inspect
from typing import Any, get_type_hints

import msgspec

from domain.text import described
from projections.engine.metric import Metric, metrics

from . import markdown
from .markdown import code, link, table
from .types import shown

INTRODUCTION = """
Figures over the read models. A metric is asked for by name; the answer carries name, version and definition, the
position the read models stood at, and the instant it is for, `at`.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    for name, metric in sorted(metrics().items()):
        parts += [f"## {name}", inspect.cleandoc(metric.__doc__ or ""), _told(metric)]
        parts += [_fields("parameter", metric.Params), _fields("figure", metric.Row)]
        parts += ["```sql\n" + inspect.cleandoc("\n" + metric.sql) + "\n```"]
    return markdown.page("Metrics", *parts)


def _told(metric: type[Metric]) -> str:
    reads = ", ".join(link(model.spec.name, "read-models.md") for model in metric.reads)
    return f"Version {metric.version}; reads {reads}."


def _fields(what: str, cls: type[msgspec.Struct]) -> str:
    hints = get_type_hints(cls, include_extras=True)
    rows = []
    for field in msgspec.structs.fields(cls):
        given = [_default(field)] if what == "parameter" else []
        rows.append((code(field.name), shown(hints[field.name]), *given, described(cls, field.name)))
    return table((what, "type", *(["default"] if what == "parameter" else []), "meaning"), rows)


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    default: Any = field.default
    return "" if default is None else code(msgspec.json.encode(default).decode())
