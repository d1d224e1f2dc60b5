"""The sealer: follows the ledger, keeps its tree, and issues a checkpoint at a chosen rhythm.

It never signs a tree that does not continue the one it signed last: under a lock that one sealer holds at a time, it
finds the last root again from the leaves and tiles, and proves that the new tree begins with the old one.
"""

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

import psycopg
from psycopg import Connection

from . import checkpoints, merkle
from .checkpoints import Checkpoint
from .database import DatabaseUnavailable, Duty, connect
from .merkle import TreeBroken
from .notes import SignerError, Signing, sign
from .outside import refuse_forgotten, refuse_unpublished
from .publishing import Place, publish
from .reading import head
from .verifier import Unproven, verify_consistency
from .witness import Witness, cosign

LOCK = 7_239_542
"""Names the advisory lock under which checkpoints are issued, one sealer at a time."""
TURN_S = 0.5
"""Why: so often the sealer looks whether it is to stop; the rhythm itself is a matter of seconds at least."""
LOST = (psycopg.OperationalError, DatabaseUnavailable)

TILE_OF = """
    SELECT hashes = (SELECT string_agg(leaf, '' ORDER BY position) FROM ledger.entries
                      WHERE position BETWEEN 256 * index + 1 AND 256 * index + 256)
      FROM seals.tiles WHERE level = 0 AND index = %s"""
LATE = """
    SELECT extract(epoch FROM clock_timestamp() - coalesce(max(issued_at), (SELECT recorded_at FROM ledger.head)))
      FROM seals.checkpoints HAVING coalesce(max(size), 0) < (SELECT position FROM ledger.head)"""

Notice = Callable[[str], None]


def seal(connection: Connection[Any], signers: Sequence[Signing], places: Sequence[Place] = ()) -> Checkpoint | None:
    """Issue a checkpoint over all entries; ``None`` where nothing was added since the last one.

    Tiles and checkpoint are committed together. Raises :class:`~ledger.merkle.TreeBroken` where what was sealed is no
    longer what stands in the ledger, or contradicts what lies in the ``places`` that can be read, and
    :class:`~ledger.notes.SignerError` where the key service does not sign.
    """
    with connection.transaction():
        connection.execute("SELECT pg_advisory_xact_lock(%s)", (LOCK,))
        last, size = checkpoints.latest(connection), head(connection)
        if last:
            _refuse_altered(connection, last, size)
        merkle.extend(connection, size)
        refuse_unpublished(connection, places, signers[0].name, size)
        after = last.size if last else 0
        if size == after:
            return None
        root = merkle.root(connection, size)
        if last:
            _refuse_inconsistent(connection, last, size, root)
        note = sign(checkpoints.text(signers[0].name, size, root), signers)
        return checkpoints.keep(connection, after, size, root, note, signers[0].vkey)


def _refuse_altered(connection: Connection[Any], last: Checkpoint, size: int) -> None:
    """Refuse to go on where the ledger lost entries that were sealed, or the last root is not found again."""
    if size < last.size:
        raise TreeBroken(f"{last.size} entries were sealed and the ledger has {size}; run: daybook verify")
    if merkle.root(connection, last.size) != last.root:
        raise TreeBroken(f"The entries up to {last.size} are not what was sealed; run: daybook verify")
    if full := last.size // merkle.TILE:
        # Leaves under full tiles are not read again each time; one tile taken at random each time finds them in time.
        index = secrets.randbelow(full)
        if connection.execute(TILE_OF, (index,)).fetchone() != (True,):
            first, end = index * merkle.TILE + 1, (index + 1) * merkle.TILE
            raise TreeBroken(f"The entries {first} to {end} are not what was sealed; run: daybook verify")


def _refuse_inconsistent(connection: Connection[Any], last: Checkpoint, size: int, root: bytes) -> None:
    try:
        verify_consistency(last.size, size, last.root, root, merkle.consistency(connection, last.size, size))
    except Unproven as error:
        raise TreeBroken(f"{error} Run: daybook verify") from None


def late(connection: Connection[Any]) -> float:
    """For how many seconds no checkpoint was issued though there are entries that none covers; 0 where all are."""
    row = connection.execute(LATE).fetchone()
    return float(row[0]) if row else 0.0


def hand_out(connection: Connection[Any], places: Sequence[Place], witnesses: Sequence[Witness]) -> list[str]:
    """Have the last checkpoint cosigned and published where that is still to be done; gives what failed, in words."""
    failed = [cosign(connection, witness) for witness in witnesses]
    failed += [publish(connection, place) for place in places]
    return [told for told in failed if told]


def run(
    url: str,
    every: float,
    signers: Sequence[Signing],
    places: Sequence[Place],
    witnesses: Sequence[Witness],
    stopping: Callable[[], bool],
    notice: Notice,
) -> None:
    """Seal every so many seconds until ``stopping`` says so; a lost database is waited for.

    Raises :class:`~ledger.merkle.TreeBroken`: from then on nothing may be signed before somebody has looked.
    """
    connection: Connection[Any] | None = None
    failing: set[str] = set()
    try:
        while not stopping():
            due = time.monotonic() + every
            try:
                if connection is None or connection.closed:
                    connection = connect(url, Duty.SEALER)
                    # While the connection lasts nobody puts another database in its place.
                    refuse_forgotten(connection, witnesses)
                seal(connection, signers, places)
                failed = set(hand_out(connection, places, witnesses))
                for told in sorted(failed - failing):
                    notice(told)
                failing = failed
            except SignerError as error:
                notice(str(error))
            except LOST as error:
                notice(f"The database went away ({str(error).splitlines()[0]}); trying again.")
                if connection:
                    with suppress(psycopg.Error):
                        connection.close()
            while not stopping() and (left := due - time.monotonic()) > 0:
                time.sleep(min(left, TURN_S))
    finally:
        if connection:
            connection.close()
