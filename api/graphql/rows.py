"""The GraphQL types of rows and of pages of them, and the arguments a page takes."""

from datetime import datetime
from enum import Enum
from functools import cache
from typing import Any

from strawberry.annotation import StrawberryAnnotation
from strawberry.types.arguments import StrawberryArgument

from domain.event import events
from projections.engine.model import columns

from .books import Book, books, fields
from .names import camel
from .paging import PAGE_MAX, PAGE_USUAL
from .paths import Path, combinations, filters, is_instant, names_events, paths
from .plan import TOTAL_MAX
from .scalars import Long
from .types import annotation, enum_type, object_type

PageInfo = object_type(
    "PageInfo",
    "Where a page stands in the whole.",
    {
        "hasNextPage": (bool, "Whether rows follow this page; paging backward, whether it was taken before a cursor."),
        "hasPreviousPage": (bool, "Whether rows precede this page; paging forward, whether it was taken after one."),
        "startCursor": (str | None, "The cursor of the first row, to be given as before; null for an empty page."),
        "endCursor": (str | None, "The cursor of the last row, to be given as after; null for an empty page."),
    },
)


@cache
def row_type(name: str) -> Any:
    """The type of a row of a book, still without its relations."""
    book = books()[name]
    shown = {field: (annotation(told.hint), told.doc) for field, told in fields(name).items()}
    return object_type(book.title, book.doc, shown)


@cache
def page_type(name: str) -> Any:
    """The connection type of a book."""
    book, row = books()[name], row_type(name)
    edge = object_type(
        f"{book.title}Edge",
        "A row and where it stands.",
        {"cursor": (str, "Where the row stands in the order of the page."), "node": (row, "The row.")},
    )
    return object_type(
        f"{book.title}Connection",
        f"A page of rows. {book.doc}",
        {
            "edges": (list[edge], "The rows with their cursors."),  # type: ignore[valid-type]
            "nodes": (list[row], "The rows, for those who need no cursors."),  # type: ignore[valid-type]
            "pageInfo": (PageInfo, "Where the page stands."),
            "totalCount": (
                int,
                f"How many rows the filter leaves, counted up to {TOTAL_MAX}: that number means as many or more.",
            ),
        },
    )


@cache
def order_type(name: str) -> Any:
    """The enum of a book's orders."""
    book = books()[name]
    docs = {told.field: f"By {shown}. {told.doc}" for shown, told in fields(name).items()}
    orders = {path.order.upper(): path.order for path in paths(book.model)}
    enum = Enum(f"{book.title}Order", orders)  # type: ignore[misc]
    said = {member: docs[column] for member, column in orders.items()}
    return enum_type(enum, "What rows are ordered by; each has an index.", said)


def page_arguments(name: str, fixed: str | None = None) -> list[StrawberryArgument]:
    """The arguments of a page of a book, or of those of its rows where the ``fixed`` column is given by the way."""
    book = books()[name]
    model = book.model
    offered = [path for path in paths(model) if fixed is None or fixed in path.filters]
    found = [_filter(book, column, fixed) for column in filters(model, fixed)]
    found += [
        argument("first", int | None, f"How many rows, from the start: 1 to {PAGE_MAX}, usually {PAGE_USUAL}."),
        argument("last", int | None, f"How many rows, from the end: 1 to {PAGE_MAX}; instead of first."),
        argument("after", str | None, "Only rows after this cursor."),
        argument("before", str | None, "Only rows before this cursor."),
    ]
    if len({path.order for path in offered}) > 1 and not fixed:
        usual = f"The order; usually {offered[0].order.upper()}."
        found.append(argument("order_by", order_type(name) | None, usual))
    found.append(
        argument("oldest_first", bool, "Whether to turn the order round; the newest come first.", default=False)
    )
    return found + _bounds(book, offered)


def _filter(book: Book, column: str, fixed: str | None) -> StrawberryArgument:
    shown = annotation(columns(book.model)[column]) | None
    beside = " or ".join(map(camel, filters(book.model, column)))
    alone = (column,) in combinations(book.model)
    also = f"; {'also' if alone else 'only'} together with {beside}" if beside else "; with no other filter"
    known = f" One of: {', '.join(sorted(events()))}." if names_events(book.model, column) else ""
    return argument(column, shown, f"Only rows with this {camel(column)}{'' if fixed else also}.{known}")


def _bounds(book: Book, offered: list[Path]) -> list[StrawberryArgument]:
    found = []
    instants = sorted({camel(path.order) for path in offered if is_instant(book.model, path.order)})
    if instants:
        named = " or ".join(instants)
        found.append(argument("since", datetime | None, f"Only rows with {named} at or after this instant."))
        found.append(argument("until", datetime | None, f"Only rows with {named} before this instant."))
    if any(path.order == "position" for path in offered):
        found.append(argument("from_position", Long | None, "Only rows from this position on."))
        found.append(argument("until_position", Long | None, "Only rows up to this position, inclusive."))
    return found


def argument(name: str, shown: Any, doc: str, **default: Any) -> StrawberryArgument:
    """An argument by its name in Python; optional ones default to nothing given."""
    return StrawberryArgument(name, camel(name), StrawberryAnnotation(shown), description=doc, **default)
