"""Checkpoints: what was signed of the tree, every one ever issued."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

SELECT = """
    SELECT size, root, note || coalesce((SELECT string_agg(line, '' ORDER BY cosigned_at, witness)
                                           FROM seals.cosignatures c WHERE c.size = p.size), ''), issued_at
      FROM seals.checkpoints p """
LATEST = SELECT + "ORDER BY size DESC LIMIT 1"
AT_OR_AFTER = SELECT + "WHERE size >= %s ORDER BY size LIMIT 1"
ISSUED = SELECT + "WHERE size > %s AND size <= coalesce(%s, size) ORDER BY size"


class Checkpoint(NamedTuple):
    """The root over the first ``size`` entries, signed."""

    size: int
    root: bytes
    note: str
    """The C2SP tlog-checkpoint as it was issued, with the cosignatures that witnesses have given since."""
    issued_at: datetime


def text(origin: str, size: int, root: bytes) -> str:
    """What is signed of a tree: its origin, its size and its root, a line each."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def latest(connection: Connection[Any]) -> Checkpoint | None:
    """The last checkpoint; ``None`` while there is none."""
    return _one(connection, LATEST)


def at_or_after(connection: Connection[Any], position: int) -> Checkpoint | None:
    """The first checkpoint that covers a position; ``None`` while it is not sealed."""
    return _one(connection, AT_OR_AFTER, position)


def issued(connection: Connection[Any], after: int = 0, until: int | None = None) -> Iterator[Checkpoint]:
    """The checkpoints of more than ``after`` entries, and at most ``until``, the smallest first."""
    with connection.cursor() as cursor:
        for row in cursor.stream(ISSUED, (after, until)):
            yield Checkpoint(*row)


def keep(connection: Connection[Any], size: int, root: bytes, note: str, vkey: str) -> Checkpoint:
    """Keep a checkpoint that was just signed."""
    row = connection.execute(
        "INSERT INTO seals.checkpoints (size, root, note, vkey) VALUES (%s, %s, %s, %s) RETURNING issued_at",
        (size, root, note, vkey),
    ).fetchone()
    assert row is not None
    return Checkpoint(size, root, note, row[0])


def _one(connection: Connection[Any], query: str, *asked: object) -> Checkpoint | None:
    row = connection.execute(query.encode(), asked, prepare=True).fetchone()
    return Checkpoint(*row) if row else None
