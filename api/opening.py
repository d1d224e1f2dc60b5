"""Opening the personal fields of entries that are shown one by one."""

from collections.abc import Sequence
from typing import Any

from msgspec.structs import replace

from domain.event import Event
from ledger.vault import Vault, personal_fields


def opened_entries(vault: Vault, entries: Sequence[Event]) -> list[Event]:
    """The entries with their personal fields in clear, null where the person was erased."""
    sealed = [
        (number, field, value)
        for number, entry in enumerate(entries)
        for field in personal_fields(type(entry))
        if (value := getattr(entry, field)) is not None
    ]
    texts = vault.open_many([(field, value) for _, field, value in sealed])
    clear: dict[int, dict[str, Any]] = {}
    for (number, field, _), text in zip(sealed, texts, strict=True):
        clear.setdefault(number, {})[field] = text
    return [replace(entry, **clear.get(number, {})) for number, entry in enumerate(entries)]
