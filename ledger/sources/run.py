"""One run of an import over one file."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection

from domain.aggregate import SKEW
from domain.event import Event
from ledger import bulk
from ledger.subjects import subjects_of
from ledger.vault import ErasedError, Vault

from .drafting import Circumstances, Drafter
from .faults import Unfit
from .files.row import RowFile
from .identity import Sightings, digest
from .mapping import NamedMapping
from .records import Grouping, Item, Record, Unusable
from .rejects import Rejects
from .values import Table

CHUNK_ENTRIES = 5_000
"""Why: a commit costs some milliseconds whatever it holds, and other writers wait for at most a tenth of a second."""
CHUNK_ROWS = 20_000
"""Why: a chunk is held in memory; so many rows are some ten megabytes."""
REGISTERED_MAX = 1_000_000
"""Why: some 100 MB; beyond it customers are offered again, and the ledger finds that it knows them."""

CLASH = "it stands in the ledger already with other content; a correction needs an id of its own"
ERASED = "its customer was erased; nothing more can be recorded in their name"

BEGIN = """
    INSERT INTO ledger.imports AS i (import_id, source, file_digest, rows_done, entries, rejected)
    VALUES (%s, %s, %s, 0, 0, 0)
    ON CONFLICT (import_id) DO UPDATE SET
        rows_done = CASE WHEN i.finished_at IS NULL THEN i.rows_done ELSE 0 END,
        rejected = CASE WHEN i.finished_at IS NULL THEN i.rejected ELSE 0 END,
        finished_at = NULL
    RETURNING rows_done, entries, rejected
"""
"""An import that was finished begins anew: its rows are looked at again, and what is known is left alone."""
GO_ON = "UPDATE ledger.imports SET rows_done = %s, entries = entries + %s, rejected = %s WHERE import_id = %s"
HEAD = "SELECT position FROM ledger.head"
FINISH = "UPDATE ledger.imports SET finished_at = now() WHERE import_id = %s"


class Summary(msgspec.Struct, kw_only=True):
    """What an import did; where nothing else is said, in this run."""

    file: str
    source: str
    resumed_after_rows: int = 0
    """The rows that an earlier, interrupted run had done."""
    rows: int = 0
    records: int = 0
    """Records that made events."""
    entered: dict[str, int] = {}
    """New entries by type."""
    known: int = 0
    """Entries that stood in the ledger already."""
    unknown_customer_records: int = 0
    """Records that name no customer; their entries have none."""
    unknown_customer_rows: int = 0
    without_event_rows: int = 0
    """Rows that no event of the mapping is for."""
    rejected_rows: int = 0
    """Rows in the reject file, those of the interrupted run included."""
    reject_file: str | None = None
    position: int = 0
    """The ledger's last position afterwards."""

    @property
    def nothing_taken(self) -> bool:
        """Whether there were rows, and all of them were rejected."""
        return 0 < self.rows + self.resumed_after_rows == self.rejected_rows


class Means(NamedTuple):
    """What an import writes to, and how it tells of its progress."""

    connection: Connection[Any]
    """Under the importer's duty."""
    vault: Vault
    rejects: Path
    """The folder for reject files."""
    advance: Callable[[int, int | None], None] = lambda *_: None
    """Told how many bytes of the file, of how many, have been read."""
    tell: Callable[[str], None] = lambda _: None
    """Told what a person who waits should know."""


