"""Forgotten: whose keys were destroyed. Folds see nothing that was sealed of them, so no row holds any of it."""

from collections.abc import Collection, Iterable, Mapping
from functools import cache

from msgspec.structs import replace

from domain.customer import Customer
from domain.event import Event, personal_fields
from ledger.vault import subject_in

from .model import ReadModel, folds, names

ERASING = Customer.Erased


class Forgotten:
    """The persons who were erased by a position."""

    def __init__(self, erased: Mapping[bytes, int], position: int = 0) -> None:
        """Take the 16 bytes of the ids of the keys that were destroyed, each with the position that told of it.

        Those told of later than ``position`` are passed over.
        """
        self._erased, self._position = erased, position

    def __len__(self) -> int:
        """How many keys were destroyed at most; those destroyed later may be counted."""
        return len(self._erased)

    def has_key_of(self, sealed: str) -> bool:
        """Whether the key that a value is sealed with was destroyed; its beginning will do."""
        told = self._erased.get(subject_in(sealed))
        return told is not None and told <= self._position

    def hidden(self, model: type[ReadModel], entries: Collection[Event]) -> Collection[Event]:
        """The entries as a model's folds see them: null where a field is sealed with a key that was destroyed."""
        if not self:
            return entries
        seen = sealed_seen(model)
        return [self._without(entry, seen[type(entry)]) if type(entry) in seen else entry for entry in entries]

    def _without(self, entry: Event, fields: Iterable[str]) -> Event:
        gone = {
            field: None for field in fields if (value := getattr(entry, field)) is not None and self.has_key_of(value)
        }
        return replace(entry, **gone) if gone else entry


NONE_FORGOTTEN: Forgotten = Forgotten({})


@cache
def sealed_seen(model: type[ReadModel]) -> Mapping[type[Event], tuple[str, ...]]:
    """The kinds of entries whose sealed fields a model's folds look at, each with those fields.

    They are found as the envelope fields are that it needs, by their names in its compiled methods.
    """
    named = names(model)
    whole = "payload" in named or (model.spec.mirrors_entries and "data" in model.__struct_fields__)
    seen: dict[type[Event], tuple[str, ...]] = {}
    for kind in folds(model):
        fields = personal_fields(kind)
        looked_at = fields if whole else tuple(field for field in fields if field in named)
        if looked_at:
            seen[kind] = looked_at
    return seen
