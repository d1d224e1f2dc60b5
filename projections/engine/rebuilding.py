"""Rebuilding: the whole ledger folded into a new build beside the one in service, caught up, then swapped in."""

from collections.abc import Callable, Iterator
from typing import Any

from psycopg import Connection, sql

from domain.event import Event
from ledger.reading import copy_lines, decoded_lines, line

from . import builds, posting, table
from .builds import Build
from .corrections import corrections
from .folding import fold_steps, steps
from .model import ReadModel, envelope_needed, folds
from .quarantine import Quarantine

Advance = Callable[[int, int | None], None]
"""Told the position done and the last one."""
LOCK = "hashtext('daybook rebuild ' || %s)"


def rebuild(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    advance: Advance = lambda _done, _total: None,
) -> Build:
    """Build a model anew from the first entry and put it in service; gives the build that serves now.

    The build in service is untouched until the swap, and what an interrupted rebuild left is removed first.
    Both connections have the projector's duty; the reader streams while the writer loads.
    """
    writer.execute(f"SELECT pg_advisory_lock({LOCK})", (model.spec.name,))
    try:
        builds.discard_unfinished(writer, model)
        build = builds.begin(writer, model)
        head = _head(reader)
        with writer.transaction():
            _load(reader, writer, model, build, head, advance)
            builds.advance(writer, build, head)
        table.index(writer, model, build.table)
        return _catch_up_and_serve(writer, model, build._replace(position=head))
    finally:
        writer.execute(f"SELECT pg_advisory_unlock({LOCK})", (model.spec.name,))


def _head(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT position FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


def _load(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    build: Build,
    head: int,
    advance: Advance,
) -> None:
    rows: dict[Any, ReadModel] = {}
    anew: set[Any] = set()
    known = corrections(writer, head)
    for entries in _chunks(reader, model, head):
        fold_steps(model, rows, steps(model, known.applied(model, entries)), anew)
        advance(entries[-1].position, head)
    posting.keep(writer, model, build, rows, anew, head, Quarantine(writer, build), table.load)


def _chunks(reader: Connection[Any], model: type[ReadModel], head: int) -> Iterator[list[Event]]:
    query = sql.SQL(
        "SELECT {line} FROM ledger.entries WHERE position <= {head} AND type = ANY({types}) ORDER BY {order}"
    ).format(
        line=line(envelope_needed(model)),
        head=head,
        types=[event.type_name for event in folds(model)],
        order=sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys((model.spec.order_by, "position")))),
    )
    for lines in copy_lines(reader, query):
        yield decoded_lines(lines)


def _catch_up_and_serve(writer: Connection[Any], model: type[ReadModel], build: Build) -> Build:
    """Post what was entered meanwhile; the last of it under the lock that live posting takes, then swap."""
    while build.position + posting.BATCH_MAX <= _head(writer):
        with writer.transaction():
            entries, last = posting.read(writer, build.position)
            build = posting.post(writer, model, build, entries, last)
    # Before the lock, under which all posting waits: the certificate tells its own position.
    builds.certify(writer, build)
    with writer.transaction():
        builds.serving(writer, lock=True)
        entries, last = posting.read(writer, build.position)
        while entries:
            build = posting.post(writer, model, build, entries, last)
            entries, last = posting.read(writer, build.position)
        builds.serve(writer, build)
    return build
