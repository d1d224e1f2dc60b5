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

KEEP = """
    INSERT INTO seals.checkpoints (size, root, note, vkey, after, leaves)
    SELECT %(size)s, %(root)s, %(note)s, %(vkey)s, %(after)s, coalesce(string_agg(leaf, '' ORDER BY position), '')
      FROM ledger.entries
     WHERE position > greatest(%(after)s, %(size)s::bigint - %(size)s::bigint %% 256) AND position <= %(size)s
    RETURNING issued_at"""
"""Leaves that a full tile holds are not kept twice."""
STANDING = """
    SELECT (SELECT json_build_object('size', size, 'issued_at', issued_at) FROM seals.checkpoints
             ORDER BY size DESC LIMIT 1),
           (SELECT coalesce(json_object_agg(place, size), '{}')
              FROM (SELECT place, max(size) AS size FROM seals.publications GROUP BY place) p),
           (SELECT coalesce(json_object_agg(witness, size), '{}')
              FROM (SELECT witness, max(size) AS size FROM seals.cosignatures GROUP BY witness) c),
           (SELECT coalesce(json_object_agg(place, error), '{}') FROM seals.troubles)"""


class Checkpoint(NamedTuple):
    """The root over the first ``size`` entries, signed."""

    size: int
    root: bytes
    note: str
    """The C2SP tlog-checkpoint as it was issued, with the cosignatures that witnesses have given since."""
    issued_at: datetime

    @property
    def origin(self) -> str:
        """The ledger's name, as the checkpoint has it."""
        return self.note.partition("\n")[0]


class Standing(NamedTuple):
    """How far the ledger is sealed, and what the places outside it have."""

    last: dict[str, Any] | None
    """Size and time of the last checkpoint; ``None`` while there is none."""
    published: dict[str, int]
    """The size each place got last."""
    witnessed: dict[str, int]
    """The size each witness cosigned last."""
    troubles: dict[str, str]
    """Why places and witnesses failed that were out of reach when they were last tried."""


def text(origin: str, size: int, root: bytes) -> str:
    """What is signed of a tree: its origin, its size and its root, a line each."""
    return f"{origin}\n{size}\n{b64encode(root).decode()}\n"


def latest(connection: Connection[Any]) -> Checkpoint | None:
    """The last checkpoint; ``None`` while there is none."""
    return _one(connection, LATEST)


def standing(connection: Connection[Any]) -> Standing:
    """How far the ledger is sealed."""
    row = connection.execute(STANDING).fetchone()
    assert row is not None
    return Standing(*row)


def at_or_after(connection: Connection[Any], position: int) -> Checkpoint | None:
    """The first checkpoint that covers a position; ``None`` while it is not sealed."""
    return _one(connection, AT_OR_AFTER, position)


def issued(connection: Connection[Any], after: int = 0, until: int | None = None) -> Iterator[Checkpoint]:
    """The checkpoints of more than ``after`` entries, and at most ``until``, the smallest first."""
    with connection.cursor() as cursor:
        for row in cursor.stream(ISSUED, (after, until)):
            yield Checkpoint(*row)


def keep(connection: Connection[Any], after: int, size: int, root: bytes, note: str, vkey: str) -> Checkpoint:
    """Keep a checkpoint that was just signed, with the leaves since the one ``after`` which it follows."""
    row = connection.execute(KEEP, {"after": after, "size": size, "root": root, "note": note, "vkey": vkey}).fetchone()
    assert row is not None
    return Checkpoint(size, root, note, row[0])


def _one(connection: Connection[Any], query: str, *asked: object) -> Checkpoint | None:
    row = connection.execute(query.encode(), asked, prepare=True).fetchone()
    return Checkpoint(*row) if row else None
