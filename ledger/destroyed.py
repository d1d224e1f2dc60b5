"""The list of destroyed keys: kept apart from the database, so that a restored backup brings nobody back.

It is binding: what is on it is destroyed. A line is added with the last step before an erasure is committed, so it is
never behind the database, wherever the machine stops; where it is ahead, since the commit did not come about or an
older backup was restored, the next process that opens the vault destroys the keys again, and enters that it did.
"""

import os
from collections.abc import Iterable
from io import FileIO
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

LISTED = """
    SELECT first.leaf, customer_id, data -> 'keys', to_json(occurred_at) #>> '{}', position
      FROM ledger.entries, (SELECT encode(leaf, 'hex') AS leaf FROM ledger.entries WHERE position = 1) AS first
     WHERE position BETWEEN %s AND %s AND type = 'Customer.Erased' ORDER BY position"""


class Destroyed(msgspec.Struct, frozen=True, kw_only=True):
    """One line: whose keys were destroyed, by which entry. It holds ids only."""

    ledger: str
    """The leaf of the ledger's first entry in hex, by which a restored one is known and another one told apart."""
    customer: UUID
    keys: list[UUID]
    erased_at: str
    position: int
    """Where the entry stood; in a restored ledger another may stand there."""


class DestroyedKeys:
    """The list in its file, which several processes may read and add to."""

    def __init__(self, path: Path) -> None:
        """Keep the list at ``path``, which need not be there yet."""
        self.path = path

    def lines(self) -> list[Destroyed]:
        """What is on the list; a line that was cut short was never committed, and is none."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return []
        return [msgspec.json.decode(line, type=Destroyed) for line in text.splitlines() if _is_whole(line)]

    def keys(self) -> set[UUID]:
        """The ids of all keys on the list."""
        return {key for line in self.lines() for key in line.keys}

    def add(self, lines: Iterable[Destroyed]) -> None:
        """Add lines and wait until the disk has them; raises ``OSError`` where that cannot be."""
        text = b"".join(msgspec.json.encode(line) + b"\n" for line in lines)
        if not text:
            return
        self.path.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what is appended in one piece is not mingled with what another process appends.
        with open(self.path, "ab+", buffering=0, opener=_opener) as file:
            if _is_cut(file):
                text = b"\n" + text
            if file.write(text) != len(text):
                raise OSError(f"{self.path} could not be written to its end; nobody was erased.")
            os.fsync(file.fileno())
        _keep_name(self.path.parent)


def erasures(connection: Connection[Any], first: int, last: int) -> list[Destroyed]:
    """What the erasures that the ledger tells of between two positions say for the list of destroyed keys."""
    rows = connection.execute(LISTED, (first, last)).fetchall()
    return [
        Destroyed(ledger=ledger, customer=customer, keys=[UUID(key) for key in keys], erased_at=at, position=position)
        for ledger, customer, keys, at, position in rows
    ]


def _opener(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _is_whole(line: bytes) -> bool:
    return line.startswith(b"{") and line.endswith(b"}")


def _is_cut(file: FileIO) -> bool:
    """Whether the last line was cut short, so that the next one must not go on from it."""
    if file.seek(0, os.SEEK_END) == 0:
        return False
    file.seek(-1, os.SEEK_END)
    return file.read(1) != b"\n"


def _keep_name(folder: Path) -> None:
    """Wait until the disk has the file's name, too; Windows has no such thing to wait for."""
    if os.name != "nt":
        opened = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(opened)
        finally:
            os.close(opened)
