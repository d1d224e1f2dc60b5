"""Asking as of a moment of the past: the rows concerned are folded as the ledger had them, then read as always."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, TypeVar

import msgspec
from psycopg import Connection
from strawberry import UNSET
from strawberry.types.arguments import StrawberryArgument

from ledger import database
from ledger.database import Duty
from projections.engine import as_of
from projections.engine.cut import Cut
from projections.engine.hints import optional
from projections.engine.model import columns, models
from projections.engine.sources import ON_DEMAND_MAX, Sources

from .plan import Plan
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
FOLDED = f"Folded on demand from up to {ON_DEMAND_MAX} entries; beyond that an error names the command that helps."


def as_of_argument(doc: str) -> StrawberryArgument:
    """The argument ``asOf`` of a field, described."""
    return argument("as_of", AsOf | None, f"{doc} {FOLDED}")


def asked(given: Any) -> as_of.AsOf:
    """The moment that an ``AsOf`` asks for."""
    told = {name: getattr(given, name) for name in as_of.AsOf._fields}
    return as_of.AsOf(**{name: value for name, value in told.items() if value is not UNSET})


def folding(url: str, work: Callable[[Connection[Any]], Told], seconds: int = FOLD_S_MAX) -> Told:
    """Do some work on a connection of its own, each statement of which may take some seconds; to run in a thread."""
    with database.connect(url, Duty.API) as connection:
        connection.execute(f"SET statement_timeout = '{seconds}s'")
        connection.execute("SET jit = off")
        with connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            return work(connection)


def read(connection: Connection[Any], plan: Plan, moment: as_of.AsOf, variables: Variables) -> Any:
    """The JSON value a plan for the past gives as of a moment; ``None`` where it gives no row.

    Refuses as :func:`~projections.engine.as_of.resolve` and :class:`~projections.engine.sources.Sources` do.
    """
    sources = _gathered(connection, plan, as_of.resolve(connection, moment).cut, variables)
    head = sources.head()
    text = _value(connection, head.before(plan.statement), plan.parameters(variables) | head.parameters)
    return None if text is None else decode(text)


def _gathered(connection: Connection[Any], plan: Plan, cut: Cut, variables: Variables) -> Sources:
    """What stands for the read models that a plan reads."""
    sources = Sources(connection, cut)
    # The values that each reach was taken by, and what the rows of the field's own page hold.
    among: list[list[Any]] = []
    turned: dict[str, list[Any]] = {}
    for reach in plan.reaches:
        model = models()[reach.model]
        if reach.above is None:
            values = [reach.given(variables)] if reach.given else []
        elif reach.above[0] == 0 and plan.turned:
            turned = turned or _turned(connection, plan, sources, variables)
            values = turned[reach.above[1]]
        else:
            upper = plan.reaches[reach.above[0]]
            assert upper.column is not None, "only the rows of a field itself are all there are"
            values = sources.values(models()[upper.model], upper.column, among[reach.above[0]], reach.above[1])
        among.append(values)
        if reach.column is None:
            sources.add_all(model)
        else:
            sources.add(model, reach.column, values)
    return sources


def _turned(connection: Connection[Any], plan: Plan, sources: Sources, variables: Variables) -> dict[str, list[Any]]:
    """What the rows of the page itself hold in the columns that all else hangs on."""
    head = sources.head()
    assert plan.turned is not None
    rows = decode(_value(connection, head.before(plan.turned), plan.parameters(variables) | head.parameters))
    hints = columns(models()[plan.reaches[0].model])
    return {
        column: msgspec.convert(list({row[place] for row in rows} - {None}), list[optional(hints[column])[0]])  # type: ignore[misc]
        for place, column in enumerate(plan.turning)
    }


def _value(connection: Connection[Any], statement: str, parameters: dict[str, Any]) -> Any:
    row = connection.execute(statement.encode(), parameters).fetchone()
    return row[0] if row else None
