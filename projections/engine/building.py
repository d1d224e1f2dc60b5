"""Building: new builds filled from the ledger as cuts have it, indexed and certified, and not yet in service."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import chain
from threading import Lock
from typing import Any

from psycopg import Connection

from . import builds, mirroring, table
from .beside import Beside
from .builds import Build
from .cut import Cut
from .filling import Anew, Told, fill_by, span
from .hands import Hands, fill_side_by_side
from .keeping import keep
from .model import ReadModel
from .parts import Part, Whole, rows_held, shared_out
from .refolding import KEYS_AT_ONCE

Advance = Callable[[int, int | None], None]
"""Told how many entries are done, and of how many."""
New = tuple[Build, Cut]
"""A build that was begun, and the cut it is to show."""


@contextmanager
def built(
    reader: Connection[Any],
    writer: Connection[Any],
    wanted: Mapping[type[ReadModel], Cut],
    advance: Advance,
    hands: Hands | None = None,
) -> Iterator[Iterator[Build]]:
    """New builds with all rows as the cuts have them, with their indexes and certificates, each as soon as it is done.

    Mirrors, which PostgreSQL fills by itself, are made beside those that have to be folded.
    """
    begun = [(builds.begin(writer, model, cut.occurred_until), cut) for model, cut in wanted.items()]
    mirrors = [new for new in begun if new[0].declared.spec.mirrors_entries]
    folded = [new for new in begun if new not in mirrors]
    whole = [Whole(build, cut, rows_held(writer, build.declared, cut)) for build, cut in folded]
    lists = shared_out(whole, hands.processes if hands else 1)
    total = sum(map(span, lists)) + sum(cut.position for _, cut in mirrors)
    passed = _Passing(advance, max((cut.position for _, cut in begun), default=0), total)
    if not (whole and mirrors):
        yield chain(
            _mirrored(reader, writer, mirrors, passed), _all_folded(reader, writer, whole, lists, passed, hands)
        )
        return
    with Beside.like(writer) as beside:
        mirrored = beside.do(lambda connection: [*_mirrored(connection, connection, mirrors, passed)])
        yield _both(_all_folded(reader, writer, whole, lists, passed, hands), mirrored)


class _Passing:
    """Tells how far all have got that work at once."""

    def __init__(self, advance: Advance, last: int, total: int) -> None:
        self._advance, self._last, self._total = advance, last, max(total, 1)
        self._passed, self._lock = 0, Lock()

    def __call__(self, positions: int) -> None:
        with self._lock:
            self._passed += positions
            self._advance(min(self._last * self._passed // self._total, self._last), self._last)


def _both(folded: Iterator[Build], mirrored: Future[list[Build]]) -> Iterator[Build]:
    for build in folded:
        if mirrored.done():
            # Where it failed, nothing more is put in service.
            mirrored.result()
        yield build
    yield from mirrored.result()


def _mirrored(
    reader: Connection[Any], writer: Connection[Any], mirrors: Sequence[New], passed: Told
) -> Iterator[Build]:
    left = mirroring.fill(writer, mirrors, passed)
    for build, cut in mirrors:
        yield _completed(reader, writer, build, cut, left[build.id])


def _all_folded(
    reader: Connection[Any],
    writer: Connection[Any],
    whole: Sequence[Whole],
    lists: Sequence[Sequence[Part]],
    passed: Told,
    hands: Hands | None,
) -> Iterator[Build]:
    anew: Anew = {}
    if hands and len(lists) > 1:
        left = fill_side_by_side(hands, lists, passed)
    else:
        left = (fill_by(reader, writer, parts, passed) for parts in lists)
    for found in left:
        for build_id, keys in found.items():
            anew.setdefault(build_id, []).extend(keys)
    for build, cut, _ in whole:
        yield _completed(reader, writer, build, cut, anew.get(build.id, ()))


def _completed(reader: Connection[Any], writer: Connection[Any], build: Build, cut: Cut, anew: Sequence[Any]) -> Build:
    """The build with its indexes and its certificate, and the rows of the keys that were left to be folded anew."""
    model, done = build.declared, build._replace(position=cut.position)
    with ThreadPoolExecutor(1) as thread:
        certified = None
        if not anew:
            builds.advance(writer, [build], cut.position)
            certified = thread.submit(builds.certify, reader, done)
        table.index(writer, model, build.table)
        if certified:
            certified.result()
    table.finish(writer, build.table)
    if anew:
        with writer.transaction():
            for start in range(0, len(anew), KEYS_AT_ONCE):
                keep(writer, build, anew[start : start + KEYS_AT_ONCE], cut)
            builds.advance(writer, [build], cut.position)
        builds.certify(writer, done)
    return done
