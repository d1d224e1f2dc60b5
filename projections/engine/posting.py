"""Live posting: a batch of entries folded into rows; rows and checkpoint in one transaction."""

from collections.abc import Iterable
from functools import cache
from typing import Any

from psycopg import Connection, sql

from domain.event import Event
from ledger.reading import decoded_lines, line

from . import builds, table
from .builds import Build
from .folding import fold_steps, steps
from .model import ReadModel, envelope_needed, models
from .quarantine import Quarantine

BATCH_MAX = 5_000
"""Why: some 4 MB of entries and well under a second of work, so a projector stops and starts quickly."""
TAIL = (
    "SELECT string_agg(line, E'\\n' ORDER BY position), max(position) FROM"
    " (SELECT position, {line} AS line FROM ledger.entries WHERE position > %s ORDER BY position LIMIT %s) AS batch"
)


def read(connection: Connection[Any], after: int, limit: int = BATCH_MAX) -> tuple[list[Event], int]:
    """The next entries after a position, and the position of the last of them; the same position at the head."""
    row = connection.execute(sql.SQL(TAIL).format(line=line(_needed())), (after, limit)).fetchone()
    assert row is not None
    lines, last = row
    return (decoded_lines(lines.encode()), last) if lines else ([], after)


def post(connection: Connection[Any], model: type[ReadModel], build: Build, entries: Iterable[Event], to: int) -> Build:
    """Post to one build the entries after its position, and move it on to ``to``; in the caller's transaction."""
    todo = list(steps(model, entries, after=build.position))
    if todo:
        # A feed's own row is new with its entry; only rows found by another field can be there already.
        asked = {step.key for step in todo if model.spec.by != "position" or step.fold.amends}
        rows = table.select(connection, model, build.table, asked)
        fold_steps(connection, model, rows, todo, Quarantine(connection, model, build))
        table.upsert(connection, model, build.table, list(rows.values()))
    builds.advance(connection, build, to)
    return build._replace(position=to)


def catch_up(connection: Connection[Any], limit: int = BATCH_MAX) -> int:
    """Post the next batch to every build in service, in one transaction; gives how many entries were read.

    Models that stand further back are brought on first. Nothing is posted twice or skipped: the rows and the
    positions are committed together, and a second projector waits for the first one's transaction.
    """
    behind = connection.execute(
        "SELECT true FROM books.builds, ledger.head WHERE state = 'serving' AND builds.position < head.position"
    ).fetchone()
    if not behind:
        return 0
    with connection.transaction():
        standing = builds.serving(connection, lock=True)
        after = min(build.position for build in standing.values())
        entries, last = read(connection, after, limit)
        if last == after:
            return 0
        for name, build in standing.items():
            if name in models() and build.position < last:
                post(connection, models()[name], build, entries, last)
    return len(entries)


@cache
def _needed() -> frozenset[str]:
    """The envelope fields that any read model looks at; no others are read."""
    return frozenset(field for model in models().values() for field in envelope_needed(model))
