"""Pages as Relay describes them: how one is shaped from its rows."""

from collections.abc import Callable, Iterable
from operator import itemgetter
from typing import Any, NamedTuple, Protocol

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type

from . import cursors
from .paging import Slice
from .selection import Scope, Selected, selected
from .shape import Sealing, Shape

RowShape = Callable[[GraphQLObjectType, Iterable[FieldNode]], Shape]


class Columns(Protocol):
    """The row of a statement, which gives a place to each column asked for."""

    def column(self, column: str) -> int:
        """The place of a column."""


class Found(NamedTuple):
    """A page as it was found."""

    rows: list[Any]
    total: int | None
    more: bool
    """Whether there are rows beyond the page, in the direction it was read."""


Part = Callable[[Found, Sealing], Any]


class Page:
    """Shapes a page from ``[rows, total]``; what is selected of a row gets its place in ``columns``."""

    def __init__(self, cut: Slice, columns: Columns, scope: Scope, row: RowShape) -> None:
        """Shape pages of that slice; ``row`` shapes a row for the places that select of it."""
        self._cut, self._columns, self._scope, self._row = cut, columns, scope, row
        self.counted = False
        """Whether the total is asked for."""

    def shape(self, field: GraphQLField, nodes: Iterable[FieldNode]) -> Shape:
        """The shape of a page for the places that select it."""
        size, backward = self._cut.size, self._cut.backward
        page = _object(self._parts(field, nodes, self._of_page))

        def shaped(source: Any, sealing: Sealing) -> Any:
            rows, total = source
            more = len(rows) > size
            del rows[size:]
            if backward:
                rows.reverse()
            return page(Found(rows, total, more), sealing)

        return shaped

    def _parts(
        self, field: GraphQLField, nodes: Iterable[FieldNode], of: Callable[[GraphQLField, Selected], Any]
    ) -> list[tuple[str, Any]]:
        """What is made of each selected field, by its key in the answer."""
        type_ = _object_type(field)
        return [
            (chosen.key, _always(type_.name) if chosen.name == "__typename" else of(type_.fields[chosen.name], chosen))
            for chosen in selected(nodes, self._scope)
        ]

    def _of_page(self, field: GraphQLField, chosen: Selected) -> Part:
        if chosen.name == "totalCount":
            self.counted = True
            return lambda found, _: found.total
        if chosen.name == "nodes":
            row = self._row(_object_type(field), chosen.nodes)
            return lambda found, sealing: [row(each, sealing) for each in found.rows]
        if chosen.name == "pageInfo":
            return _object(self._parts(field, chosen.nodes, self._of_info))
        edge = _object(self._parts(field, chosen.nodes, self._of_edge))
        return lambda found, sealing: [edge(each, sealing) for each in found.rows]

    def _of_edge(self, field: GraphQLField, chosen: Selected) -> Shape:
        return self._row(_object_type(field), chosen.nodes) if chosen.name == "node" else self._cursor()

    def _of_info(self, _: GraphQLField, chosen: Selected) -> Part:
        cut = self._cut
        if chosen.name == "hasNextPage":
            return _always(cut.before is not None) if cut.backward else lambda found, _: found.more
        if chosen.name == "hasPreviousPage":
            return (lambda found, _: found.more) if cut.backward else _always(cut.after is not None)
        cursor, place = self._cursor(), 0 if chosen.name == "startCursor" else -1
        return lambda found, sealing: cursor(found.rows[place], sealing) if found.rows else None

    def _cursor(self) -> Shape:
        order = self._cut.order
        values = itemgetter(*(self._columns.column(column) for column in order.columns))
        written = cursors.writer(order)
        return lambda row, _: written(values(row))


def _object(parts: list[tuple[str, Shape]]) -> Shape:
    """An object of parts that are all made of the same source; the usual one or two without a loop."""
    if len(parts) == 1:
        ((only, made),) = parts
        return lambda source, sealing: {only: made(source, sealing)}
    if len(parts) == 2:
        (one, made_one), (other, made_other) = parts
        return lambda source, sealing: {one: made_one(source, sealing), other: made_other(source, sealing)}
    return lambda source, sealing: {key: made(source, sealing) for key, made in parts}


def _always(value: Any) -> Callable[[Any, Any], Any]:
    return lambda _found, _sealing: value


def _object_type(field: GraphQLField) -> GraphQLObjectType:
    named = get_named_type(field.type)
    assert isinstance(named, GraphQLObjectType)
    return named
