"""Cursors: where a row stands in an order, opaque to the client and good for that order only."""

from binascii import a2b_base64, b2a_base64
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import msgspec

from domain.rule import Rule
from projections.engine.model import ReadModel, columns

from .paths import Path

CURSOR_MAX = 500
"""Why: longer than any we make."""
BAD_CURSOR = Rule("BAD_CURSOR", "{problem}")

encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[str | int | None]).decode


class Order(NamedTuple):
    """An order of a model's rows; the cursors of one order do not fit another."""

    model: type[ReadModel]
    column: str
    descending: bool

    @classmethod
    def of(cls, model: type[ReadModel], path: Path, *, descending: bool) -> "Order":
        """The order of a path, newest first where ``descending``."""
        return cls(model, path.order, descending)

    @property
    def columns(self) -> Sequence[str]:
        """The columns of the order: the one that orders, and the key where that is another."""
        return tuple(dict.fromkeys((self.column, self.model.spec.key)))

    @property
    def tag(self) -> str:
        """Names the order inside its cursors."""
        return f"{self.model.spec.name} {self.column} {'desc' if self.descending else 'asc'}"


def writer(order: Order) -> Callable[[Any], str]:
    """Makes cursors of the values of the order's columns, as they came in JSON: a tuple, or one value alone."""
    tag, alone = order.tag, len(order.columns) == 1

    def written(values: Any) -> str:
        told = (tag, values) if alone else (tag, *values)
        return b2a_base64(encode(told), newline=False).decode()

    return written


def read(order: Order, cursor: str) -> list[Any]:
    """The values of the order's columns in a cursor; refuses ``BAD_CURSOR`` when it is from elsewhere."""
    tag, *values = _raw(cursor)
    if tag != order.tag:
        BAD_CURSOR.refuse(problem=f"The cursor belongs to the order {tag!r:.80}, not to {order.tag!r}.")
    hints = columns(order.model)
    try:
        return [msgspec.convert(value, hints[column]) for value, column in zip(values, order.columns, strict=True)]
    except (msgspec.ValidationError, ValueError):
        BAD_CURSOR.refuse(problem="The cursor was altered; use one as it was given.")


def stands_at_null(cursor: str) -> bool:
    """Whether a cursor, of whatever order, stands among the rows whose ordering column is null."""
    return _raw(cursor)[1] is None


def _raw(cursor: str) -> list[Any]:
    try:
        raw = _decode(a2b_base64(cursor[:CURSOR_MAX]))
    except (ValueError, msgspec.DecodeError):
        raw = []
    if len(raw) < 2:
        BAD_CURSOR.refuse(problem="This is not one of our cursors; use endCursor or startCursor of a page.")
    return raw
