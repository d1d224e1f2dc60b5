"""Tables made of read-model declarations, and rows in and out of them as JSON."""

from collections.abc import Iterable, Iterator
from enum import Enum
from functools import cache
from typing import Any

import msgspec
import psycopg
from psycopg import Connection, sql

from .hints import optional
from .model import POSTGRES_TYPES, ReadModel, columns

SCHEMA = "books"
LOAD_BYTES_MAX = 16 * 2**20
"""Why: rows sent in one statement; far below the gigabyte that PostgreSQL takes in one value, and soon digested."""

INDEX_MEMORY = "256MB"
"""Why: the entries of an index on a few million rows are sorted in memory; two indexes are made at a time at most."""

UNFIT = (psycopg.DataError, psycopg.IntegrityError, msgspec.MsgspecError, TypeError, ValueError, OverflowError)
"""What is raised for a row that the table cannot hold, or that could not be read back."""

encode = msgspec.json.Encoder().encode


def postgres_type(hint: Any) -> str:
    """The column type for a Python type."""
    plain, _ = optional(hint)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return "text"
    return POSTGRES_TYPES.get(plain, "jsonb")


def table(name: str) -> sql.Identifier:
    """A table or view of the books."""
    return sql.Identifier(SCHEMA, name)


def hold(connection: Connection[Any], name: str) -> None:
    """Keep a table from being dropped, or a view at the table it shows, until the transaction ends.

    A view is to be held before anything is read: the rows of a build that is swapped in later would not all be seen.
    """
    connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table(name)))


def create(connection: Connection[Any], model: type[ReadModel], name: str) -> None:
    """Make the table of a build; its indexes come with :func:`index`, after the first load."""
    parts = [
        sql.SQL("{} {}{}").format(
            sql.Identifier(column), sql.SQL(postgres_type(hint)), sql.SQL("" if optional(hint)[1] else " NOT NULL")
        )
        for column, hint in columns(model).items()
    ]
    connection.execute(sql.SQL("CREATE TABLE {} ({})").format(table(name), sql.SQL(", ").join(parts)))


def index(connection: Connection[Any], model: type[ReadModel], name: str) -> None:
    """Make the primary key and the declared indexes of a build's table, and its statistics; others may read it."""
    unique, key = f"{name}_pkey", sql.Identifier(model.spec.key)
    connection.execute("SELECT set_config('maintenance_work_mem', %s, false)", (INDEX_MEMORY,))
    # As a constraint straight away it would lock readers out for as long as the index takes.
    connection.execute(sql.SQL("CREATE UNIQUE INDEX {} ON {} ({})").format(sql.Identifier(unique), table(name), key))
    for listed in model.spec.indexes:
        connection.execute(
            sql.SQL("CREATE INDEX ON {} ({})").format(table(name), sql.SQL(", ").join(map(sql.Identifier, listed)))
        )
    connection.execute(sql.SQL("ANALYZE {}").format(table(name)))


def finish(connection: Connection[Any], name: str) -> None:
    """Make the unique index that :func:`index` made the primary key."""
    unique = sql.Identifier(f"{name}_pkey")
    connection.execute(sql.SQL("ALTER TABLE {} ADD PRIMARY KEY USING INDEX {}").format(table(name), unique))


@cache
def _decoders(model: type[ReadModel]) -> tuple[msgspec.json.Decoder[ReadModel], msgspec.json.Decoder[list[ReadModel]]]:
    """Decodes one row, and a list of rows, as PostgreSQL writes them."""
    return msgspec.json.Decoder(model), msgspec.json.Decoder(list[model])  # type: ignore[valid-type]


def packed(model: type[ReadModel], rows: Iterable[ReadModel]) -> list[str]:
    """The rows as JSON arrays that are sure to be read back: a fold may have put anything into a column.

    Raises one of ``UNFIT`` for a row that could not be read back.
    """
    _, decoder = _decoders(model)
    chunks = list(_chunks(map(encode, rows)))
    for chunk in chunks:
        decoder.decode(chunk)
    return [chunk.decode() for chunk in chunks]


def _chunks(encoded: Iterable[bytes]) -> Iterator[bytes]:
    chunk: list[bytes] = []
    size = 0
    for row in encoded:
        chunk.append(row)
        size += len(row)
        if size >= LOAD_BYTES_MAX:
            yield b"[" + b",".join(chunk) + b"]"
            chunk, size = [], 0
    if chunk:
        yield b"[" + b",".join(chunk) + b"]"


def upsert(connection: Connection[Any], model: type[ReadModel], name: str, chunks: Iterable[str]) -> None:
    """Put rows, as :func:`packed` gives them, into a build's table, in place of those with the same keys.

    Raises one of ``UNFIT`` for a row that the table cannot hold.
    """
    others = [column for column in model.__struct_fields__ if column != model.spec.key]
    assignments = [sql.SQL("{c} = excluded.{c}").format(c=sql.Identifier(column)) for column in others]
    statement = sql.SQL(
        "INSERT INTO {t} SELECT * FROM json_populate_recordset(NULL::{t}, %s::json)"
        " ON CONFLICT ({key}) DO UPDATE SET {assignments}"
    ).format(t=table(name), key=sql.Identifier(model.spec.key), assignments=sql.SQL(", ").join(assignments))
    for chunk in chunks:
        connection.execute(statement, (chunk,))


def check(connection: Connection[Any], model: type[ReadModel], name: str, row: ReadModel) -> None:
    """Raise one of ``UNFIT`` when a build's table cannot hold the row."""
    statement = sql.SQL("SELECT FROM json_populate_recordset(NULL::{t}, %s::json)").format(t=table(name))
    with connection.transaction():
        connection.execute(statement, tuple(packed(model, [row])))


def delete(connection: Connection[Any], model: type[ReadModel], name: str, keys: Iterable[Any]) -> None:
    """Remove the rows of the given keys, where there are any."""
    if unwanted := list(keys):
        statement = sql.SQL("DELETE FROM {} WHERE {} = ANY(%s)").format(table(name), sql.Identifier(model.spec.key))
        connection.execute(statement, (unwanted,))


def stored(connection: Connection[Any], model: type[ReadModel], name: str, keys: Iterable[Any]) -> list[str]:
    """The rows of the given keys, each as JSON."""
    wanted = list(keys)
    if not wanted:
        return []
    statement = sql.SQL("SELECT row_to_json(r)::text FROM {} r WHERE r.{} = ANY(%s)").format(
        table(name), sql.Identifier(model.spec.key)
    )
    return [text for (text,) in connection.execute(statement, (wanted,))]


def rows(model: type[ReadModel], texts: Iterable[str]) -> dict[Any, ReadModel]:
    """Rows that were stored, by key."""
    decoder, _ = _decoders(model)
    return {getattr(row, model.spec.key): row for row in map(decoder.decode, texts)}
