"""What was sealed: tiles, checkpoints and copies of them, read piece by piece and their signatures checked."""

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from ..merkle import HASH, TILE
from ..verifier import FILE_MAX, Key, Tree, Unproven, open_checkpoint, open_note
from .findings import Findings, Kind

# Where somebody took the constraints away, nothing may stand there; that is no reason to stumble.
CHECKPOINTS = """
    SELECT size, coalesce(root, ''), coalesce(note, ''), coalesce(vkey, ''), coalesce(after, -1), coalesce(leaves, '')
      FROM seals.checkpoints WHERE size > %s AND size <= %s ORDER BY size"""
TILES = """
    SELECT index, coalesce(hashes, ''), coalesce(root, '') FROM seals.tiles
     WHERE level = %s AND index >= %s AND index < %s"""
COSIGNATURES = """
    SELECT c.size, c.witness, c.line, c.vkey, p.note
      FROM seals.cosignatures c LEFT JOIN seals.checkpoints p USING (size)
     WHERE c.size > %s ORDER BY c.size"""
LOST = """
    SELECT size, min(where_to) FROM (
        SELECT size, 'published to the ' || place AS where_to FROM seals.publications
         UNION ALL SELECT size, 'cosigned by ' || witness FROM seals.cosignatures) AS told
     WHERE NOT EXISTS (SELECT FROM seals.checkpoints p WHERE p.size = told.size) GROUP BY size ORDER BY size"""


class Anchor(NamedTuple):
    """Something that says what the root was at a size."""

    size: int
    root: bytes
    what: str


class Issued(NamedTuple):
    """A checkpoint as it stands in its table."""

    size: int
    root: bytes
    note: str
    vkey: str
    after: int
    leaves: bytes

    @property
    def first(self) -> int:
        """The position of the first of ``leaves``."""
        return self.size - len(self.leaves) // HASH + 1


class StoredTile(NamedTuple):
    """A tile as it stands in its table."""

    hashes: bytes
    root: bytes


class Trust(NamedTuple):
    """Whose signatures count."""

    keys: Sequence[Key]
    """Public keys from elsewhere than the database; where there are none, those in it are used."""
    origin: str | None
    """What the checkpoints must name."""


def tiles(connection: Connection[Any], level: int, first: int, end: int) -> dict[int, StoredTile]:
    """The stored tiles of a level by their index, from ``first`` on and before ``end``."""
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(TILES, (level, first, end)).fetchall()
    return {index: StoredTile(hashes, root) for index, hashes, root in rows}


def checkpoints(connection: Connection[Any], after: int, until: int) -> list[Issued]:
    """The stored checkpoints of more than ``after`` entries and at most ``until``."""
    with connection.cursor(binary=True) as cursor:
        return [Issued(*row) for row in cursor.execute(CHECKPOINTS, (after, until)).fetchall()]


def signed_root(connection: Connection[Any], size: int, trust: Trust) -> bytes | None:
    """The root that the checkpoint of a size was signed with; ``None`` where there is none with a good signature."""
    for issued in checkpoints(connection, size - 1, size):
        if anchor := check_issued(issued, issued.after, trust, Findings()):
            return anchor.root if anchor.size == size else None
    return None


def check_issued(issued: Issued, before: int, trust: Trust, findings: Findings) -> Anchor | None:
    """Check a stored checkpoint by itself; gives the root it was signed with, where its signature is good."""
    here = f"the checkpoint of {issued.size} entries"
    if issued.after > before:
        text = f"A checkpoint of {issued.after} entries was issued before {here}, and is not there any more."
        findings.add(Kind.CHECKPOINT_MISSING, issued.after, text)
    elif issued.after < before:
        text = f"In {here} another size stands for the one before it than {before}."
        findings.add(Kind.CHECKPOINT_ALTERED, issued.size, text)
    if len(issued.leaves) != HASH * min(issued.size - issued.after, issued.size % TILE):
        text = f"With {here} more or fewer leaves are kept than no full tile holds."
        findings.add(Kind.CHECKPOINT_ALTERED, issued.size, text)
    try:
        signed_by = Key.parse(issued.vkey)
        opened = open_checkpoint(issued.note, trust.keys or [signed_by])
        if not any(each.key == signed_by for each in opened.signatures):
            open_checkpoint(issued.note, [signed_by])
        tree = opened.tree
    except Unproven as error:
        findings.add(Kind.CHECKPOINT_ALTERED, issued.size, f"{here.capitalize()} is not what was signed: {error}")
        return None
    _check_origin(tree, trust, here, issued.size, findings)
    if (tree.size, tree.root) != (issued.size, issued.root):
        text = f"{here.capitalize()} stands in its table with another size or root than was signed."
        findings.add(Kind.CHECKPOINT_ALTERED, issued.size, text)
    return Anchor(tree.size, tree.root, here)


