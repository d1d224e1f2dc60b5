"""The canonical bytes of entries as they are stored, made from their columns and compared with their leaf."""

from typing import Any

from psycopg import Connection, sql
from psycopg.rows import dict_row

from . import canonical

COLUMNS = sql.SQL(", ").join(map(sql.Identifier, ("position", "recorded_at", "leaf", *canonical.BODY)))


class EvidenceError(Exception):
    """The evidence that is asked for cannot be given; the message says why, and what to do."""


def stored(connection: Connection[Any], which: sql.Composable, params: dict[str, Any], most: int) -> list[bytes]:
    """The canonical bytes of the entries of which ``which`` is true, by position, at most so many.

    Raises :class:`EvidenceError` for an entry whose columns no longer give its leaf.
    """
    query = sql.SQL("SELECT {columns} FROM ledger.entries WHERE {which} ORDER BY position LIMIT {most}").format(
        columns=COLUMNS, which=which, most=most
    )
    with connection.cursor(row_factory=dict_row) as cursor:
        rows = cursor.execute(query, params).fetchall()
    return [_unaltered(row) for row in rows]


def _unaltered(row: dict[str, Any]) -> bytes:
    made = canonical.stored(row)
    if canonical.leaf(made) != row["leaf"]:
        raise EvidenceError(
            f"The entry {row['position']} was altered in the database: its columns do not give its leaf."
        )
    return made
