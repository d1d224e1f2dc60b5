"""Proofs: that an entry stands in a signed tree, and that one signed tree continues another."""

from base64 import b64encode
from collections.abc import Collection, Iterable
from typing import Any, NamedTuple

from psycopg import Connection, sql

from domain.rule import NOT_FOUND
from ledger import checkpoints, merkle, verifier
from ledger.checkpoints import Checkpoint
from ledger.evidence import EvidenceError, stored
from ledger.reading import head
from ledger.verifying import rows
from ledger.verifying.rows import Row

NOT_SEALED = "No checkpoint covers this entry yet; one is issued within a minute or so."
ALTERED = "This entry was altered in the database; find out more with: daybook verify"


def checkpoint(connection: Connection[Any], size: int | None) -> Checkpoint:
    """The checkpoint of that size, or the latest; raises :class:`~ledger.evidence.EvidenceError` without one."""
    if size is None:
        found = checkpoints.latest(connection)
        if found is None:
            raise EvidenceError("Nothing is sealed yet; run: daybook seal --once")
        return found
    found = next(checkpoints.issued(connection, size - 1, size), None)
    if found is None:
        raise EvidenceError(f"No checkpoint of {size} entries was issued; the last one is of {_last(connection)}.")
    return found


def proof(connection: Connection[Any], position: int, sealed: Checkpoint) -> str:
    """The ``.tlog-proof`` of an entry, which holds its canonical bytes, so that it suffices by itself.

    Raises :class:`~ledger.evidence.EvidenceError` for an entry that the checkpoint does not have.
    """
    NOT_FOUND.refuse_if(position > head(connection), kind="entry", id=position)
    if position > sealed.size:
        raise EvidenceError(
            f"Entry {position} is newer than the checkpoint of {sealed.size} entries; run: daybook seal --once"
        )
    [canonical] = stored(connection, sql.SQL("position = %(at)s"), {"at": position}, 1)
    return _written(position, canonical, merkle.inclusion(connection, position, sealed.size), sealed)


class Proof(NamedTuple):
    """The proof of an entry, or why there is none."""

    text: str | None
    reason: str | None


def proofs(connection: Connection[Any], positions: Collection[int]) -> dict[int, Proof]:
    """The ``.tlog-proof`` of each of some entries in the latest checkpoint, or why it has none."""
    sealed = checkpoints.latest(connection)
    within = [position for position in positions if sealed and position <= sealed.size]
    found = {position: Proof(None, NOT_SEALED) for position in positions}
    if sealed and within:
        paths = merkle.inclusions(connection, within, sealed.size)
        for row in _rows(connection, within):
            canonical = row.unaltered()
            if canonical is None:
                found[row.position] = Proof(None, ALTERED)
            else:
                found[row.position] = Proof(_written(row.position, canonical, paths[row.position], sealed), None)
    return found


def altered(connection: Connection[Any], positions: Collection[int]) -> list[int]:
    """The positions of those entries that do not give the leaf stored with them, so that one of the two was altered."""
    return [row.position for row in _rows(connection, positions) if row.unaltered() is None]


def _rows(connection: Connection[Any], positions: Collection[int]) -> list[Row]:
    return rows.some(connection, sql.SQL("position = ANY(%(at)s)"), {"at": list(positions)}, len(positions))


def _written(position: int, canonical: bytes, path: Iterable[bytes], sealed: Checkpoint) -> str:
    head = [verifier.PROOF_HEAD, f"extra {b64encode(canonical).decode()}", f"index {position - 1}"]
    return "\n".join([*head, *in_base64(path), ""]) + "\n" + sealed.note


def growth(connection: Connection[Any], old: Checkpoint, new: Checkpoint) -> dict[str, Any]:
    """The proof that the newer of two checkpoints continues the older."""
    path = in_base64(merkle.consistency(connection, old.size, new.size))
    return {"format": verifier.CONSISTENCY, "old": old.note, "proof": path, "new": new.note}


def in_base64(hashes: Iterable[bytes]) -> list[str]:
    """Hashes as proofs write them."""
    return [b64encode(each).decode() for each in hashes]


def _last(connection: Connection[Any]) -> int:
    found = checkpoints.latest(connection)
    return found.size if found else 0
