"""Pages as Relay describes them: how one is shaped from rows."""

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type

from . import cursors, shape
from .paging import Slice
from .selection import Scope, Selected, selected
from .shape import Part, Sealing, Shape

RowShape = Callable[[GraphQLObjectType, Iterable[FieldNode]], Shape]


class Columns(Protocol):
    """The row of a statement, which gives a place to each column asked for."""

    def column(self, column: str) -> int:
        """The place of a column."""


class Page:
    """Shapes a page from ``[rows, total]``; what is selected of a row gets its place in ``columns``."""

    def __init__(self, cut: Slice, columns: Columns, scope: Scope, row: RowShape) -> None:
        """Shape pages of that slice; ``row`` shapes a row for the places that select of it."""
        self._cut, self._columns, self._scope, self._row = cut, columns, scope, row
        self.counted = False
        """Whether the total is asked for."""

    def shape(self, field: GraphQLField, nodes: Iterable[FieldNode]) -> Shape:
        """The shape of a page for the places that select it."""
        cut, page = self._cut, self._object(field, nodes)

        def shaped(source: Any, sealing: Sealing) -> Any:
            rows, total = source
            more = len(rows) > cut.size
            del rows[cut.size :]
            if cut.backward:
                rows.reverse()
            info = {
                "hasNextPage": cut.before is not None if cut.backward else more,
                "hasPreviousPage": more if cut.backward else cut.after is not None,
                "startCursor": rows[0] if rows else None,
                "endCursor": rows[-1] if rows else None,
            }
            return page({"edges": rows, "nodes": rows, "totalCount": total, "pageInfo": info}, sealing)

        return shaped

    def _object(self, field: GraphQLField, nodes: Iterable[FieldNode]) -> Shape:
        """The shape of a part of the page whose fields all have shapes of their own, or stay as they are."""
        parts: list[Part] = []
        type_ = _object_type(field)
        for chosen in selected(nodes, self._scope):
            if chosen.name == "__typename":
                parts.append(shape.constant(chosen, type_.name))
            else:
                parts.append(Part(chosen.key, chosen.name, self._part(type_.fields[chosen.name], chosen)))
        return shape.record(parts)

    def _part(self, field: GraphQLField, chosen: Selected) -> Shape | None:
        match chosen.name:
            case "totalCount":
                self.counted = True
            case "pageInfo":
                return self._object(field, chosen.nodes)
            case "nodes":
                return _each(self._row(_object_type(field), chosen.nodes))
            case "edges":
                edge = self._object(field, chosen.nodes)
                return _each(lambda row, sealing: edge({"cursor": row, "node": row}, sealing))
            case "node":
                return self._row(_object_type(field), chosen.nodes)
            case "cursor" | "startCursor" | "endCursor":
                return self._cursor()
        return None

    def _cursor(self) -> Shape:
        places = [self._columns.column(column) for column in self._cut.order.columns]
        written = cursors.writer(self._cut.order)
        return lambda row, _: written([row[place] for place in places])


def _object_type(field: GraphQLField) -> GraphQLObjectType:
    named = get_named_type(field.type)
    assert isinstance(named, GraphQLObjectType)
    return named


def _each(of_one: Shape) -> Shape:
    return lambda rows, sealing: [of_one(row, sealing) for row in rows]
