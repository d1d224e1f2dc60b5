"""The fields over read models: the queries for one row by its key and for a page of rows, and the relations of rows."""

import inspect
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import strawberry
from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from projections.engine.model import columns

from .books import Book, Relation, books, key_name, relations
from .past import as_of_argument
from .request import Context, Info
from .rows import argument, page_arguments, page_type, row_type
from .scalars import Long
from .types import annotation

Resolve = Callable[..., Awaitable[Any]]

AT_LEAST = "Wait, for a few seconds at most, until what is read stands at this position; else the error STALE."

AS_OF = "As of a moment of the past, with all below that is given none of its own; {otherwise} where none is given."
NOW, FOLLOWING = "as it now stands", "as of that of the field above, or as it now stands,"


def query(
    name: str,
    shown: Any,
    doc: str,
    arguments: Sequence[StrawberryArgument],
    resolve: Resolve,
    *,
    cost: int | None = None,
) -> StrawberryField:
    """A field of the query type, answered by ``resolve(context, info, **arguments)``; each takes ``atLeast``."""

    async def resolver(info: strawberry.Info, **given: Any) -> Any:
        return await resolve(info.context, info._raw_info, **given)

    taken = [*arguments, argument("at_least", Long | None, AT_LEAST)]
    parameters = [inspect.Parameter("info", inspect.Parameter.KEYWORD_ONLY, annotation=strawberry.Info)]
    parameters += [
        inspect.Parameter(each.python_name, inspect.Parameter.KEYWORD_ONLY, annotation=Any) for each in taken
    ]
    resolver.__signature__ = inspect.Signature(parameters, return_annotation=shown)  # type: ignore[attr-defined]
    field = strawberry.field(resolver, name=name, description=doc, metadata={} if cost is None else {"cost": cost})
    field.python_name, field.arguments = name, taken
    return field


def page_query(book: Book) -> StrawberryField:
    """The query for a page of a book."""

    async def resolve(context: Context, info: Info, at_least: int | None = None, **_: Any) -> Any:
        # What else is given is read from the operation itself, where it shapes the statement.
        return await context.page(info, book.name, at_least)

    taken = [*page_arguments(book.name), as_of_argument(AS_OF.format(otherwise=NOW))]
    return query(book.many, page_type(book.name), f"A page of rows. {book.doc}", taken, resolve)


def row_query(book: Book, name: str) -> StrawberryField:
    """The query for one row of a book."""

    async def resolve(context: Context, info: Info, at_least: int | None = None, **_: Any) -> Any:
        return await context.row(info, book.name, at_least=at_least)

    key = argument("key", annotation(columns(book.model)[book.key]), "Its key.")
    key.graphql_name = key_name(book.name)
    taken = [key, as_of_argument(AS_OF.format(otherwise=NOW))]
    return query(name, row_type(book.name) | None, f"One row by its key. {book.doc}", taken, resolve)


def book_queries() -> list[StrawberryField]:
    """The queries over all read models."""
    found = []
    for book in books().values():
        if book.one:
            found.append(row_query(book, book.one))
        found.append(page_query(book))
    return found


def relate() -> None:
    """Give every row type the fields of its relations; they are planned with the row and have no resolvers."""
    for name in books():
        for field, relation in relations(name).items():
            definition = row_type(name).__strawberry_definition__
            definition.fields.append(_related(field, relation))


def _related(name: str, relation: Relation) -> StrawberryField:
    other = books()[relation.model]
    shown = page_type(other.name) if relation.many else row_type(other.name) | None
    what = "The rows that belong here" if relation.many else "The one that belongs here"
    field: StrawberryField = strawberry.field(name=name, description=f"{what}. {other.doc}")
    field.python_name, field.type_annotation = name, StrawberryAnnotation(shown)
    taken = page_arguments(other.name, relation.column) if relation.many else []
    field.arguments = [*taken, as_of_argument(AS_OF.format(otherwise=FOLLOWING))]
    return field
