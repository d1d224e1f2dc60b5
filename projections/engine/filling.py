"""Filling builds: the ledger read and decoded once for several parts, each folded into the table of its build.

The builds of mirrors, which fold nothing, are filled by :mod:`.mirroring`.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from itertools import pairwise
from typing import Any

from psycopg import Connection, sql

from domain.event import Event
from ledger.database import Duty, connect
from ledger.reading import BLOCK, copy_blocks, decoded_lines

from . import copying
from .bulk import Bulk
from .corrections import Corrections, corrections
from .interpreter import set_to_fold
from .model import ReadModel, folds, of_types
from .parts import Part
from .table import UNFIT

WRITTEN_AT_ONCE = 5_000
"""Why: the rows of a few megabytes; more of them would only wait in memory."""
WAITING_MAX = 4
"""Why: so many lots of rows wait to be written before folding waits for them."""

Told = Callable[[int], None]
"""Told how many positions were passed since it was last told."""
Known = Mapping[int, Corrections]
"""The corrections told of by some positions."""
Anew = dict[int, list[Any]]
"""By the id of their build, the keys whose rows have to be folded anew once the rest is there."""


def fill(url: str, parts: Sequence[Part], name: str) -> Anew:
    """Fold parts into the tables of their builds, by sessions of its own of the given name; all of it or nothing.

    All arguments and what is given back can be sent to another process or machine.
    """
    from projections import catalogue  # noqa: F401  (fills the catalogue where the process is a new one)

    with connect(url, Duty.PROJECTOR) as reader, connect(url, Duty.PROJECTOR) as writer:
        for session in (reader, writer):
            session.execute("SELECT set_config('application_name', %s, false)", (name,))
        return fill_by(reader, writer, parts)


def fill_by(
    reader: Connection[Any], writer: Connection[Any], parts: Sequence[Part], told: Told = lambda _positions: None
) -> Anew:
    """Fold parts as :func:`fill` does; the reader streams while the writer loads."""
    # Whether two processors work for one stream or three, they do the same work; the third is better left to others.
    reader.execute("SET max_parallel_workers_per_gather = 0")
    known = {position: corrections(reader, position) for position in {part.cut.position for part in parts}}
    with set_to_fold(), writer.transaction(), ThreadPoolExecutor(1) as thread:
        working = [_Filling(writer, part, known[part.cut.position], thread) for part in parts]
        for stretch in _stretches(parts):
            its = [each for each in working if stretch[0] in each.part.positions()]
            passed, sorted_out = 0, _Sorting([each.part.model for each in its])
            for entries in _entries(reader, [each.part for each in its], known, stretch):
                for each, concerned in zip(its, sorted_out(entries), strict=True):
                    each.take(concerned)
                block = min(BLOCK, len(stretch) - passed)
                told(block)
                passed += block
        for each in working:
            each.finish()
        return {each.part.build.id: each.left() for each in working}


class _Sorting:
    """Sorts out which entries concern which models, so that each model looks at its own alone."""

    def __init__(self, chosen: Sequence[type[ReadModel]]) -> None:
        self._lists: list[list[Event]] = [[] for _ in chosen]
        self._adders: dict[type[Event], list[Callable[[Event], None]]] = {}
        for model, own in zip(chosen, self._lists, strict=True):
            for kind in folds(model):
                self._adders.setdefault(kind, []).append(own.append)

    def __call__(self, entries: Iterable[Event]) -> Sequence[Sequence[Event]]:
        """The entries of each model, in lists that are used again for the next entries."""
        for own in self._lists:
            own.clear()
        for entry in entries:
            for add in self._adders.get(type(entry), ()):
                add(entry)
        return self._lists


class _Filling:
    """One part on its way from entries to rows in the table of its build."""

    def __init__(self, writer: Connection[Any], part: Part, known: Corrections, thread: ThreadPoolExecutor) -> None:
        self.part, self._writer, self._thread = part, writer, thread
        self._bulk = Bulk(part.model, known, part.cut.occurred_until, begun=part.positions().start > 1)
        self._flows = part.model.spec.flows
        self._waits = part.model.spec.order_by == "occurred_at" and not self._flows
        self._held: list[Event] = []
        self._unfit: list[Any] = []
        self._writing: deque[Future[list[ReadModel]]] = deque()

    def take(self, entries: Sequence[Event]) -> None:
        """Fold the next entries; what is not in order of position is folded in the end."""
        if self._waits:
            self._held += entries
            return
        self._bulk.fold(entries)
        if self._flows and len(self._bulk) >= WRITTEN_AT_ONCE:
            self._write(self._bulk.settled())

    def finish(self) -> None:
        """Write what is left."""
        self._bulk.fold(self._held)
        rows = [row for row in self._bulk.take() if self.part.owns(self._key(row))]
        for start in range(0, len(rows), WRITTEN_AT_ONCE):
            self._write(rows[start : start + WRITTEN_AT_ONCE])

    def left(self) -> list[Any]:
        """The keys whose rows have to be folded anew, once all others are written."""
        self._written()
        return [*filter(self.part.owns, self._bulk.anew), *self._unfit]

    def _write(self, rows: Sequence[ReadModel]) -> None:
        """Let rows be written while the next are folded."""
        self._written(WAITING_MAX)
        model, table = self.part.model, self.part.build.table
        csv = None
        # What does not fit is found where it is written.
        with suppress(*UNFIT):
            csv = copying.lines(model, rows)
        self._writing.append(self._thread.submit(copying.load_fitting, self._writer, model, table, rows, csv))

    def _written(self, waiting: int = 0) -> None:
        """Wait until no more than so many lots of rows wait to be written."""
        while len(self._writing) > waiting:
            self._unfit += [self._key(row) for row in self._writing.popleft().result()]

    def _key(self, row: ReadModel) -> Any:
        return getattr(row, self.part.model.spec.key)


def span(parts: Sequence[Part]) -> int:
    """How many positions are passed in folding the parts together."""
    return sum(map(len, _stretches(parts)))


def _stretches(parts: Sequence[Part]) -> Iterator[range]:
    """The runs of positions all of whose entries are read for the same parts."""
    edges = sorted({edge for part in parts for edge in (part.positions().start, part.positions().stop)})
    for first, end in pairwise(edges):
        if any(first in part.positions() for part in parts):
            yield range(first, end)


def _entries(reader: Connection[Any], parts: Sequence[Part], known: Known, stretch: range) -> Iterator[list[Event]]:
    """The entries of a stretch that have to be folded, a block at a time; there may be none in a block."""
    fields = set().union(*(part.fields() for part in parts))
    condition = sql.SQL("({})").format(sql.SQL(" OR ").join(part.concerned(known[part.cut.position]) for part in parts))
    if all(part.is_whole for part in parts):
        condition = of_types(set().union(*(part.types() for part in parts)))
    for lines in copy_blocks(reader, fields, condition, stretch.start, stretch.stop - 1):
        yield decoded_lines(lines)
