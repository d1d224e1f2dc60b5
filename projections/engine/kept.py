"""What a ledger told of merges and erasures, kept by the process that read it, so that it reads only what was added.

A ledger is never altered, so what was read of it holds for every connection to it, and for every position before. That
it is the same ledger, and that what was read of it stands, is asked each time: the last entry that was read must be
there with its leaf. It is not where the database was put back to an earlier copy, nor where the entry was read in the
transaction that entered it, and that was rolled back; then all is read anew.
"""

from bisect import bisect_right
from collections.abc import KeysView, Sequence
from functools import lru_cache
from threading import Lock
from typing import Any
from uuid import UUID

from psycopg import Connection

from domain.customer import Customer

LEDGERS_MAX = 4
"""Why: a process works for one ledger, or compares a few; of each, some 300 bytes are held for a merge or erasure."""

QUERY = """
    SELECT position, leaf, type, stream_id, (data ->> 'survivor_id')::uuid, NULL FROM ledger.entries
     WHERE type IN ('Customer.Merged', 'Customer.Unmerged') AND position BETWEEN %(since)s AND %(to)s
     UNION ALL
    SELECT position, leaf, type, stream_id, NULL, data -> 'keys' FROM ledger.entries
     WHERE type = 'Customer.Erased' AND position BETWEEN %(since)s AND %(to)s
     ORDER BY position"""
"""In two halves, since each has an index of its own; no others are looked at."""

Row = tuple[int, bytes, str, UUID, UUID | None, Sequence[str] | None]


class Merges:
    """Which customers were merged into which, and which of that was undone, each from what position on."""

    def __init__(self) -> None:
        """Know of none."""
        self._told: dict[UUID, list[tuple[int, UUID | None]]] = {}
        self._absorbed: dict[UUID, set[UUID]] = {}

    def __len__(self) -> int:
        """How many customers were ever merged."""
        return len(self._told)

    def ever(self) -> KeysView[UUID]:
        """The customers that were ever merged; there may be more of them from one moment to the next."""
        return self._told.keys()

    def tell(self, position: int, customer_id: UUID, survivor_id: UUID | None) -> None:
        """Add that a customer was merged into another, or with ``None`` that it no longer is; to be told in order."""
        self._told.setdefault(customer_id, []).append((position, survivor_id))
        if survivor_id is not None:
            self._absorbed.setdefault(survivor_id, set()).add(customer_id)

    def into(self, customer_id: UUID, position: int) -> UUID | None:
        """The customer that another was merged into as of a position; ``None`` where it stood alone."""
        told = reversed(self._told.get(customer_id, ()))
        return next((survivor for since, survivor in told if since <= position), None)

    def directly_in(self, survivor_id: UUID, position: int) -> list[UUID]:
        """The customers that were merged into another as of a position, without those merged into them."""
        # A copy, since another thread may be adding to it.
        known = tuple(self._absorbed.get(survivor_id, ()))
        return [customer for customer in known if self.into(customer, position) == survivor_id]


class Told:
    """The merges and erasures of one ledger up to some position, which may be added to while it is read."""

    def __init__(self) -> None:
        """Know of none."""
        self.merges = Merges()
        self.erased: dict[bytes, int] = {}
        """The 16 bytes of the id of each key that was destroyed, with the position of the entry that first said so."""
        self._positions: list[int] = []
        self._leaves: list[bytes] = []

    def since(self, position: int) -> int:
        """The position of the last entry known at or before another; 0 where there is none."""
        known = bisect_right(self._positions, position)
        return self._positions[known - 1] if known else 0

    def goes_on(self, since: int, rows: Sequence[Row]) -> bool:
        """Add what is new in the rows of the entries from ``since`` on; ``False`` where they are not of this ledger."""
        if since:
            known = bisect_right(self._positions, since) - 1
            if not rows or rows[0][:2] != (since, self._leaves[known]):
                return False
            rows = rows[1:]
        if rows and self._positions and rows[0][0] <= self._positions[-1]:
            return False
        for row in rows:
            self._add(*row)
        return True

    def _add(
        self, position: int, leaf: bytes, kind: str, customer: UUID, survivor: UUID | None, keys: Sequence[str] | None
    ) -> None:
        self._positions.append(position)
        self._leaves.append(leaf)
        if keys is None:
            self.merges.tell(position, customer, survivor if kind == Customer.Merged.type_name else None)
        for key in keys or ():
            self.erased.setdefault(UUID(key).bytes, position)


class _Kept:
    """What was read of the ledger of one database."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._told = Told()

    def up_to(self, connection: Connection[Any], position: int) -> Told:
        """What was told by a position and maybe later, having read what is new."""
        # Whoever asks meanwhile would read the very same.
        with self._lock:
            since = self._told.since(position)
            if not self._told.goes_on(since, _read(connection, since, position)):
                anew = Told()
                anew.goes_on(0, _read(connection, 0, position))
                self._told = anew
            return self._told


def told_by(connection: Connection[Any], position: int) -> Told:
    """The merges and erasures that the ledger of a connection told of by a position, and maybe later ones."""
    info = connection.info
    return _kept(info.host, info.port, info.dbname).up_to(connection, position)


@lru_cache(maxsize=LEDGERS_MAX)
def _kept(_host: str, _port: int, _database: str) -> _Kept:
    return _Kept()


def _read(connection: Connection[Any], since: int, to: int) -> list[Row]:
    return connection.execute(QUERY, {"since": since, "to": to}).fetchall()
