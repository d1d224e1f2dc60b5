"""Builds: each is one table of one version of a read model; one of them serves, behind a view of the model's name."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection, sql

from . import table
from .cut import Cut
from .model import ReadModel, fingerprint, models


class Build(NamedTuple):
    """One build as the register has it."""

    id: int
    model: str
    version: int
    fingerprint: str
    position: int
    table: str

    @property
    def declared(self) -> type[ReadModel]:
        """The read model of that name as this process declares it."""
        return models()[self.model]


class Certificate(NamedTuple):
    """What a build's rows were when it stood at a position."""

    position: int
    rows: int
    checksum: str


CONTENT = (
    "SELECT (SELECT position FROM books.builds WHERE build_id = %s), count(*),"
    " coalesce(sum(substr(sha256(record_send(r)), 1, 8)::bigint), 0) FROM {} r"
)
"""One pass over a build's rows, in one snapshot; a sum, so that the order in which the rows lie does not matter."""
SERVING = (
    "SELECT build_id, model, version, fingerprint, position, table_name"
    " FROM books.builds WHERE state = 'serving' ORDER BY model"
)


def serving(connection: Connection[Any], *, lock: bool = False) -> dict[str, Build]:
    """The builds in service by model; ``lock`` keeps them from being swapped until the transaction ends."""
    rows = connection.execute(SERVING + " FOR UPDATE" if lock else SERVING).fetchall()
    return {build.model: build for build in map(Build._make, rows)}


def previous(connection: Connection[Any], model: str) -> Build | None:
    """The build that served before the one in service, where it is kept."""
    row = connection.execute(
        "SELECT build_id, model, version, fingerprint, position, table_name FROM books.builds"
        " WHERE model = %s AND state = 'retired'",
        (model,),
    ).fetchone()
    return Build(*row) if row else None


