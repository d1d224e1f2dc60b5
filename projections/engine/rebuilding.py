"""Rebuilding: the whole ledger folded into a new build beside the one in service, caught up, compared, swapped in."""

from collections.abc import Callable, Iterator
from concurrent.futures import Executor, as_completed
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection

from . import builds, posting, table
from .builds import Build
from .comparing import Difference, compare
from .cut import Cut
from .model import ReadModel, folds, models
from .parts import fold_part, load, parts

Advance = Callable[[int, int | None], None]
"""Told how many entries are done, and of how many."""
LOCK = "hashtext('daybook rebuild ' || %s)"


class Hands(NamedTuple):
    """Processes that fold parts side by side, and where they find the ledger."""

    executor: Executor
    processes: int
    url: str


class Rebuilt(NamedTuple):
    """A new build, and what differs from the one that served before it; ``None`` where nothing was compared."""

    build: Build
    difference: Difference | None
    in_service: bool


def rebuild(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    advance: Advance = lambda _done, _total: None,
    hands: Hands | None = None,
) -> Build:
    """Build a model anew from the first entry and put it in service; gives the build that serves now.

    The build in service is untouched until the swap, and what an interrupted rebuild left is removed first.
    Both connections have the projector's duty; the reader streams while the writer loads.
    """
    return make(reader, writer, model, advance, hands).build


def make(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    advance: Advance = lambda _done, _total: None,
    hands: Hands | None = None,
    *,
    compared: bool = False,
    trial: bool = False,
) -> Rebuilt:
    """Build a model anew as :func:`rebuild` does, comparing it with the one in service where that is wanted.

    A ``trial`` is compared and dropped again. Posting waits while two builds are compared, so that both stand at the
    same position; readers do not.
    """
    with _alone(writer, model):
        build = _loaded(reader, writer, model, Cut(_target(writer, model, compared)), advance, hands)
        table.index(writer, model, build.table)
        while not compared and build.position + posting.BATCH_MAX <= _head(writer):
            with writer.transaction():
                build = _posted(writer, model, build)
        # Before the lock, under which all posting waits: the certificate tells its own position.
        builds.certify(writer, build)
        with writer.transaction():
            standing = builds.serving(writer, lock=True).get(model.spec.name)
            difference = None
            if compared and standing:
                build = _posted(writer, model, build, standing.position)
                if build.position == standing.position:
                    difference = compare(writer, model, standing, build)
            if trial:
                builds.discard_unfinished(writer, model)
                return Rebuilt(build, difference, in_service=False)
            builds.serve(writer, _posted(writer, model, build))
        return Rebuilt(builds.serving(writer)[model.spec.name], difference, in_service=True)


def make_as_of(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    cut: Cut,
    advance: Advance = lambda _done, _total: None,
    hands: Hands | None = None,
) -> Build:
    """Build a model as a cut has the ledger, and keep that build for answers about the past."""
    with _alone(writer, model):
        build = _loaded(reader, writer, model, cut, advance, hands)
        table.index(writer, model, build.table)
        with writer.transaction():
            if earlier := builds.as_of(writer, model, cut):
                query = "SELECT build_id, table_name FROM books.builds WHERE model = %s AND build_id = %s"
                builds.discard(writer, query, model.spec.name, earlier.id)
            builds.keep_as_of(writer, build)
        builds.certify(writer, build)
        return build


def roll_back(writer: Connection[Any], name: str) -> tuple[Build, bool] | None:
    """Put the build that served before back in service; gives it, and whether it is posted to from here on.

    One of the very definition that this process knows is caught up first; any other serves as it stands, until a
    process that knows it posts again. Gives ``None`` where none is kept.
    """
    with writer.transaction():
        builds.serving(writer, lock=True)
        build = builds.previous(writer, name)
        if build is None:
            return None
        known = bool(posting.ours({name: build}))
        builds.serve(writer, _posted(writer, models()[name], build) if known else build)
    return builds.serving(writer)[name], known


@contextmanager
def _alone(writer: Connection[Any], model: type[ReadModel]) -> Iterator[None]:
    """Let one rebuild of a model work at a time, and remove what an interrupted one left."""
    writer.execute(f"SELECT pg_advisory_lock({LOCK})", (model.spec.name,))
    try:
        builds.discard_unfinished(writer, model)
        yield
    finally:
        writer.execute(f"SELECT pg_advisory_unlock({LOCK})", (model.spec.name,))


def _target(connection: Connection[Any], model: type[ReadModel], compared: bool) -> int:
    """How far to load: as far as the build in service stands where the two are to be compared, else to the head."""
    standing = builds.serving(connection).get(model.spec.name) if compared else None
    return min(standing.position, _head(connection)) if standing else _head(connection)


def _head(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT position FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


def _loaded(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    cut: Cut,
    advance: Advance,
    hands: Hands | None,
) -> Build:
    """A new build with all rows as the cut has them, still without indexes."""
    build = builds.begin(writer, model, cut.occurred_until)
    entries = entries_concerned(reader, model, cut)
    shares = parts(entries, cut, hands.processes if hands else 1)
    done = 0

    def told(more: int) -> None:
        nonlocal done
        done += more
        advance(done, max(done, entries))

    if hands and len(shares) > 1:
        working = [hands.executor.submit(load, hands.url, model.spec.name, build, part) for part in shares]
        for each in as_completed(working):
            told(each.result())
    else:
        for part in shares:
            fold_part(reader, writer, model, build, part, told)
    builds.advance(writer, build, cut.position)
    return build._replace(position=cut.position)


def entries_concerned(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> int:
    """How many entries a model folds."""
    query = "SELECT count(*) FROM ledger.entries WHERE position <= %s AND type = ANY(%s)"
    row = connection.execute(query, (cut.position, [kind.type_name for kind in folds(model)])).fetchone()
    assert row is not None
    return int(row[0])


def _posted(writer: Connection[Any], model: type[ReadModel], build: Build, to: int | None = None) -> Build:
    """The build with what was entered meanwhile, up to a position or to the head."""
    while True:
        entries, last = posting.read(writer, build.position)
        if to is not None:
            entries, last = [entry for entry in entries if entry.position <= to], min(last, to)
        if last <= build.position:
            return build
        build = posting.post(writer, model, build, entries, last)
