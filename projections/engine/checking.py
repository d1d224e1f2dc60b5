"""Checking: rows taken at random are folded anew from the ledger and compared with what is stored.

Everything that is compared is seen at one moment, and folded up to the very position its build stands at, so that
posting may go on meanwhile. Keys that are set aside are passed over: their rows are known not to be up to date.
"""

import secrets
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any, NamedTuple

import msgspec
from psycopg import Connection, errors, sql

from domain.event import Event

from . import alarms, builds, posting, table
from .alarms import Compared
from .building import Advance
from .builds import Build
from .corrections import redirected
from .cut import Cut
from .folding import steps
from .model import ReadModel, columns
from .quarantine import Quarantine
from .refolding import links_for, refold

AT_ONCE_MAX = 200
"""Why: comparing so many takes a fraction of a second, for which a rebuild may wait to put its build in service."""

Choose = Callable[[Connection[Any], Build], Iterable[Any]]
"""Gives the keys to be compared, from what is seen at the moment of comparing."""


class Checked(NamedTuple):
    """What came out of comparing some keys of a build."""

    keys: Sequence[Any]
    """The keys that were chosen, those that are set aside included."""
    differing: Sequence[Compared]
    fresh: Sequence[Compared]
    """Those that differ and were not known to."""
    position: int


NOTHING = Checked((), (), (), 0)
"""What comes out of checking a model that is not in service as this process knows it."""


def check(connection: Connection[Any], model: type[ReadModel], choose: Choose, ms_max: int = 0) -> Checked:
    """Compare the rows of the chosen keys with their entries, and keep the alarms of those keys.

    A statement that takes longer than ``ms_max`` is given up with ``QueryCanceled``.
    """
    try:
        with _moment(connection, model, ms_max) as build:
            if build is None:
                return NOTHING
            keys = list(dict.fromkeys(choose(connection, build)))
            aside = Quarantine(connection, build)
            compared = _compared(connection, model, build, [key for key in keys if not aside.holds(key)])
    except errors.UndefinedTable:
        return NOTHING
    fresh = alarms.enter(connection, build, compared)
    return Checked(keys, [each for each in compared if each.stored != each.folded], fresh, build.position)


@contextmanager
def _moment(connection: Connection[Any], model: type[ReadModel], ms_max: int) -> Iterator[Build | None]:
    """The build in service as it is at one moment, kept from being swapped; ``None`` where there is none of ours."""
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(f"SET LOCAL statement_timeout = {ms_max}")
        # Before the first look, which is what the moment is: a build swapped in later is not in it.
        connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table.table(model.spec.name)))
        yield posting.ours(builds.serving(connection)).get(model.spec.name)


def _compared(connection: Connection[Any], model: type[ReadModel], build: Build, keys: Sequence[Any]) -> list[Compared]:
    cut = Cut(build.position)
    folded = refold(connection, model, keys, cut)

    def plain(key: Any) -> dict[str, Any] | None:
        try:
            return _plain(folded[key].row)
        except table.UNFIT:
            # No table could hold the row, so what should be stored is the last one that could be.
            return _plain(refold(connection, model, [key], cut, _kept)[key].row)

    stored = _stored(connection, model, build, keys)
    return [Compared(key, stored.get(key), plain(key)) for key in keys]


def _stored(
    connection: Connection[Any], model: type[ReadModel], build: Build, keys: Iterable[Any]
) -> dict[Any, dict[str, Any]]:
    """The stored rows of the keys that have one."""
    query = sql.SQL("SELECT {key}, row_to_json(r)::text FROM {table} r WHERE {key} = ANY(%s)").format(
        key=sql.Identifier(model.spec.key), table=table.table(build.table)
    )
    hints = columns(model)
    return {
        key: {column: _column(value, hints[column]) for column, value in msgspec.json.decode(text).items()}
        for key, text in connection.execute(query, (list(keys),))
    }


def _column(value: Any, hint: Any) -> Any:
    """A stored value as the JSON of a row has it; one that the column's type does not allow is given as it stands."""
    try:
        return msgspec.json.decode(table.encode(msgspec.convert(value, hint)))
    except msgspec.ValidationError:
        return value


