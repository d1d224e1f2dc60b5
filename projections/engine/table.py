"""Tables made of read-model declarations, and rows in and out of them as JSON."""

from collections.abc import Iterable, Sequence
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin

import msgspec
from psycopg import Connection, sql

from .model import POSTGRES_TYPES, ReadModel, columns

SCHEMA = "books"
LOAD_MAX = 20_000
"""Why: rows sent in one statement; some 10 MB of JSON, far below what PostgreSQL takes in one value."""

encode = msgspec.json.Encoder().encode


def optional(hint: Any) -> tuple[Any, bool]:
    """The type without its annotations and without ``None``, and whether ``None`` was allowed."""
    if get_origin(hint) is Annotated:
        return optional(get_args(hint)[0])
    arguments = get_args(hint)
    if type(None) in arguments:
        rest = [argument for argument in arguments if argument is not type(None)]
        return optional(rest[0])[0], True
    return hint, False


def postgres_type(hint: Any) -> str:
    """The column type for a Python type."""
    plain, _ = optional(hint)
    if isinstance(plain, type) and issubclass(plain, Enum):
        return "text"
    return POSTGRES_TYPES.get(plain, "jsonb")


def table(name: str) -> sql.Identifier:
    """A table or view of the books."""
    return sql.Identifier(SCHEMA, name)


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
    """Make the primary key and the declared indexes of a build's table, and its statistics."""
    connection.execute(
        sql.SQL("ALTER TABLE {} ADD PRIMARY KEY ({})").format(table(name), sql.Identifier(model.spec.key))
    )
    for listed in model.spec.indexes:
        connection.execute(
            sql.SQL("CREATE INDEX ON {} ({})").format(table(name), sql.SQL(", ").join(map(sql.Identifier, listed)))
        )
    connection.execute(sql.SQL("ANALYZE {}").format(table(name)))


@cache
def _decoder(model: type[ReadModel]) -> msgspec.json.Decoder[ReadModel]:
    return msgspec.json.Decoder(model)


def decode(model: type[ReadModel], text: str) -> ReadModel:
    """The row of one JSON object, as PostgreSQL writes it."""
    return _decoder(model).decode(text)


def load(connection: Connection[Any], name: str, rows: Iterable[ReadModel]) -> None:
    """Add new rows to a build's table."""
    statement = sql.SQL("INSERT INTO {t} SELECT * FROM json_populate_recordset(NULL::{t}, %s::json)").format(
        t=table(name)
    )
    for chunk in _chunks(rows):
        connection.execute(statement, (encode(chunk).decode(),))


def upsert(connection: Connection[Any], model: type[ReadModel], name: str, rows: Sequence[ReadModel]) -> None:
    """Put rows into a build's table, in place of those with the same keys."""
    others = [column for column in model.__struct_fields__ if column != model.spec.key]
    assignments = [sql.SQL("{c} = excluded.{c}").format(c=sql.Identifier(column)) for column in others]
    statement = sql.SQL(
        "INSERT INTO {t} SELECT * FROM json_populate_recordset(NULL::{t}, %s::json)"
        " ON CONFLICT ({key}) DO UPDATE SET {assignments}"
    ).format(t=table(name), key=sql.Identifier(model.spec.key), assignments=sql.SQL(", ").join(assignments))
    for chunk in _chunks(rows):
        connection.execute(statement, (encode(chunk).decode(),))


def select(connection: Connection[Any], model: type[ReadModel], name: str, keys: Iterable[Any]) -> dict[Any, ReadModel]:
    """The rows of the given keys, by key."""
    wanted = list(keys)
    if not wanted:
        return {}
    statement = sql.SQL("SELECT row_to_json(r)::text FROM {} r WHERE r.{} = ANY(%s)").format(
        table(name), sql.Identifier(model.spec.key)
    )
    rows = (decode(model, text) for (text,) in connection.execute(statement, (wanted,)))
    return {getattr(row, model.spec.key): row for row in rows}


def _chunks(rows: Iterable[ReadModel]) -> Iterable[list[ReadModel]]:
    chunk: list[ReadModel] = []
    for row in rows:
        chunk.append(row)
        if len(chunk) == LOAD_MAX:
            yield chunk
            chunk = []
    if chunk:
        yield chunk