def as_of(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> Build | None:
    """The build of the model as a cut has it, where one was made by this version."""
    row = connection.execute(
        "SELECT build_id, model, version, fingerprint, position, table_name FROM books.builds WHERE model = %s"
        " AND state = 'as_of' AND version = %s AND position = %s AND occurred_until IS NOT DISTINCT FROM %s",
        (model.spec.name, model.spec.version, *cut),
    ).fetchone()
    return Build(*row) if row else None


def begin(connection: Connection[Any], model: type[ReadModel], occurred_until: datetime | None = None) -> Build:
    """Register a new build of a model and make its empty table."""
    with connection.transaction():
        row = connection.execute(
            "INSERT INTO books.builds (model, version, fingerprint, state, table_name, occurred_until)"
            " VALUES (%s, %s, %s, 'building', gen_random_uuid()::text, %s) RETURNING build_id",
            (model.spec.name, model.spec.version, fingerprint(model), occurred_until),
        ).fetchone()
        assert row is not None
        name = f"{model.spec.name}_v{model.spec.version}_b{row[0]}"
        connection.execute("UPDATE books.builds SET table_name = %s WHERE build_id = %s", (name, row[0]))
        table.create(connection, model, name)
    return Build(row[0], model.spec.name, model.spec.version, fingerprint(model), 0, name)


def advance(connection: Connection[Any], moved: Collection[Build], position: int) -> None:
    """Record that builds stand at ``position``; part of the transaction that writes their rows."""
    found = connection.execute(
        "UPDATE books.builds SET position = %s, posted_at = now()"
        " FROM unnest(%s::bigint[], %s::bigint[]) AS before (id, at) WHERE build_id = id AND position = at",
        (position, [build.id for build in moved], [build.position for build in moved]),
    )
    if found.rowcount != len(moved):
        names = ", ".join(build.model for build in moved)
        raise PostedElsewhere(f"another projector moved one of {names} on")


def certify(connection: Connection[Any], build: Build) -> Certificate:
    """Record what the build's rows are now: their number and a checksum, at the position they stand at.

    The checksum is the sum, modulo 2^64, of the first eight bytes of SHA-256 over each row as PostgreSQL sends it in
    binary, which is the same on every machine. Two builds of one definition have the same one where they stand at the
    same position, however they came there.
    """
    query = sql.SQL(CONTENT).format(table.table(build.table))
    found = connection.execute(query, (build.id,)).fetchone()
    assert found is not None
    position, rows, total = found
    certificate = Certificate(position, rows, f"{int(total) % 2**64:016x}")
    connection.execute(
        "UPDATE books.builds SET certified_position = %s, certified_rows = %s, checksum = %s WHERE build_id = %s",
        (*certificate, build.id),
    )
    return certificate


def certificates(connection: Connection[Any]) -> dict[str, Certificate]:
    """The certificates of the builds in service, by model."""
    query = (
        "SELECT model, certified_position, certified_rows, checksum FROM books.builds"
        " WHERE state = 'serving' AND checksum IS NOT NULL"
    )
    return {model: Certificate(*told) for model, *told in connection.execute(query)}


def certificate(connection: Connection[Any], build: Build) -> Certificate:
    """The certificate that a build was given when it was finished."""
    row = connection.execute(
        "SELECT certified_position, certified_rows, checksum FROM books.builds WHERE build_id = %s", (build.id,)
    ).fetchone()
    assert row is not None
    return Certificate(*row)


def serve(connection: Connection[Any], build: Build) -> None:
    """Put a build in service; readers see it or the one before it, never neither.

    The one before it is kept, to be put back by a rollback; what was kept until now is dropped.
    """
    view = table.table(build.model)
    discard(
        connection,
        "SELECT build_id, table_name FROM books.builds WHERE model = %s AND state = 'retired' AND build_id <> %s",
        build.model,
        build.id,
    )
    connection.execute(
        "UPDATE books.builds SET state = 'retired' WHERE model = %s AND state = 'serving'", (build.model,)
    )
    connection.execute("UPDATE books.builds SET state = 'serving' WHERE build_id = %s", (build.id,))
    connection.execute(sql.SQL("DROP VIEW IF EXISTS {}").format(view))
    connection.execute(sql.SQL("CREATE VIEW {} AS SELECT * FROM {}").format(view, table.table(build.table)))


AS_OF_MAX = 8
"""Why: builds of the past are made for an inquiry and take as much room as the one in service."""


def keep_as_of(connection: Connection[Any], build: Build) -> None:
    """Keep a build as the answer for its cut; the oldest of the model are dropped where there are too many."""
    connection.execute("UPDATE books.builds SET state = 'as_of' WHERE build_id = %s", (build.id,))
    discard(
        connection,
        "SELECT build_id, table_name FROM books.builds WHERE model = %s AND state = 'as_of'"
        " ORDER BY build_id DESC OFFSET %s",
        build.model,
        AS_OF_MAX,
    )


def drop_as_of(connection: Connection[Any], model: str) -> int:
    """Drop the builds of the past of a model; gives how many there were."""
    query = "SELECT build_id, table_name FROM books.builds WHERE model = %s AND state = 'as_of'"
    with connection.transaction():
        return discard(connection, query, model)


UNREGISTERED = """
    SELECT relname FROM pg_class
     WHERE relnamespace = 'books'::regnamespace AND relkind = 'r' AND relname ~ ('^' || %s || '_v[0-9]+_b[0-9]+$')
       AND NOT EXISTS (SELECT FROM books.builds WHERE table_name = relname)
       AND NOT EXISTS (SELECT FROM pg_depend WHERE refobjid = pg_class.oid AND classid = 'pg_rewrite'::regclass)"""
"""Tables of builds that the register does not know, and that no view needs."""


def discard_unfinished(connection: Connection[Any], model: type[ReadModel]) -> None:
    """Remove what an interrupted build of the model left behind."""
    name = model.spec.name
    unfinished = "SELECT build_id, table_name FROM books.builds WHERE model = %s AND state = 'building'"
    with connection.transaction():
        discard(connection, unfinished, name)
        for (left,) in connection.execute(UNREGISTERED, (name,)).fetchall():
            connection.execute(sql.SQL("DROP TABLE {}").format(table.table(left)))


def discard(connection: Connection[Any], query: str, *asked: object) -> int:
    """Drop the tables of the builds that ``query`` names, and their register lines; gives how many there were."""
    found = connection.execute(query.encode(), asked).fetchall()
    for build_id, name in found:
        connection.execute(sql.SQL("DROP TABLE IF EXISTS {}").format(table.table(name)))
        connection.execute("DELETE FROM books.builds WHERE build_id = %s", (build_id,))
    return len(found)


class PostedElsewhere(Exception):
    """Two projectors posted the same build; this one has to read its position again."""
