"""The scalars: exact instants, 64-bit integers, ids and JSON."""

import re
from datetime import UTC, datetime
from typing import Any, NewType
from uuid import UUID

import strawberry
from strawberry.scalars import JSON
from strawberry.types.scalar import ScalarDefinition

Long = NewType("Long", int)
LONG_MAX = 2**63 - 1
"""Why: the largest number a column of positions or amounts holds."""
RFC_3339 = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d{1,6})?([Zz]|[+-]\d\d:\d\d)")


def instant(text: str, _: object = None) -> str:
    """An instant in UTC as PostgreSQL writes it into JSON, which is how the API does, from what Python wrote."""
    text = text.removesuffix("Z").removesuffix("+00:00")
    return (text.rstrip("0") if "." in text else text) + "+00:00"


def _datetime_out(value: datetime) -> str:
    return instant(value.astimezone(UTC).isoformat())


def _datetime_in(value: Any) -> datetime:
    if not isinstance(value, str) or not RFC_3339.fullmatch(value):
        raise ValueError(
            "DateTime needs RFC 3339 with an offset and at most six digits of a second,"
            f" such as 2026-01-31T08:00:00Z, not {value!r:.60}."
        )
    try:
        return datetime.fromisoformat(value.upper()).astimezone(UTC)
    except OverflowError:
        raise ValueError(f"DateTime reaches from year 1 to year 9999 in UTC, not to {value!r:.60}.") from None


def _long_in(value: Any) -> int:
    whole = isinstance(value, int) and not isinstance(value, bool)
    if not whole and not (isinstance(value, str) and re.fullmatch(r"-?\d{1,19}", value)):
        raise ValueError(f"Long needs a whole number, not {value!r:.60}.")
    if not -LONG_MAX - 1 <= int(value) <= LONG_MAX:
        raise ValueError("Long has 64 bits; this number needs more.")
    return int(value)


def _uuid_in(value: Any) -> UUID:
    try:
        return UUID(value)
    except (ValueError, AttributeError, TypeError):
        raise ValueError(f"UUID needs 32 hexadecimal digits with hyphens, not {value!r:.60}.") from None


SCALARS: dict[object, ScalarDefinition] = {
    Long: strawberry.scalar(
        name="Long",
        description=(
            "A 64-bit integer, written as a JSON number. Positions, counts and amounts stay below 2^53, so a JavaScript"
            " number holds them exactly. A string of digits is taken as well."
        ),
        serialize=int,
        parse_value=_long_in,
    ),
    datetime: strawberry.scalar(
        name="DateTime",
        description=(
            "An instant as RFC 3339 writes it, to the microsecond. The offset from UTC is required on the way in; on"
            " the way out it is always +00:00."
        ),
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc3339",
        serialize=_datetime_out,
        parse_value=_datetime_in,
    ),
    UUID: strawberry.scalar(
        name="UUID",
        description="A universally unique identifier, written with hyphens.",
        specified_by_url="https://datatracker.ietf.org/doc/html/rfc9562",
        serialize=str,
        parse_value=_uuid_in,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value, given as it is stored: names inside it are in snake_case, codes in lower case.",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}
"""How each Python type that is no GraphQL built-in is written and read."""
