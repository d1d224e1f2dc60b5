"""Instants as they are written on the command line."""

from datetime import UTC, datetime

from domain.rule import INVALID_INPUT


def parse_instant(text: str | None) -> datetime:
    """An instant given on the command line, by default now; refuses one without an offset or in the future."""
    now = datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text) if text else now
    except (ValueError, OverflowError):
        INVALID_INPUT.refuse(problem=f"{text!r} is no instant; write it like 2026-06-30T00:00:00Z.")
    INVALID_INPUT.refuse_if(instant.tzinfo is None, problem=f"{text!r} needs an offset, such as Z for UTC.")
    INVALID_INPUT.refuse_if(instant > now, problem=f"{text} lies in the future; give an instant that has passed.")
    return instant.astimezone(UTC)