class Run:
    """One run over one file."""

    def __init__(
        self, means: Means, path: Path, named: NamedMapping, file: RowFile, import_id: UUID, told: bytes
    ) -> None:
        """Ready to import the open ``file``, from ``path``, as ``named`` says; ``told`` is the digest of all three."""
        self._means, self._path, self._file, self._id, self._told = means, path, file, import_id, told
        table = Table(named, {column: n for n, column in enumerate(file.columns)})
        self._grouping = Grouping(table)
        self._drafter = Drafter(table, Circumstances(import_id, datetime.now(UTC) + SKEW))
        reject_file = means.rejects / f"{path.name}.{str(import_id)[:8]}.csv"
        self._rejects = Rejects(reject_file, file.columns if file.headed else None)
        self._registered: set[str] = set()
        self._sightings = Sightings(means.connection)
        self._look_first = False
        self._chunk_records = max(1, CHUNK_ENTRIES // len(named.mapping.event))
        self._summary = Summary(file=path.name, source=named.mapping.source)

    def run(self) -> Summary:
        """Go through the file."""
        connection, summary = self._means.connection, self._summary
        begun = connection.execute(BEGIN, (self._id, summary.source, self._told)).fetchone()
        assert begun is not None
        done, entries, rejected = begun
        self._look_first = entries > 0
        self._rejects.begin(rejected)
        summary.resumed_after_rows, total = done, self._path.stat().st_size
        passed = 0
        try:
            for chunk in _chunks(self._grouping.items(self._file.rows), self._chunk_records):
                keyed = self._keyed(chunk)
                fresh: list[Item] = []
                for item in keyed:
                    passed += len(item.rows)
                    if passed > done:
                        fresh.append(item)
                if fresh:
                    summary.rows += sum(len(item.rows) for item in fresh)
                    self._enter(fresh, passed)
                self._means.advance(self._file.done(), total)
        finally:
            self._rejects.close()
        connection.execute(FINISH, (self._id,))
        head = connection.execute(HEAD).fetchone()
        assert head is not None
        summary.position = head[0]
        summary.rejected_rows = self._rejects.count
        summary.reject_file = str(self._rejects.path) if self._rejects.count else None
        return summary

    def _keyed(self, items: Sequence[Item]) -> Sequence[Item]:
        """The items, records known by their content named by it, and groups that come again turned away."""
        if self._grouping.named and not self._grouping.grouped:
            return items
        names = [self._name(item) if isinstance(item, Record) else "" for item in items]
        times = self._sightings.numbered(names)
        return [
            self._renamed(item, name, time) if isinstance(item, Record) else item
            for item, name, time in zip(items, names, times, strict=True)
        ]

    def _name(self, record: Record) -> str:
        if record.key:
            return record.key
        return digest(self._file.columns, record.rows[0].values, self._drafter.personal_columns)

    def _renamed(self, record: Record, name: str, time: int) -> Item:
        if not self._grouping.grouped:
            return Record(f"{name}-{time}", record.rows)
        return record if time == 1 else Unusable(record.rows, self._grouping.late(name))

    def _enter(self, items: Sequence[Item], passed: int) -> None:
        """Enter a chunk, reject what cannot be entered, and note how far the import got, all or nothing."""
        events, owners, rejected = self._drafted(items)
        connection, summary = self._means.connection, self._summary
        with connection.transaction():
            entered = bulk.enter(connection, self._means.vault, events, records=owners, look_first=self._look_first)
            clashing = sorted({owners[n] for n in entered.clashing})
            rejected += [Unusable(items[n].rows, CLASH) for n in clashing]
            for unusable in sorted(rejected, key=lambda unusable: unusable.rows[0].line):
                self._rejects.add(unusable.rows, unusable.reason)
            self._rejects.keep()
            connection.execute(GO_ON, (passed, len(entered.fresh), self._rejects.count, self._id))
        self._look_first = entered.looked
        summary.known += len(entered.known)
        for name, count in Counter(events[n].type_name for n in entered.fresh).items():
            summary.entered[name] = summary.entered.get(name, 0) + count

    def _drafted(self, items: Sequence[Item]) -> tuple[list[Event], list[int], list[Unusable]]:
        """The events of the items, which item each is from, and what makes none.

        A customer's registration is counted as of an item of its own, so that it stands whatever becomes of the
        record that first named the customer.
        """
        events: list[Event] = []
        owners: list[int] = []
        rejected: list[Unusable] = []
        for n, item in enumerate(items):
            if isinstance(item, Unusable):
                rejected.append(item)
                continue
            try:
                drafted, newcomer = self._events(item)
            except Unfit as unfit:
                rejected.append(Unusable(item.rows, str(unfit)))
                continue
            if newcomer:
                events.append(newcomer)
                owners.append(-n - 1)
            events += drafted
            owners += [n] * len(drafted)
        return self._without_erased(items, events, owners, rejected)

    def _events(self, record: Record) -> tuple[list[Event], Event | None]:
        """A record's events, and the registration of its customer where this is the first record to name them."""
        values, summary = record.values, self._summary
        customer = self._drafter.customer(values[0])
        drafted = self._drafter.draft(record.key, values, customer)
        if not drafted:
            summary.without_event_rows += len(values)
            return drafted, None
        summary.records += 1
        if customer is None:
            summary.unknown_customer_records += 1
            summary.unknown_customer_rows += len(values)
            return drafted, None
        if customer in self._registered:
            return drafted, None
        newcomer = self._drafter.registration(customer, values, drafted[0].occurred_at)
        if len(self._registered) == REGISTERED_MAX:
            self._registered.clear()
        self._registered.add(customer)
        return drafted, newcomer

    def _without_erased(
        self, items: Sequence[Item], events: list[Event], owners: list[int], rejected: list[Unusable]
    ) -> tuple[list[Event], list[int], list[Unusable]]:
        """The same without events that hold personal text of an erased customer; their records are rejected."""
        subjects = {subject for event in events for subject in subjects_of(event)}
        try:
            self._means.vault.provide(subjects)
            return events, owners, rejected
        except ErasedError:
            erased = self._means.vault.erased(subjects)
        barred = {
            owner for event, owner in zip(events, owners, strict=True) if not erased.isdisjoint(subjects_of(event))
        }
        rejected += [Unusable(items[n].rows, ERASED) for n in sorted(barred) if n >= 0]
        left = [n for n, owner in enumerate(owners) if owner not in barred]
        return [events[n] for n in left], [owners[n] for n in left], rejected


def _chunks(items: Iterable[Item], records: int) -> Iterator[list[Item]]:
    chunk: list[Item] = []
    rows = 0
    for item in items:
        chunk.append(item)
        rows += len(item.rows)
        if len(chunk) >= records or rows >= CHUNK_ROWS:
            yield chunk
            chunk, rows = [], 0
    if chunk:
        yield chunk