def _plain(row: ReadModel | None) -> dict[str, Any] | None:
    """A row as its JSON has it, whichever way it came; raises one of ``UNFIT`` for one that has none."""
    plain: dict[str, Any] | None = msgspec.json.decode(table.encode(row))
    return plain


def _kept(row: ReadModel) -> None:
    """Raise one of ``UNFIT`` for a row that has no JSON."""
    table.encode(row)


def at_random(model: type[ReadModel], number: int) -> Choose:
    """Chooses keys: those of so many entries and of so many stored rows, taken at random."""

    def choose(connection: Connection[Any], build: Build) -> Iterator[Any]:
        for _ in range(number):
            yield from _of_an_entry(connection, model, build)
            yield from _of_a_row(connection, model, build)

    return choose


def _of_an_entry(connection: Connection[Any], model: type[ReadModel], build: Build) -> set[Any]:
    if build.position == 0:
        return set()
    entries, _ = posting.read(connection, secrets.randbelow(build.position), 1)
    return _keys(connection, model, build, entries)


def _keys(connection: Connection[Any], model: type[ReadModel], build: Build, entries: Collection[Event]) -> set[Any]:
    """The keys that entries count for where the build stands."""
    links = links_for(connection, model, Cut(build.position))
    return {step.key for step in steps(model, redirected(model, entries, links))}


def _of_a_row(connection: Connection[Any], model: type[ReadModel], build: Build) -> list[Any]:
    """The key of a row that lies on a page taken at random, which takes the same time however large the table is."""
    name, key = table.table(build.table), sql.Identifier(model.spec.key)
    size = connection.execute(
        "SELECT pg_relation_size(%s::regclass) / current_setting('block_size')::bigint", (name.as_string(),)
    ).fetchone()
    assert size is not None
    page = secrets.randbelow(max(size[0], 1))
    query = sql.SQL(
        "SELECT {key} FROM {table} WHERE ctid >= %s::tid AND ctid < %s::tid ORDER BY random() LIMIT 1"
    ).format(key=key, table=name)
    return [found for (found,) in connection.execute(query, (f"({page},0)", f"({page + 1},0)"))]


def some(connection: Connection[Any], model: type[ReadModel], number: int, advance: Advance) -> Iterator[Checked]:
    """Check the keys of so many entries and of so many stored rows, taken at random, a batch at a time."""
    for done in range(0, number, AT_ONCE_MAX):
        yield check(connection, model, at_random(model, min(AT_ONCE_MAX, number - done)))
        advance(min(done + AT_ONCE_MAX, number), number)


def every(connection: Connection[Any], model: type[ReadModel], advance: Advance) -> Iterator[Checked]:
    """Check every stored row, and every key of an entry that has none, a batch at a time."""
    rows, read = 0, 0
    checked = check(connection, model, partial(_rows_after, model, None))
    while checked.keys:
        yield checked
        rows += len(checked.keys)
        # How many rows there are is not known before; as many as entries is the most a model makes of them.
        advance(rows, 2 * max(rows, checked.position))
        checked = check(connection, model, partial(_rows_after, model, checked.keys[-1]))

    def without_row(at: Connection[Any], build: Build) -> set[Any]:
        nonlocal read
        entries, read = posting.read(at, read, AT_ONCE_MAX)
        keys = _keys(at, model, build, [entry for entry in entries if entry.position <= build.position])
        return keys - _stored(at, model, build, keys).keys()

    while True:
        checked = check(connection, model, without_row)
        yield checked
        advance(rows + read, rows + max(read, checked.position))
        if read >= checked.position:
            return


def _rows_after(model: type[ReadModel], after: Any, connection: Connection[Any], build: Build) -> list[Any]:
    key, name = sql.Identifier(model.spec.key), table.table(build.table)
    later = sql.SQL("" if after is None else " WHERE {} > %(after)s").format(key)
    query = sql.SQL("SELECT {key} FROM {name}{later} ORDER BY {key} LIMIT %(most)s").format(
        key=key, name=name, later=later
    )
    return [key for (key,) in connection.execute(query, {"after": after, "most": AT_ONCE_MAX})]


def key_of(model: type[ReadModel], text: str) -> Any:
    """The key that a text stands for; raises ``msgspec.ValidationError`` for a text that stands for none."""
    return msgspec.convert(text, columns(model)[model.spec.key], strict=False)
