"""``read-models.md``: every read model with its columns."""

from domain.event import Event, field_doc, marked
from projections.engine.hints import optional
from projections.engine.model import ReadModel, column_doc, columns, definition, folds, models
from projections.engine.table import postgres_type

from . import markdown
from .markdown import code, link, table
from .types import shown, words

INTRODUCTION = """
What is posted from the entries. A read model is a view of the schema `books`, a GraphQL type and a paged connection.
It can be built anew at any time with `daybook rebuild NAME`. A *sealed* column holds ciphertext; GraphQL opens it for
roles that may see it.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    for name, model in sorted(models().items()):
        parts += [f"## {name}", definition(model), _told(name, model), _columns(model)]
    return markdown.page("Read models", *parts)


def _told(name: str, model: type[ReadModel]) -> str:
    indexes = ", ".join(f"({', '.join(index)})" for index in model.spec.indexes)
    lines = [
        f"Version {model.spec.version}; in SQL {code(f'books.{name}')}, one row for each {code(model.spec.key)}.",
        f"Further indexes: {indexes}." if indexes else "",
        f"Folds {_folded(model)}.",
    ]
    return "\n".join(filter(None, lines))


def _folded(model: type[ReadModel]) -> str:
    if model.spec.mirrors_entries:
        passed = " or ".join(link(event.type_name, "events.md") for event in model.spec.passes_over)
        return f"every event but {passed}" if passed else "every event"
    return ", ".join(link(event.type_name, "events.md") for event in folds(model))


def _columns(model: type[ReadModel]) -> str:
    rows = []
    for column, hint in columns(model).items():
        kind = code(postgres_type(hint)) + (f" {shown(hint)}" if any(words(hint)) else "")
        marks = ["may be null" if optional(hint)[1] else "", "sealed" if marked(hint, "sealed") else ""]
        rows.append((code(column), kind, ", ".join(filter(None, marks)), _meaning(model, column)))
    return table(("column", "type", "", "meaning"), rows)


def _meaning(model: type[ReadModel], column: str) -> str:
    """What the declarations say of a column; of a key that says nothing itself, where it comes from."""
    if column == model.spec.key:
        return column_doc(model, column) or field_doc(Event, model.spec.by)
    return column_doc(model, column)
