"""The read models as GraphQL shows them: names, fields, relations and readers, derived from their declarations."""

import re
from collections.abc import Mapping
from functools import cache
from typing import NamedTuple

import projections.catalogue  # noqa: F401  (fills the catalogue of read models)
from domain.event import ENVELOPE, Event, field_doc
from domain.text import field_docs
from domain.vocabulary import Role
from projections.engine.model import ReadModel, columns, definition, models

from . import access
from .names import camel, plural, singular, uncapital
from .types import Leaf, doc, plain_text

HUBS = {"CustomerProfile": "Customer", "CaseRegister": "Case"}
"""What the models are called that others point to by their key, and that all else hangs on."""


class Relation(NamedTuple):
    """A way from one row to rows of another model: those whose ``column`` is this row's ``local`` column."""

    model: str
    local: str
    column: str
    many: bool
    """Whether it leads to a page of rows, or to one at most."""


class Book(NamedTuple):
    """A read model with what it is called in GraphQL."""

    model: type[ReadModel]
    title: str
    """The GraphQL type of a row."""
    one: str | None
    """The query for one row; none for a feed, whose key is the position."""
    many: str
    """The query for a page of rows."""

    @property
    def name(self) -> str:
        """The read model's own name."""
        return self.model.spec.name

    @property
    def key(self) -> str:
        """The column that is the key."""
        return self.model.spec.key

    @property
    def doc(self) -> str:
        """What a row is, and who may read it where that is not everyone."""
        said = plain_text(definition(self.model))
        return said if self.readers == access.EVERYONE else f"{said} For: {access.listed(self.readers)}."

    @property
    def readers(self) -> frozenset[Role]:
        """The roles that may read it."""
        return access.readers(self.name)

    @property
    def is_hub(self) -> bool:
        """Whether all that concerns a customer or a case hangs on its rows."""
        return self.model.__name__ in HUBS


def _book(model: type[ReadModel]) -> Book:
    title = HUBS.get(model.__name__, singular(model.__name__))
    if model.spec.key != "position":
        return Book(model, title, uncapital(title), uncapital(plural(title)))
    return Book(model, title if title != model.__name__ else f"{title}Entry", None, uncapital(model.__name__))


@cache
def books() -> Mapping[str, Book]:
    """Every read model's book, by the model's name."""
    return {name: _book(model) for name, model in sorted(models().items())}


@cache
def asked_by(query: str) -> Book | None:
    """The book that a query of that name asks for a row or a page."""
    return next((book for book in books().values() if query in (book.one, book.many)), None)


@cache
def fields(name: str) -> Mapping[str, Leaf]:
    """The columns of a book by their GraphQL names; the key of a hub is called ``id``."""
    book = books()[name]
    hints = columns(book.model)
    shown = {column: "id" if book.is_hub and column == book.key else camel(column) for column in hints}
    return {shown[column]: Leaf(column, hint, _doc(book.model, column)) for column, hint in hints.items()}


@cache
def key_name(name: str) -> str:
    """What the key of a book is called in GraphQL."""
    return next(shown for shown, told in fields(name).items() if told.field == books()[name].key)


@cache
def relations(name: str) -> Mapping[str, Relation]:
    """The relations of a book by their GraphQL names; a column of the same name comes first."""
    book = books()[name]
    found: dict[str, Relation] = {}
    for other in books().values():
        if other.is_hub and other.key in columns(book.model) and other is not book:
            found[uncapital(other.title)] = Relation(other.name, other.key, other.key, many=False)
    if book.is_hub:
        for other in books().values():
            if other.key == book.key and other is not book:
                found[other.one or other.many] = Relation(other.name, book.key, book.key, many=False)
            elif any(index[0] == book.key for index in other.model.spec.indexes):
                found[_within(other.many)] = Relation(other.name, book.key, book.key, many=True)
    return {shown: relation for shown, relation in sorted(found.items()) if shown not in fields(name)}


def _within(many: str) -> str:
    """A page's name without the hub it is reached from: ``customerHistory`` as ``history``."""
    prefixes = "|".join(uncapital(title) for title in HUBS.values())
    return uncapital(re.sub(f"^({prefixes})(?=[A-Z])", "", many))


def _doc(model: type[ReadModel], column: str) -> str:
    # What the envelope says of a field is more to the point than what its type says of itself.
    its_own_id = column == model.spec.key != "position"
    if column in ENVELOPE and column not in field_docs(model) and not its_own_id:
        return plain_text(field_doc(Event, column))
    return doc(model, column)
