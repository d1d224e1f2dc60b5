"""As of: which cut of the ledger a question about the past is asked of.

There are two dates, and two right answers. As of a position or a recorded time is what we knew then. As of an instant
of business time is what had happened by then, as far as it is known now.
"""

from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from domain.rule import Rule

from .cut import Cut

TO_COME = Rule(
    "AS_OF_TO_COME",
    "{asked} is still to come, the ledger stands at position {head}; ask as of a position or instant that has passed.",
    field="asOf",
)
BEFORE_FIRST = Rule(
    "AS_OF_BEFORE_FIRST", "Positions begin at 1; ask as of one from 1 on, not of {asked}.", field="asOf"
)

HEAD = "SELECT position, clock_timestamp() FROM ledger.head"
RECORDED_AT = "SELECT recorded_at FROM ledger.entries WHERE position = %(position)s"
# Ledger time never runs backwards and positions have no gaps, so the place is found by halving, without an index on it.
LAST_BY = """
    WITH RECURSIVE search (low, high) AS (
        SELECT 0::bigint, position FROM ledger.head
         UNION ALL
        SELECT CASE WHEN known THEN middle ELSE low END, CASE WHEN known THEN high ELSE middle - 1 END
          FROM (SELECT low, high, middle,
                       (SELECT recorded_at FROM ledger.entries WHERE position = middle) <= %(at)s AS known
                  FROM (SELECT low, high, (low + high + 1) / 2 AS middle FROM search WHERE low < high) AS halved
               ) AS looked)
    SELECT low FROM search WHERE low = high"""


class AsOf(NamedTuple):
    """A moment of the past: of the ledger, by position or recorded time, and of what it tells of."""

    position: int | None = None
    """As it was known when this entry was the last."""
    recorded_at: datetime | None = None
    """As it was known at this instant."""
    occurred_at: datetime | None = None
    """What had happened by this instant, as known by the above, or by now where neither is given."""


class Moment(NamedTuple):
    """A moment of the past, found in the ledger."""

    cut: Cut
    at: datetime
    """The instant itself."""


def resolve(connection: Connection[Any], asked: AsOf) -> Moment:
    """The moment asked for; refuses ``AS_OF_TO_COME`` and ``AS_OF_BEFORE_FIRST``."""
    head, now = _one(connection, HEAD)
    for instant in (asked.recorded_at, asked.occurred_at):
        TO_COME.refuse_if(instant is not None and instant > now, asked=instant, head=head)
    position, at = head, now
    if asked.position is not None:
        BEFORE_FIRST.refuse_if(asked.position < 1, asked=asked.position)
        TO_COME.refuse_if(asked.position > head, asked=f"Position {asked.position}", head=head)
        position = asked.position
        (at,) = _one(connection, RECORDED_AT, position=position)
    elif asked.recorded_at is not None:
        at = asked.recorded_at
        (position,) = _one(connection, LAST_BY, at=at)
    return Moment(Cut(position, asked.occurred_at), asked.occurred_at or at)


def _one(connection: Connection[Any], query: str, **parameters: Any) -> Any:
    row = connection.execute(query.encode(), parameters).fetchone()
    assert row is not None
    return row
