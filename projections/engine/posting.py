"""Live posting: a batch of entries folded into rows; rows and checkpoint in one transaction."""

from collections.abc import Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import cache
from typing import Any, NamedTuple, Self

from psycopg import Connection, sql

from domain.event import Event
from ledger.reading import BLOCK, copy_blocks, decoded_lines, head

from . import builds, mirroring, quarantine, table
from .beside import Asked, Beside
from .builds import Build
from .corrections import CORRECTING, corrections_in, redirected
from .cut import Cut
from .folding import Step, fold_steps, steps
from .forgotten import ERASING
from .interpreter import set_to_fold
from .keeping import Packed, keep, pack
from .links import MERGING, Links
from .model import ReadModel, envelope_needed, fingerprint, folds, models, of_types
from .refolding import keys_to_refold

BATCH_MAX = 5_000
"""Why: some 4 MB of entries and well under a second of work, so a projector stops and starts quickly."""
BATCH_BYTES_MAX = 64 * 2**20
"""Why: a batch is held in memory several times over."""
TELLING = (*CORRECTING, *MERGING, ERASING)
"""Events that make earlier entries count otherwise."""


def read(connection: Connection[Any], after: int, limit: int = BATCH_MAX) -> tuple[list[Event], int]:
    """The next entries after a position that have to be folded, and the position they lead to.

    It is the same position at the head.
    """
    last = min(head(connection), after + limit)
    entries: list[Event] = []
    reached, size = after, 0
    for lines in copy_blocks(connection, *_needed(*models().values()), after + 1, last):
        # The rest of a batch of giants is read again as the next one.
        if size < BATCH_BYTES_MAX:
            entries += decoded_lines(lines)
            reached, size = min(reached + BLOCK, last), size + len(lines)
    return entries, reached


class Batch(NamedTuple):
    """Some entries, the position they lead to, and what makes earlier ones count otherwise as of there."""

    entries: Sequence[Event]
    to: int
    telling: Sequence[Event]
    links: Links
    older: Sequence[int]
    """The positions of the entries in another form than today's."""

    @classmethod
    def of(cls, connection: Connection[Any], entries: Sequence[Event], after: int, to: int) -> Self:
        """The batch of these entries, which are those to be folded of all between two positions."""
        telling = [entry for entry in entries if isinstance(entry, TELLING)]
        older = mirroring.older_in(connection, range(after + 1, to + 1))
        return cls(entries, to, telling, Links.at(connection, to), older)

    def after(self, position: int) -> Self:
        """The batch without what leads to a position."""
        if not self.entries or self.entries[0].position > position:
            return self
        entries, telling = ([e for e in some if e.position > position] for some in (self.entries, self.telling))
        return self._replace(entries=entries, telling=telling)


class Posting:
    """One batch on its way into one build: looked up, folded, written, in this order.

    Looking up and writing is PostgreSQL's work, folding is Python's, so that all can be at it for different builds.
    """

    def __init__(self, connection: Connection[Any], build: Build, batch: Batch, aside: Collection[str] = ()) -> None:
        """Post the entries of the batch after the build's position, in the caller's transaction.

        Those of keys that are set ``aside`` are passed over.
        """
        self._connection, self._model, self._build = connection, build.declared, build
        self._batch, self._aside = batch.after(build.position), aside
        self._rows: dict[Any, ReadModel] = {}
        self._anew: set[Any] = set()
        self._todo: list[Step] = []
        self._stood: list[str] = []
        self._packed: Packed | None = None

    def look(self, connection: Connection[Any]) -> None:
        """Find out which rows stand, and which keys have to be folded anew.

        That may go through another connection, as long as nobody else writes to the build and this transaction did not.
        """
        model, build, batch = self._model, self._build, self._batch
        if batch.telling:
            self._anew = keys_to_refold(connection, model, batch.telling, build.position, batch.links)
        if not model.spec.mirrors_entries:
            todo = list(steps(model, redirected(model, batch.entries, batch.links)))
            if self._aside or self._anew:
                todo = [step for step in todo if step.key not in self._anew and str(step.key) not in self._aside]
            self._todo = todo
            self._stood = table.stored(connection, model, build.table, _asked(model, self._todo))

    def fold(self) -> None:
        """Fold the entries into the rows, and pack these."""
        self._rows = table.rows(self._model, self._stood)
        standing = set(self._rows)
        fold_steps(self._model, self._rows, self._todo, self._anew)
        if not self._anew:
            # One that does not fit is found in writing.
            with suppress(*table.UNFIT):
                self._packed = pack(self._model, self._rows, standing)

    def write(self) -> None:
        """Put the rows into the build's table; a mirror is copied now."""
        connection, model, build, batch = self._connection, self._model, self._build, self._batch
        if model.spec.mirrors_entries:
            run = range(build.position + 1, batch.to + 1)
            left = mirroring.mirror(connection, model, build.table, run, Cut(batch.to), batch.links, batch.older)
            self._anew |= set(left)
            mirroring.mark(connection, model, build.table, corrections_in(batch.telling, batch.links))
        if self._rows or self._anew:
            keep(connection, build, self._anew, Cut(batch.to), self._rows, self._packed)


