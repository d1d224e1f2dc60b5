"""What others hold of this ledger, asked before anything is signed, so that an older copy does not go on in its name.

A ledger that was restored from a backup has lost entries, and with them the memory of what was signed of them. If it
signed another tree of sizes that were published or cosigned before, it would seem to have told two people two things.
"""

from collections.abc import Sequence
from typing import Any

from psycopg import Connection

from . import checkpoints, merkle
from .merkle import TreeBroken
from .publishing import Folder, Place
from .verifier import Tree, Unproven
from .witness import Witness, known_by

OLDER = "an older copy of it runs here, or another ledger of its name. Restore a later one, or give it another name"


def refuse_unpublished(connection: Connection[Any], places: Sequence[Place], origin: str, size: int) -> None:
    """Refuse to sign for ``size`` entries what contradicts the last checkpoint in a folder of published ones.

    To be asked once the tiles of so many entries are kept. Raises :class:`~ledger.merkle.TreeBroken`.
    """
    for place in places:
        tree = _newest(place) if isinstance(place, Folder) else None
        if tree is None or tree.origin != origin:
            continue
        if tree.size > size:
            raise TreeBroken(
                f"The {place.name} holds a checkpoint of {tree.size} entries, and there are {size}: {OLDER}."
            )
        if tree.root != merkle.root(connection, tree.size):
            raise TreeBroken(f"The {place.name} holds another tree of {tree.size} entries: {OLDER}.")


def refuse_forgotten(connection: Connection[Any], witnesses: Sequence[Witness]) -> None:
    """Refuse to go on where a witness has cosigned more entries than are sealed here, or another tree of them.

    One that is out of reach keeps nobody from sealing. Raises :class:`~ledger.merkle.TreeBroken`.
    """
    for witness in witnesses:
        said = known_by(connection, witness)
        # What another sealer issued meanwhile may have been cosigned meanwhile.
        last = checkpoints.latest(connection)
        if said is None or last is None or said.size < last.size or said.agrees:
            continue
        if said.size > last.size:
            raise TreeBroken(
                f"The witness {witness.name} cosigned {said.size} entries, and {last.size} are sealed: {OLDER}."
            )
        raise TreeBroken(f"The witness {witness.name} cosigned another tree of {said.size} entries: {OLDER}.")


def _newest(folder: Folder) -> Tree | None:
    """The tree of the last checkpoint in a folder; ``None`` where there is none that can be read."""
    try:
        note = folder.newest()
        return Tree.parse(note.partition("\n\n")[0] + "\n") if note else None
    except (OSError, UnicodeDecodeError, Unproven):
        # Whoever publishes there comes upon it, and tells.
        return None
