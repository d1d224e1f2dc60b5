"""Puts entries in order of time in bounded memory: an external merge sort over compressed temporary files.

Whole lives are written one after another, but a ledger grows by all customers at once; in a real one the entries of
one customer lie scattered over the whole table, and reading them back costs accordingly. Blocks of customers would
each be in order but not follow one another, so what is written is sorted as a whole. A small world never touches
the disk.
"""

import gzip
import heapq
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack
from datetime import datetime
from itertools import islice
from typing import IO, Self

import msgspec

from domain.event import Event
from ledger.reading import decoded_lines

RUN_MAX = 50_000
"""Why: some 60 MB of entries at a time in memory; more gains little and makes the collector of cycles slow."""
RUNS_MAX = 256
"""Why: each run is an open file, and 1 024 are commonly allowed; beyond it the runs are merged into one."""
READ_BYTES = 1 << 16
"""How much of each run is in memory while they are merged."""

_encode_lines = msgspec.json.Encoder().encode_lines


def _instant(event: Event) -> datetime:
    return event.occurred_at


class Chronicle:
    """Takes entries stream by stream and gives them back in order of time; entries of one instant as they came.

    A context manager: leaving it removes the temporary files.
    """

    def __init__(self) -> None:
        """Begin empty."""
        self._buffer: list[Event] = []
        self._runs: list[IO[bytes]] = []
        self._size = 0

    def __enter__(self) -> Self:
        """Nothing is opened before it is needed."""
        return self

    def __exit__(self, *failure: object) -> None:
        """Remove the temporary files."""
        with ExitStack() as files:
            for run in self._runs:
                files.callback(run.close)

    def __len__(self) -> int:
        """How many entries were added."""
        return self._size

    def add(self, entries: Sequence[Event]) -> None:
        """Add entries; those of one stream come in its order, and all before those of any other call."""
        self._buffer.extend(entries)
        self._size += len(entries)
        if len(self._buffer) >= RUN_MAX:
            self._buffer.sort(key=_instant)
            self._spill(self._buffer)
            self._buffer = []

    def __iter__(self) -> Iterator[Event]:
        """Every entry in order of time."""
        self._buffer.sort(key=_instant)
        return heapq.merge(*map(_read, self._runs), self._buffer, key=_instant)

    def _spill(self, ordered: Iterable[Event]) -> None:
        """Write a run; when there are too many, one takes the place of all."""
        self._runs.append(_written(ordered))
        if len(self._runs) >= RUNS_MAX:
            merged = _written(heapq.merge(*map(_read, self._runs), key=_instant))
            self.__exit__()
            self._runs = [merged]


def _written(ordered: Iterable[Event]) -> IO[bytes]:
    run = tempfile.TemporaryFile(prefix="daybook-")  # noqa: SIM115  (closed with the chronicle)
    with gzip.GzipFile(fileobj=run, mode="wb", compresslevel=1) as packed:
        waiting = iter(ordered)
        while batch := list(islice(waiting, 1_000)):
            packed.write(_encode_lines(batch))
    return run


def _read(run: IO[bytes]) -> Iterator[Event]:
    run.seek(0)
    with gzip.GzipFile(fileobj=run, mode="rb") as packed:
        rest = b""
        while chunk := packed.read(READ_BYTES):
            held = rest + chunk
            end = held.rfind(b"\n") + 1
            rest = held[end:]
            yield from decoded_lines(held[:end])
