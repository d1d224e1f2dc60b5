"""Opening the personal fields of entries that are shown one by one, and taking note of who saw them."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from domain.command import Actor
from domain.event import Event, personal_fields
from domain.look import LookPurpose
from ledger.subjects import subject_of
from ledger.vault import Vault

from .wiring import Desk


def looked_at(desk: Desk, entries: Sequence[Event], actor: Actor, purpose: LookPurpose, taken: str) -> list[Event]:
    """The entries opened as :func:`opened_entries` does for an actor, whose look at them is noted."""
    opened = opened_entries(desk.vault, entries)
    values = [(field, value) for number, field, value in _sealed(entries) if getattr(opened[number], field) is not None]
    desk.looks.note(actor, purpose, values, subjects=map(subject_of, entries), taken=taken)
    return opened


def note_taken(desk: Desk, entries: Sequence[Event], actor: Actor, taken: str) -> None:
    """Take note that an actor took evidence of entries away, in which nothing was opened."""
    whose = {subject_of(entry) for entry in entries if entry.customer_id or personal_fields(type(entry))}
    desk.looks.note(actor, LookPurpose.PROOF, [], subjects=whose, taken=taken)


def opened_entries(vault: Vault, entries: Sequence[Event]) -> list[Event]:
    """The entries with their personal fields in clear, null where the person was erased."""
    sealed = _sealed(entries)
    texts = vault.open_many([(field, value) for _, field, value in sealed])
    clear: dict[int, dict[str, Any]] = {}
    for (number, field, _), text in zip(sealed, texts, strict=True):
        clear.setdefault(number, {})[field] = text
    return [replace(entry, **clear.get(number, {})) for number, entry in enumerate(entries)]


def _sealed(entries: Sequence[Event]) -> list[tuple[int, str, str]]:
    """The sealed values in entries, each with the number of its entry and its field."""
    return [
        (number, field, value)
        for number, entry in enumerate(entries)
        for field in personal_fields(type(entry))
        if (value := getattr(entry, field)) is not None
    ]
