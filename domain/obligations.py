"""Obligations: which of a person's entries stand against forgetting them."""

from collections.abc import Iterable, Sequence
from itertools import groupby

from .aggregate import standing
from .case import Case
from .entry import Entry
from .event import Event
from .legal_hold import LegalHold
from .person import Hold, Matter
from .purchase import Purchase
from .vocabulary import CaseKind

MATTERS = (Case.Opened, Purchase.Recorded, Purchase.ReturnedUnmatched)
CONCERNED: tuple[type[Event], ...] = (
    LegalHold.Placed, LegalHold.Released, *MATTERS, Entry.Voided, Entry.Amended
)  # fmt: skip
"""The kinds of entries that obligations are made of; no others need be read."""


def obligations(entries: Iterable[Event]) -> tuple[list[Hold], list[Matter]]:
    """The legal holds that run and the matters that may have to be kept, from all of a person's entries.

    What was declared void counts for nothing, and what was amended counts as amended.
    """
    ordered = sorted(entries, key=lambda entry: (entry.stream_id, entry.stream_version))
    by_stream = groupby(ordered, lambda entry: entry.stream_id)
    histories = [standing(list(history)) for _, history in by_stream]
    holds = [hold for history in histories for hold in _running(history)]
    matters = [_matter(entry) for history in histories for entry in history if isinstance(entry, MATTERS)]
    return (
        sorted(holds, key=lambda hold: (hold.since, hold.reference)),
        sorted(matters, key=lambda matter: (matter.since, matter.id)),
    )


def _running(history: Sequence[Event]) -> list[Hold]:
    if any(isinstance(entry, LegalHold.Released) for entry in history):
        return []
    placed = (entry for entry in history if isinstance(entry, LegalHold.Placed))
    return [Hold(reference=entry.reference, reason=entry.reason, since=entry.occurred_at) for entry in placed]


def _matter(entry: Event) -> Matter:
    what = "purchase"
    if isinstance(entry, Case.Opened):
        what = "complaint" if entry.kind is CaseKind.COMPLAINT else "case"
    return Matter(what=what, id=entry.stream_id, since=entry.occurred_at)
