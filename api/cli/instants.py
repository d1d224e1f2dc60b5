"""Instants as they are read from the command line, and as they are written to it."""

import re
from datetime import UTC, datetime

from domain.rule import INVALID_INPUT
from projections.engine.as_of import BEFORE_FIRST, AsOf

PRINTED = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d(?:\.\d{1,6})?\+00:00")
"""An instant in UTC as Python and PostgreSQL print it."""
POSITION_DIGITS_MAX = 19
"""Why: no position has more, and Python does not read a number of thousands."""


def written(at: datetime) -> str:
    """An instant for people, exact and as options take it: ISO 8601 in UTC, such as 2026-06-30T00:00:00Z."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def respelled(sentence: str) -> str:
    """A sentence with its instants as :func:`written`; rules, which speak to GraphQL too, print them as Python does."""
    return PRINTED.sub(lambda found: written(datetime.fromisoformat(found[0])), sentence)


def parse_instant(text: str) -> datetime:
    """An instant given on the command line; refuses one without an offset or in the future."""
    try:
        instant = datetime.fromisoformat(text)
        INVALID_INPUT.refuse_if(
            instant.tzinfo is None,
            problem=f"{text!r} needs an offset, such as Z for UTC: write it like 2026-06-30T00:00:00Z.",
        )
        instant = instant.astimezone(UTC)
    except (ValueError, OverflowError):
        INVALID_INPUT.refuse(problem=f"{text!r} is no instant; write it like 2026-06-30T00:00:00Z.")
    INVALID_INPUT.refuse_if(
        instant > datetime.now(UTC), problem=f"{text} lies in the future; give an instant that has passed."
    )
    return instant


def parse_moment(as_of: str | None, occurred_until: str | None) -> AsOf:
    """The moment of the past that the options ``--as-of`` and ``--occurred-until`` name; refuses what names none."""
    until = None if occurred_until is None else parse_instant(occurred_until)
    if as_of is None or not as_of.isdecimal():
        return AsOf(recorded_at=None if as_of is None else parse_instant(as_of), occurred_at=until)
    INVALID_INPUT.refuse_if(
        len(as_of) > POSITION_DIGITS_MAX,
        problem=f"A position has at most {POSITION_DIGITS_MAX} digits; see the last one with: daybook status",
    )
    BEFORE_FIRST.refuse_if(int(as_of) < 1, asked=int(as_of))
    return AsOf(position=int(as_of), occurred_at=until)
