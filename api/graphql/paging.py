"""Pages by keyset: a cursor says where a row stands in its order, so rows that come in between shift nothing."""

from collections.abc import Callable, Iterable
from itertools import product
from typing import NamedTuple

from psycopg.sql import SQL, Composable, Identifier

from domain.rule import Rule
from projections.engine.model import ReadModel

from . import cursors
from .cursors import Order
from .paths import Path, is_instant, nullable
from .selection import Arguments, Later

PAGE_MAX = 100
"""Why: a page is for reading; more rows are better fetched page by page than held in memory at once."""
PAGE_USUAL = 20
"""Why: about what fits on a screen."""
BAD_PAGE = Rule("BAD_PAGE", "{problem}")

Bind = Callable[[Later], Composable]


class Slice(NamedTuple):
    """Which part of which order a page is."""

    order: Order
    size: int
    backward: bool
    """Whether the page is taken from the end, or before a cursor."""
    after: Later | None
    before: Later | None
    after_null: bool
    """Whether ``after`` stands among the rows whose ordering column is null."""
    before_null: bool
    bounds: tuple[tuple[str, Later], ...]
    """Comparisons of the ordering column, each with its value."""

    @classmethod
    def of(cls, model: type[ReadModel], path: Path, arguments: Arguments) -> "Slice":
        """The slice that the arguments ask for; refuses ``BAD_PAGE`` and ``BAD_CURSOR``."""
        first, last = arguments.now("first"), arguments.now("last")
        BAD_PAGE.refuse_if(first is not None and last is not None, problem="Give first or last, not both.")
        size = last if last is not None else first if first is not None else PAGE_USUAL
        name = "last" if last is not None else "first"
        BAD_PAGE.refuse_if(not 1 <= size <= PAGE_MAX, problem=f"{name} must be 1 to {PAGE_MAX}, not {size}.")
        order = Order.of(model, path, descending=not arguments.now("oldestFirst"))
        after, before = arguments.later("after"), arguments.later("before")
        return cls(
            order,
            size,
            last is not None,
            after,
            before,
            after is not None and cursors.read(order, after(arguments.variables))[0] is None,
            before is not None and cursors.read(order, before(arguments.variables))[0] is None,
            tuple(_bounds(model, path, arguments)),
        )

    def within(self, alias: Identifier, bind: Bind) -> list[Composable]:
        """The conditions that keep the ordering column within its bounds."""
        column = SQL("{}.{}").format(alias, Identifier(self.order.column))
        return [SQL("{} {} {}").format(column, SQL(sign), bind(value)) for sign, value in self.bounds]

    def order_by(self, alias: Identifier) -> Composable:
        """The order in which the rows are read: from the cursor away."""
        direction = SQL(" DESC" if self.order.descending != self.backward else " ASC")
        parts = [SQL("{}.{}").format(alias, Identifier(column)) + direction for column in self.order.columns]
        return SQL(", ").join(parts)


def _bounds(model: type[ReadModel], path: Path, arguments: Arguments) -> Iterable[tuple[str, Later]]:
    """The bounds given; they bound the ordering column, so those for another kind of column are refused."""
    instants = is_instant(model, path.order)
    fits = {"since": (">=", instants), "until": ("<", instants)}
    fits |= {"fromPosition": (">=", path.order == "position"), "untilPosition": ("<=", path.order == "position")}
    for name, (sign, fit) in fits.items():
        if value := arguments.later(name):
            BAD_PAGE.refuse_if(not fit, problem=f"{name} needs another order than {path.order.upper()}.")
            yield sign, value


def ways(cut: Slice, alias: Identifier, bind: Bind) -> list[list[Composable]]:
    """The ways past the cursors: rows that fulfil the conditions of one of them are those between the cursors."""
    after = _past(cut, alias, bind, cut.after, cut.after_null, greater=not cut.order.descending)
    before = _past(cut, alias, bind, cut.before, cut.before_null, greater=cut.order.descending)
    return [[*one, *other] for one, other in product(after, before)]


def _past(
    cut: Slice, alias: Identifier, bind: Bind, cursor: Later | None, at_null: bool, *, greater: bool
) -> list[list[Composable]]:
    """The conditions for rows past a cursor, in the order of the index, where nulls are greater than all else."""
    if cursor is None:
        return [[]]
    columns = cut.order.columns
    shown = [SQL("{}.{}").format(alias, Identifier(column)) for column in columns]
    values = [bind(_value(cut.order, cursor, place)) for place in range(len(columns)) if not (at_null and place == 0)]
    sign = SQL(">" if greater else "<")
    if at_null:
        among_nulls: list[Composable] = [
            SQL("{} IS NULL").format(shown[0]),
            SQL("{} {} {}").format(shown[1], sign, values[0]),
        ]
        return [among_nulls] if greater else [among_nulls, [SQL("{} IS NOT NULL").format(shown[0])]]
    past: list[Composable] = [SQL("({}) {} ({})").format(SQL(", ").join(shown), sign, SQL(", ").join(values))]
    if greater and nullable(cut.order.model, cut.order.column) and not cut.bounds:
        return [past, [SQL("{} IS NULL").format(shown[0])]]
    return [past]


def _value(order: Order, cursor: Later, place: int) -> Later:
    return lambda variables: cursors.read(order, cursor(variables))[place]
