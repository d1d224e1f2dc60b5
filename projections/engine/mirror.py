"""Mirrors: feeds whose rows repeat their entries.

A model declared with ``mirrors_entries=True`` has no handlers: each column is named like what it repeats, a field of
the envelope, ``type`` or ``data``, and ``voided_by`` and ``amended_by`` name the last correction of the entry. The
handlers made of that serve where rows are folded one by one; :mod:`.mirroring` copies whole runs of them within
PostgreSQL.
"""

from collections.abc import Callable, Mapping
from enum import Enum
from operator import attrgetter
from typing import Any

from domain.entry import Entry
from domain.event import ENVELOPE, Event

from .hints import optional

MARKS: Mapping[str, tuple[type[Event], str]] = {
    "voided_by": (Entry.Voided, "voided_position"),
    "amended_by": (Entry.Amended, "amended_position"),
}
"""The columns that name corrections: which event, and by which field it names the entry."""
TOLD: Mapping[str, Callable[[Any], Any]] = {"type": attrgetter("type_name"), "data": lambda entry: entry.payload()}
"""What an entry says beside its envelope, by the name of the column."""

Handler = Callable[[Any, Any], None]
Folds = tuple[tuple[type[Event], ...], str | None, bool]
"""Which events a handler folds, and the rest of what ``on`` declares."""


def handlers(hints: Mapping[str, Any]) -> list[tuple[Handler, Folds]]:
    """The handlers of a mirror with columns of the given types; raises ``TypeError`` for one that repeats nothing."""
    if unknown := hints.keys() - set(ENVELOPE) - MARKS.keys() - TOLD.keys():
        raise TypeError(f"{min(unknown)} is nothing that an entry has; a mirror only repeats entries")
    repeated = [(column, _value_of(column, hint)) for column, hint in hints.items() if column not in MARKS]

    def entered(row: Any, entry: Any) -> None:
        for column, value_of in repeated:
            setattr(row, column, value_of(entry))

    found: list[tuple[Handler, Folds]] = [(entered, ((Event,), None, False))]
    return found + [
        (_marking(column), ((event,), field, False)) for column, (event, field) in MARKS.items() if column in hints
    ]


def _marking(column: str) -> Handler:
    def corrected(row: Any, entry: Any) -> None:
        setattr(row, column, entry.position)

    return corrected


def _value_of(column: str, hint: Any) -> Callable[[Any], Any]:
    """How a column's value is had from an entry; the envelope keeps enumerations as text."""
    value_of = TOLD.get(column) or attrgetter(column)
    kind, _ = optional(hint)
    if not (isinstance(kind, type) and issubclass(kind, Enum)):
        return value_of

    def member(entry: Any) -> Any:
        value = value_of(entry)
        return None if value is None else kind(value)

    return member
