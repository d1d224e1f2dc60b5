"""Rebuilding: the whole ledger folded into a new build beside the one in service, caught up, compared, swapped in."""

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection, errors

from ledger.reading import head

from . import builds, posting, quarantine
from .building import Advance, built
from .builds import Build, Certificate
from .comparing import Difference, compare
from .cut import Cut
from .hands import Hands
from .model import ReadModel

LOCK = "hashtext('daybook rebuild ' || %s)"
SWAP_S = 0.2
"""Why: whoever reads a view keeps it from being swapped, and all who ask for it meanwhile have to wait as well."""
SWAP_AGAIN_S = 0.5
"""Why: between two attempts all who waited have their turn."""


class Rebuilt(NamedTuple):
    """A new build, and what differs from the one that served before it; ``None`` where nothing was compared."""

    build: Build
    difference: Difference | None
    in_service: bool
    aside: int
    """How many keys were set aside, since their fold failed."""


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
    """Build a model anew as :func:`rebuild` does, comparing it with the one in service where that is wanted."""
    (made,) = make_all(reader, writer, [model], advance, hands, compared=compared, trial=trial)
    return made


def make_all(
    reader: Connection[Any],
    writer: Connection[Any],
    chosen: Sequence[type[ReadModel]],
    advance: Advance = lambda _done, _total: None,
    hands: Hands | None = None,
    *,
    compared: bool = False,
    trial: bool = False,
) -> Iterator[Rebuilt]:
    """Build models anew, reading the ledger once for all of them, then put one after the other in service.

    A ``trial`` is compared and dropped again. Readers and posting go on all the while, but for the moment of the swap.
    """
    with _alone(writer, chosen):
        wanted = {model: Cut(_target(writer, model, compared)) for model in chosen}
        with built(reader, writer, wanted, advance, hands) as done:
            for build in done:
                difference = None
                if compared:
                    build, difference = _compared(writer, build)
                aside = quarantine.count(writer, build)
                if trial:
                    builds.discard_unfinished(writer, build.declared)
                    yield Rebuilt(build, difference, in_service=False, aside=aside)
                else:
                    yield Rebuilt(_in_service(writer, build), difference, in_service=True, aside=aside)


def make_as_of(
    reader: Connection[Any],
    writer: Connection[Any],
    model: type[ReadModel],
    cut: Cut,
    advance: Advance = lambda _done, _total: None,
    hands: Hands | None = None,
) -> Build:
    """Build a model as a cut has the ledger, and keep that build for answers about the past."""
    with _alone(writer, [model]):
        with built(reader, writer, {model: cut}, advance, hands) as done:
            (build,) = done
        with writer.transaction():
            if earlier := builds.as_of(writer, model, cut):
                query = "SELECT build_id, table_name FROM books.builds WHERE model = %s AND build_id = %s"
                builds.discard(writer, query, model.spec.name, earlier.id)
            builds.keep_as_of(writer, build)
        return build


def certificates_again(
    reader: Connection[Any],
    writer: Connection[Any],
    asked: Mapping[type[ReadModel], int],
    advance: Advance = lambda _done, _total: None,
) -> dict[type[ReadModel], Certificate]:
    """The certificates that models get when they are folded anew up to the positions asked; nothing of it is kept."""
    wanted = {model: Cut(position) for model, position in asked.items()}
    with _alone(writer, list(asked)):
        with built(reader, writer, wanted, advance) as done:
            found = {build.declared: builds.certificate(writer, build) for build in done}
        for model in asked:
            builds.discard_unfinished(writer, model)
    return found


def roll_back(writer: Connection[Any], name: str) -> tuple[Build, bool] | None:
    """Put the build that served before back in service; gives it, and whether it is posted to from here on.

    One of the very definition that this process knows is caught up first; any other serves as it stands, until a
    process that knows it posts again. Gives ``None`` where none is kept.
    """
    with _locked(writer, name):
        build = builds.previous(writer, name)
        if build is None:
            return None
        if posting.ours({name: build}):
            return _in_service(writer, build), True
        return _swapped(writer, build, lambda: build), False


@contextmanager
def _alone(writer: Connection[Any], chosen: Sequence[type[ReadModel]]) -> Iterator[None]:
    """Let one rebuild of a model work at a time, and remove what an interrupted one left."""
    if not chosen:
        yield
        return
    first, *others = chosen
    with _locked(writer, first.spec.name):
        builds.discard_unfinished(writer, first)
        with _alone(writer, others):
            yield


@contextmanager
def _locked(writer: Connection[Any], name: str) -> Iterator[None]:
    writer.execute(f"SELECT pg_advisory_lock({LOCK})", (name,))
    try:
        yield
    finally:
        writer.execute(f"SELECT pg_advisory_unlock({LOCK})", (name,))


def _target(connection: Connection[Any], model: type[ReadModel], compared: bool) -> int:
    """How far to load: as far as the build in service stands where the two are to be compared, else to the head."""
    standing = builds.serving(connection).get(model.spec.name) if compared else None
    return min(standing.position, head(connection)) if standing else head(connection)


def _compared(writer: Connection[Any], build: Build) -> tuple[Build, Difference | None]:
    """What differs between the build in service and a new one, both at the position where the former stands.

    Both are seen at one moment, so posting goes on meanwhile.
    """
    with writer.transaction():
        writer.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
        standing = builds.serving(writer).get(build.model)
        if standing is None or standing.position < build.position:
            return build, None
        build = _posted(writer, build, standing.position)
        return build, compare(writer, build.declared, standing, build)


def _in_service(writer: Connection[Any], build: Build) -> Build:
    """Post to a build what was entered meanwhile, the last of it while nobody else posts, and put it in service."""
    while build.position + posting.BATCH_MAX <= head(writer):
        with writer.transaction():
            build = _posted(writer, build, build.position + posting.BATCH_MAX)
    return _swapped(writer, build, lambda: _posted(writer, build))


def _swapped(writer: Connection[Any], build: Build, caught_up: Callable[[], Build]) -> Build:
    """Put a build in service in one transaction, tried again and again until no reader is in its way for long."""
    while True:
        try:
            with writer.transaction():
                builds.serving(writer, lock=True)
                last = caught_up()
                writer.execute(f"SET LOCAL lock_timeout = '{SWAP_S}s'")
                builds.serve(writer, last)
            return builds.serving(writer)[build.model]
        except errors.LockNotAvailable:
            time.sleep(SWAP_AGAIN_S)


def _posted(writer: Connection[Any], build: Build, to: int | None = None) -> Build:
    """The build with what was entered meanwhile, up to a position or to the head."""
    while True:
        entries, last = posting.read(writer, build.position)
        if to is not None:
            entries, last = [entry for entry in entries if entry.position <= to], min(last, to)
        if last <= build.position:
            return build
        build = posting.post(writer, build, entries, last)