def _asked(model: type[ReadModel], todo: Sequence[Step]) -> set[Any]:
    """The keys whose rows may stand already.

    A feed's own row is new with its entry, and one that is begun by its stream's first entry is new with that, unless
    entries of other aggregates begin rows, too, which may speak of what is entered itself only later.
    """
    if model.spec.is_feed:
        return {step.key for step in todo if step.fold.amends}
    beginning = {kind.aggregate for kind in model.spec.begins}
    begun = {step.key for step in todo if step.begins} if len(beginning) == 1 else set()
    return {step.key for step in todo} - begun


def post(connection: Connection[Any], build: Build, entries: Sequence[Event], to: int) -> Build:
    """Post to one build the entries after its position, and move it on to ``to``; in the caller's transaction."""
    post_all(connection, [build], Batch.of(connection, entries, build.position, to))
    return build._replace(position=to)


def catch_up(connection: Connection[Any], limit: int = BATCH_MAX, beside: Beside | None = None) -> int:
    """Post the next batch to every build in service, in one transaction; gives by how many the hindmost moved on.

    Models that stand further back are brought on first; a build of another version of its model is left as it is,
    until it is built anew. Nothing is posted twice or skipped: the rows and the positions are committed together, and
    a second projector waits for the first one's transaction. What lies far behind is posted faster with a session
    ``beside``, by which some of it is read meanwhile.
    """
    if not behind(connection):
        return 0
    with set_to_fold(), connection.transaction():
        standing = ours(builds.serving(connection, lock=True))
        if not standing:
            return 0
        after = min(build.position for build in standing.values())
        entries, last = (beside and beside.taken((after, limit))) or read(connection, after, limit)
        batch = Batch.of(connection, entries, after, last)
        following = (last, limit) if last - after == limit else None
        post_all(connection, [build for build in standing.values() if build.position < last], batch, beside, following)
    return last - after


def post_all(
    connection: Connection[Any],
    chosen: Collection[Build],
    batch: Batch,
    beside: Beside | None = None,
    following: Asked | None = None,
) -> None:
    """Post a batch to several builds, in the caller's transaction; where another is ``following``, by all hands."""
    builds.advance(connection, chosen, batch.to)
    aside = quarantine.held(connection, chosen)
    # What PostgreSQL does by itself comes first.
    ordered = sorted(chosen, key=lambda build: not build.declared.spec.mirrors_entries)
    postings = [Posting(connection, build, batch, aside.get(build.id, ())) for build in ordered]
    if beside and following:
        _post_together(postings, beside, following)
        return
    for posting in postings:
        posting.look(connection)
        posting.fold()
        posting.write()


def _post_together(postings: Sequence[Posting], beside: Beside, following: Asked) -> None:
    """Look up by one session, fold here, and write by the other session, each for another build."""
    with ThreadPoolExecutor(1) as hand:
        looked = [beside.do(posting.look) for posting in postings]
        beside.prepare(following, read)
        written = []
        for posting, look in zip(postings, looked, strict=True):
            look.result()
            posting.fold()
            written.append(hand.submit(posting.write))
        for write in written:
            write.result()


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
def _needed(*every: type[ReadModel]) -> tuple[frozenset[str], sql.Composed]:
    """The envelope fields that any of the models looks at, and the condition that it folds an entry; no more is read.

    Mirrors are filled without.
    """
    folding = [model for model in every if not model.spec.mirrors_entries]
    types = {kind.type_name for model in folding for kind in folds(model)} | {kind.type_name for kind in TELLING}
    fields = {field for model in folding for field in envelope_needed(model)} | {"stream_id", "stream_version"}
    return frozenset(fields), of_types(types)
