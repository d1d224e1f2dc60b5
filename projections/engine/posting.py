"""Live posting: a batch of entries folded into rows; rows and checkpoint in one transaction."""

from collections.abc import Callable, Iterable
from functools import cache
from typing import Any

from psycopg import Connection, sql

from domain.event import Event
from ledger.reading import decoded_lines, line

from . import builds, copying, table
from .builds import Build
from .corrections import CORRECTING, redirected
from .cut import Cut
from .folding import fold_steps, steps
from .forgotten import ERASING
from .links import MERGING, Links
from .model import ReadModel, envelope_needed, fingerprint, models
from .quarantine import Quarantine
from .refolding import Check, keys_to_refold, refold

BATCH_MAX = 5_000
"""Why: some 4 MB of entries and well under a second of work, so a projector stops and starts quickly."""
BATCH_BYTES_MAX = 64 * 2**20
"""Why: PostgreSQL makes no text longer than a gigabyte, and a batch is held in memory several times over."""
TELLING = (*CORRECTING, *MERGING, ERASING)
"""Events that make earlier entries count otherwise."""
TAIL = (
    "SELECT string_agg(line, E'\\n' ORDER BY position), max(position) FROM"
    " (SELECT position, line, sum(length(line)) OVER (ORDER BY position) - length(line) AS before FROM"
    "  (SELECT position, {line} AS line FROM ledger.entries WHERE position > %s ORDER BY position LIMIT %s) AS next"
    " ) AS batch WHERE before < %s"
)


def read(connection: Connection[Any], after: int, limit: int = BATCH_MAX) -> tuple[list[Event], int]:
    """The next entries after a position, and the position of the last of them; the same position at the head."""
    tail = sql.SQL(TAIL).format(line=line(_needed(*models().values())))
    row = connection.execute(tail, (after, limit, BATCH_BYTES_MAX)).fetchone()
    assert row is not None
    lines, last = row
    return (decoded_lines(lines.encode()), last) if lines else ([], after)


def post(
    connection: Connection[Any],
    model: type[ReadModel],
    build: Build,
    entries: Iterable[Event],
    to: int,
    links: Links | None = None,
) -> Build:
    """Post to one build the entries after its position, and move it on to ``to``; in the caller's transaction.

    ``links`` are those at ``to``, where the caller has them.
    """
    builds.advance(connection, build, to)
    fresh = [entry for entry in entries if entry.position > build.position]
    links = Links.at(connection, to) if links is None else links
    telling = [entry for entry in fresh if isinstance(entry, TELLING)]
    anew = keys_to_refold(connection, model, telling, build.position, links) if telling else set()
    todo = list(steps(model, redirected(model, fresh, links)))
    if todo or anew:
        aside = Quarantine(connection, build)
        todo = [step for step in todo if step.key not in anew and not aside.holds(step.key)]
        # A feed's own row is new with its entry; only rows found by another field can be there already.
        asked = {step.key for step in todo if not model.spec.is_feed or step.fold.amends}
        rows = table.select(connection, model, build.table, asked)
        fold_steps(model, rows, todo, anew)
        keep(connection, model, build, rows, anew, Cut(to), aside, _put(model, build))
    return build._replace(position=to)


Put = Callable[[Connection[Any], type[ReadModel], str, Iterable[ReadModel]], None]


def _put(model: type[ReadModel], build: Build) -> Put:
    """How rows are put into a build's table: those of a feed's new entries cannot be there yet, which saves looking."""
    if not model.spec.is_feed:
        return table.upsert

    def put(connection: Connection[Any], model: type[ReadModel], name: str, rows: Iterable[ReadModel]) -> None:
        known: list[ReadModel] = []
        fresh: list[ReadModel] = []
        for row in rows:
            (known if row.position <= build.position else fresh).append(row)  # type: ignore[attr-defined]
        table.upsert(connection, model, name, known)
        copying.load(connection, model, name, fresh)

    return put


def keep(
    connection: Connection[Any],
    model: type[ReadModel],
    build: Build,
    rows: dict[Any, ReadModel],
    anew: Iterable[Any],
    cut: Cut,
    aside: Quarantine,
    put: Put,
) -> None:
    """Write the rows to the build's table with ``put``, those of the keys in ``anew`` as folded anew up to the cut.

    A row that the table cannot hold counts as the failure of the entry that made it so, unless a later one in the
    same batch has mended it.
    """
    gone = []

    def settle(keys: Iterable[Any], check: Check | None = None) -> None:
        for key, (row, failure) in refold(connection, model, keys, cut, check).items():
            aside.note(key, failure)
            rows.pop(key, None)
            if row is None:
                gone.append(key)
            else:
                rows[key] = row

    def check(row: ReadModel) -> None:
        table.check(connection, model, build.table, row)

    settle(anew)
    try:
        with connection.transaction():
            put(connection, model, build.table, rows.values())
    except table.UNFIT:
        settle([key for key, row in rows.items() if not _fits(check, row)], check)
        put(connection, model, build.table, rows.values())
    table.delete(connection, model, build.table, gone)


def _fits(check: Check, row: ReadModel) -> bool:
    try:
        check(row)
    except table.UNFIT:
        return False
    return True


def catch_up(connection: Connection[Any], limit: int = BATCH_MAX) -> int:
    """Post the next batch to every build in service, in one transaction; gives how many entries were read.

    Models that stand further back are brought on first; a build of another version of its model is left as it is,
    until it is built anew. Nothing is posted twice or skipped: the rows and the positions are committed together, and
    a second projector waits for the first one's transaction.
    """
    if not behind(connection):
        return 0
    with connection.transaction():
        standing = ours(builds.serving(connection, lock=True))
        if not standing:
            return 0
        after = min(build.position for build in standing.values())
        entries, last = read(connection, after, limit)
        links = Links.at(connection, last)
        for name, build in standing.items():
            if build.position < last:
                post(connection, models()[name], build, entries, last, links)
    return len(entries)


def ours(standing: dict[str, Build]) -> dict[str, Build]:
    """The builds that this process can post to: those of the very fold of a model that it knows."""
    return {name: build for name, build in standing.items() if _known(name, build.version, build.fingerprint)}


def _known(name: str, version: int, made_of: str) -> bool:
    return name in models() and (models()[name].spec.version, fingerprint(models()[name])) == (version, made_of)


def behind(connection: Connection[Any]) -> bool:
    """Whether any of our builds stands before the ledger's head; a cheap look, without a lock."""
    query = (
        "SELECT model, version, fingerprint FROM books.builds, ledger.head"
        " WHERE state = 'serving' AND builds.position < head.position"
    )
    return any(_known(*build) for build in connection.execute(query).fetchall())


@cache
def _needed(*every: type[ReadModel]) -> frozenset[str]:
    """The envelope fields that any of the models looks at; no others are read."""
    return frozenset(field for model in every for field in envelope_needed(model))