def check_cosignatures(connection: Connection[Any], after: int, findings: Findings) -> int:
    """Check what witnesses signed; gives how many cosignatures there are."""
    count = 0
    for size, witness, line, vkey, note in connection.execute(COSIGNATURES, (after,)):
        count += 1
        try:
            if note is not None:
                open_note(note.partition("\n\n")[0] + "\n\n" + line, [Key.parse(vkey)])
        except Unproven as error:
            text = f"What {witness} cosigned of {size} entries is not what stands there: {error}"
            findings.add(Kind.COSIGNATURE_BAD, size, text)
    for size, where in connection.execute(LOST):
        text = f"The checkpoint of {size} entries was {where}, and is not there any more."
        findings.add(Kind.CHECKPOINT_MISSING, size, text)
    return count


def copies(folder: Path, trust: Trust, findings: Findings) -> list[Anchor]:
    """The checkpoints in a folder, which was kept apart from the database, by size."""
    found = []
    for path in sorted(each for each in folder.iterdir() if each.is_file() and not each.name.startswith(".")):
        try:
            if path.stat().st_size > FILE_MAX:
                raise Unproven("It is too large for a checkpoint.")
            note = path.read_bytes().decode()
            tree = (
                open_checkpoint(note, trust.keys).tree if trust.keys else Tree.parse(note.partition("\n\n")[0] + "\n")
            )
        except (Unproven, UnicodeDecodeError) as error:
            findings.add(Kind.COPY_BAD, None, f"{path.name} is no checkpoint of this ledger: {error}")
            continue
        _check_origin(tree, trust, path.name, None, findings)
        if tree.size:
            found.append(Anchor(tree.size, tree.root, f"the copy {path.name}"))
    return sorted(found)


def check_kept(connection: Connection[Any], told: Iterable[Anchor], head: int, findings: Findings) -> Iterator[Anchor]:
    """Check that of each copy the checkpoint is still there; gives those the ledger is long enough for."""
    kept = {size for (size,) in connection.execute("SELECT size FROM seals.checkpoints")}
    for anchor in told:
        if anchor.size > head:
            text = f"By {anchor.what} there were {anchor.size} entries, and there are {head}."
            findings.add(Kind.POSITION_MISSING, head + 1, text, until=anchor.size)
            continue
        if anchor.size not in kept:
            text = f"The checkpoint of {anchor.what} is not there any more."
            findings.add(Kind.CHECKPOINT_MISSING, anchor.size, text)
        yield anchor


def _check_origin(tree: Tree, trust: Trust, what: str, position: int | None, findings: Findings) -> None:
    if trust.origin is not None and tree.origin != trust.origin:
        text = f"{what[0].upper()}{what[1:]} is of another ledger, {tree.origin}."
        findings.add(Kind.CHECKPOINT_ALTERED if position else Kind.COPY_BAD, position, text)


def sealed_leaves(first: int, many: int, tile: StoredTile | None, issued: Sequence[Issued]) -> list[bytes | None]:
    """What was sealed of each of ``many`` entries from ``first`` on, by the tile or by the checkpoints in it."""
    found: list[bytes | None] = [None] * many
    for each in issued:
        for at in range(len(each.leaves) // HASH):
            if 0 <= each.first + at - first < many:
                found[each.first + at - first] = each.leaves[at * HASH : (at + 1) * HASH]
    if tile is not None and len(tile.hashes) == TILE * HASH:
        found = [tile.hashes[at * HASH : (at + 1) * HASH] for at in range(many)]
    return found
