"""Asking as of a moment of the past: the rows concerned are folded as the ledger had them, then read as always."""

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import cached_property
from typing import Any, TypeVar

import msgspec
from psycopg import Connection
from strawberry import UNSET
from strawberry.types.arguments import StrawberryArgument

from ledger import database
from ledger.database import Duty
from projections.engine import as_of
from projections.engine.hints import optional
from projections.engine.model import columns, models
from projections.engine.sources import ON_DEMAND_MAX, Allowance, Sources, wanted_of
from projections.engine.table import hold

from .names import camel
from .plan import Plan
from .reaches import Reach
from .reading import decode
from .rows import argument
from .scalars import Long
from .selection import Variables
from .types import Given, input_type

FOLD_S_MAX = 15
"""Why: the most that is folded on demand takes about a second, and a caller waits no longer for what is slow."""


Told = TypeVar("Told")

AsOf = input_type(
    "AsOf",
    "A moment of the past, given in one of three ways. What we knew then and what had happened by then are two"
    " questions, and both answers are right.",
    {
        "position": Given(Long | None, "As it was known when the entry of this position was the last.", UNSET),
        "recorded_at": Given(
            datetime | None, "As it was known at this instant, whatever came to be known later.", UNSET
        ),
        "occurred_at": Given(
            datetime | None,
            "What had happened by this instant, as it is known now: with what came late, and as corrected since.",
            UNSET,
        ),
    },
    one_of=True,
)
FOLDED = (
    f"Folded on demand from up to {ON_DEMAND_MAX} entries in all; beyond that an error names the command that helps."
)


def as_of_argument(doc: str) -> StrawberryArgument:
    """The argument ``asOf`` of a field, described."""
    return argument("as_of", AsOf | None, f"{doc} {FOLDED}")


def asked(given: Any) -> as_of.AsOf:
    """The moment that an ``AsOf`` asks for, as a resolver gets it or as it stands in the operation."""
    if isinstance(given, Mapping):
        return as_of.AsOf(*(given.get(camel(name)) for name in as_of.AsOf._fields))
    return as_of.AsOf(**{name: value for name, value in vars(given).items() if value is not UNSET})


def folding(url: str, work: Callable[[Connection[Any]], Told], seconds: int = FOLD_S_MAX) -> Told:
    """Do some work on a connection of its own, each statement of which may take some seconds; to run in a thread."""
    with database.connect(url, Duty.API) as connection:
        connection.execute(f"SET statement_timeout = '{seconds}s'")
        connection.execute("SET jit = off")
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return work(connection)


def read(connection: Connection[Any], plan: Plan, variables: Variables) -> Any:
    """The JSON value that a plan with moments of the past gives; ``None`` where it gives no row.

    Refuses as :func:`~projections.engine.as_of.resolve` and :class:`~projections.engine.sources.Sources` do.
    """
    return _Reading(connection, plan, variables).value()


class _Reading:
    """One answer to a plan, with what stands for the read models as of each of its moments."""

    def __init__(self, connection: Connection[Any], plan: Plan, variables: Variables) -> None:
        self._connection, self._plan, self._variables = connection, plan, variables
        for model in sorted(plan.models):
            hold(connection, model)
        allowance = Allowance()
        self._sources = [
            Sources(connection, as_of.resolve(connection, asked(moment(variables))).cut, number, allowance)
            for number, moment in enumerate(plan.moments)
        ]
        self._among: dict[int, list[Any]] = {}

    def value(self) -> Any:
        for number, reach in enumerate(self._plan.reaches):
            if reach.moment is not None:
                self._gather(number, reach, self._sources[reach.moment])
        return self._json(self._plan.statement)

    def _gather(self, number: int, reach: Reach, sources: Sources) -> None:
        if reach.column is None:
            sources.add_all(models()[reach.model])
        else:
            sources.add(models()[reach.model], reach.column, self._values(number))

    def _values(self, number: int) -> list[Any]:
        """The values that a reach is taken by, found once."""
        if number not in self._among:
            self._among[number] = self._found(self._plan.reaches[number])
        return self._among[number]

    def _found(self, reach: Reach) -> list[Any]:
        if reach.above is None:
            return [reach.given(self._variables)] if reach.given else []
        number, wanted = reach.above
        if number == 0 and self._plan.turned:
            return self._turned[wanted]
        upper, among = self._plan.reaches[number], self._values(number)
        assert upper.column is not None, "only the rows of a field itself are all there are"
        if upper.moment is None:
            return wanted_of(self._connection, upper.model, upper.column, among, wanted)
        return self._sources[upper.moment].values(models()[upper.model], upper.column, among, wanted)

    @cached_property
    def _turned(self) -> dict[str, list[Any]]:
        """What the rows of the page itself hold in the columns that all else hangs on."""
        assert self._plan.turned is not None
        rows = self._json(self._plan.turned)
        hints = columns(models()[self._plan.reaches[0].model])
        return {
            column: msgspec.convert(list({row[place] for row in rows} - {None}), list[optional(hints[column])[0]])  # type: ignore[misc]
            for place, column in enumerate(self._plan.turning)
        }

    def _json(self, statement: str) -> Any:
        """The JSON value that a statement gives, reading what was gathered."""
        parameters = self._plan.parameters(self._variables)
        for head in (sources.head() for sources in self._sources):
            statement, parameters = head.before(statement), parameters | head.parameters
        row = self._connection.execute(statement.encode(), parameters).fetchone()
        return decode(row[0]) if row and row[0] is not None else None
