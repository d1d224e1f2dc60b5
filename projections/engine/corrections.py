"""Corrections: what later entries say of earlier ones, and how a fold sees the entries because of it.

A voided entry is left out and an amended one is taken as amended; entries of a merged customer count for the
survivor, and what was sealed of a person who was erased is null. A model may see more than that: one that marks voided
or amended entries itself is given them as they were entered, and one that declares ``follows_merges=False`` is given
the customers as they were entered.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, Self

from psycopg import Connection

from domain.entry import Entry
from domain.event import Amendment, Event, upcast

from .links import Links
from .model import ReadModel, envelope_needed, folds

VOIDED, AMENDED = "voided_position", "amended_position"
"""The fields by which a correction names the entry it speaks of."""
CORRECTING = (Entry.Voided, Entry.Amended)

OF_ALL = """
    SELECT position, (data ->> 'voided_position')::bigint, schema, NULL FROM ledger.entries
     WHERE type = 'Entry.Voided' AND position <= %(to)s
     UNION ALL
    SELECT position, (data ->> 'amended_position')::bigint, schema, data FROM ledger.entries
     WHERE type = 'Entry.Amended' AND position <= %(to)s
     ORDER BY position"""
"""In two halves, since each has an index of its own; no others are looked at."""
OF_SOME = """
    SELECT position, (data ->> 'voided_position')::bigint, schema, NULL FROM ledger.entries
     WHERE type = 'Entry.Voided' AND data ->> 'voided_position' = ANY(%(targets)s::text[]) AND position <= %(to)s
     UNION ALL
    SELECT position, (data ->> 'amended_position')::bigint, schema, data FROM ledger.entries
     WHERE type = 'Entry.Amended' AND data ->> 'amended_position' = ANY(%(targets)s::text[]) AND position <= %(to)s
     ORDER BY position"""

Changes = Mapping[int, Sequence[Amendment]]


class Corrections(NamedTuple):
    """The corrections and merges told of by a position, of all entries or of those they were asked for."""

    void: Mapping[int, int]
    """The positions of the entries that were declared void, each with that of the entry that did."""
    changes: Changes
    """The fields stated anew, by the position of the entry they belong to; the last one to state a field counts."""
    amended: Mapping[int, int]
    """The positions of the entries with fields stated anew, each with that of the last entry that did."""
    links: Links

    def of(self, positions: range) -> Self:
        """Those of the entries at some positions."""
        void = {target: by for target, by in self.void.items() if target in positions}
        changes = {target: changed for target, changed in self.changes.items() if target in positions}
        amended = {target: by for target, by in self.amended.items() if target in positions}
        return self._replace(void=void, changes=changes, amended=amended)

    def applied(self, model: type[ReadModel], entries: Collection[Event]) -> Collection[Event]:
        """The entries as the model's folds see them.

        Raises ``msgspec.ValidationError`` where an amendment does not fit the event as it is declared today.
        """
        if self.void and not marks(model, VOIDED):
            entries = [entry for entry in entries if entry.position not in self.void]
        if self.changes and not marks(model, AMENDED):
            entries = [
                entry.amended(self.changes[entry.position]) if entry.position in self.changes else entry
                for entry in entries
            ]
        return redirected(model, entries, self.links)


def corrections(connection: Connection[Any], to: int) -> Corrections:
    """All corrections and merges told of by a position."""
    return _taken(_read(connection, OF_ALL, {"to": to}), Links.at(connection, to))


def corrections_of(connection: Connection[Any], targets: Sequence[int], to: int, links: Links) -> Corrections:
    """The corrections of the entries at some positions, told of by position ``to``."""
    if not targets:
        return _taken((), links)
    return _taken(_read(connection, OF_SOME, {"targets": list(targets), "to": to}), links)


def corrections_in(entries: Iterable[Event], links: Links) -> Corrections:
    """The corrections that stand among some entries, given by position."""
    told = (entry for entry in entries if isinstance(entry, CORRECTING))
    return _taken(
        (
            (entry.position, entry.voided_position, None)
            if isinstance(entry, Entry.Voided)
            else (entry.position, entry.amended_position, entry.amendment)
            for entry in told
        ),
        links,
    )


Correction = tuple[int, int, Amendment | None]
"""The position of a correction, and that of the entry it speaks of; without an amendment it declares that void."""


def _read(connection: Connection[Any], query: str, params: Mapping[str, Any]) -> Iterator[Correction]:
    for position, target, schema, data in connection.execute(query, params):
        told = None if data is None else upcast(Entry.Amended, schema, data)
        yield position, target, None if told is None else Amendment(told["amended_schema"], told["changes"])


def _taken(told: Iterable[Correction], links: Links) -> Corrections:
    void: dict[int, int] = {}
    changes: dict[int, list[Amendment]] = {}
    amended: dict[int, int] = {}
    for position, target, amendment in told:
        if amendment is None:
            void[target] = position
        else:
            changes.setdefault(target, []).append(amendment)
            amended[target] = position
    return Corrections(void, changes, amended, links)


@cache
def marks(model: type[ReadModel], field: str) -> bool:
    """Whether a model keeps corrected entries as they were entered, and marks them itself."""
    return any(fold.key == field for kind in CORRECTING for fold in folds(model).get(kind, ()))


def redirected(model: type[ReadModel], entries: Collection[Event], links: Links) -> Collection[Event]:
    """The entries as the model's folds see them because of merges and erasures alone."""
    entries = links.forgotten.hidden(model, entries)
    return links.redirected(entries) if follows_merges(model) else entries


@cache
def follows_merges(model: type[ReadModel]) -> bool:
    """Whether the entries of a merged customer are the survivor's for a model."""
    return model.spec.follows_merges and "customer_id" in envelope_needed(model)
