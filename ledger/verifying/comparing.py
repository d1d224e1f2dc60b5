"""Each tile of the tree, as the rows give it, against what was sealed of it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from ..merkle import HASH, TILE, TILE_HEIGHT, folded
from . import sealed, suspects
from .findings import Findings, Kind
from .growing import Growing
from .rows import Block, row
from .sealed import Anchor, Issued, StoredTile

SUSPECTED_MAX = 5
"""Why: some thousand hashings for each; who altered more rows than this is known by the first ones."""
UNKNOWN = bytes(HASH)
"""Stands for the leaf of an entry that is not there, and was not sealed one by one."""


class Differing(NamedTuple):
    """An entry whose row is not what was sealed."""

    position: int
    leaf: bytes
    """What its columns give."""
    stored: bytes
    sealed: bytes | None


class Tiles:
    """Compares tile after tile, and remembers what is still to be judged."""

    def __init__(self, connection: Connection[Any], findings: Findings, begun: Growing, verified: int) -> None:
        """Go on after what was ``verified``, a multiple of the tile's width, from the tree ``begun`` of it."""
        self._connection, self._findings = connection, findings
        self._rows, self._sealed = begun, begun
        self._differing: list[Differing] = []
        self._good = verified
        self._diverged = 0
        self._stamp = ""
        self._told = False
        self.sealed_leaves: dict[int, bytes] = {}
        """Of entries found altered, the leaf that was sealed, or else the one stored."""

    def take(
        self,
        index: int,
        blocks: Sequence[Block],
        tile: StoredTile | None,
        issued: Sequence[Issued],
        anchors: Sequence[Anchor],
        last: int,
    ) -> None:
        """Compare the tile at ``index``, whose last entry is at ``last``; anchors and checkpoints are those within."""
        first = index * TILE + 1
        many = last - first + 1
        known = sealed.sealed_leaves(first, many, tile, issued)
        leaves = b"".join(block.leaves for block in blocks)
        stored = b"".join(block.stored for block in blocks)
        as_sealed = b"".join(leaf or leaves[at * HASH : (at + 1) * HASH] for at, leaf in enumerate(known))
        whole = all(block.rows is None for block in blocks)
        if not (whole and leaves == stored == as_sealed):
            leaves, as_sealed = self._one_by_one(first, blocks, known)
        self._check_times(blocks)
        self._check_kept_leaves(first, leaves, as_sealed, issued)
        if leaves != as_sealed:
            self._diverged = last
            self._sealed = self._rows.copy() if self._sealed is self._rows else self._sealed
        full = self._rows.feed(leaves)
        if self._sealed is not self._rows:
            full = self._sealed.feed(as_sealed)
        self._check_tiles(index, tile, full)
        for anchor in anchors:
            self._check_anchor(anchor, anchor.size - first + 1)

    def judged(self) -> None:
        """Say of what differs which of the two was altered, where no anchor said it."""
        self._judge(Kind.ENTRY_ALTERED)

    def _one_by_one(self, first: int, blocks: Sequence[Block], known: Sequence[bytes | None]) -> tuple[bytes, bytes]:
        """The leaves as the rows give them, and as they were sealed; where they differ, that is remembered."""
        rows = {position: (leaf, stored) for position, leaf, stored in self._each(blocks)}
        leaves, as_sealed = [], []
        for position, was in enumerate(known, first):
            if position not in rows:
                self._findings.add(Kind.POSITION_MISSING, position, "There is no entry at this position.")
                leaf = stored = UNKNOWN
            else:
                leaf, stored = rows[position]
                if not leaf == stored == (was or leaf):
                    self._differing.append(Differing(position, leaf, stored, was))
            leaves.append(leaf)
            as_sealed.append(was or leaf)
        return b"".join(leaves), b"".join(as_sealed)

    def _each(self, blocks: Sequence[Block]) -> Iterator[tuple[int, bytes, bytes]]:
        seen = set()
        for block in blocks:
            if block.rows is None:
                for at in range(0, len(block.leaves), HASH):
                    yield block.first + at // HASH, block.leaves[at : at + HASH], block.stored[at : at + HASH]
                continue
            for each in block.rows:
                if each.position in seen:
                    self._findings.add(Kind.POSITION_UNKNOWN, each.position, "Two entries stand at this position.")
                seen.add(each.position)
                yield each.position, each.leaf, each.stored

    def _check_times(self, blocks: Sequence[Block]) -> None:
        for block in blocks:
            for number, stamp in enumerate(block.stamps):
                if stamp < self._stamp:
                    at = block.rows[number].position if block.rows else block.first + number
                    text = f"It was entered at {stamp}, before the entry before it, which was at {self._stamp}."
                    self._findings.add(Kind.TIME_BACKWARDS, at, text, column="recorded_at")
                self._stamp = stamp

    def _check_kept_leaves(self, first: int, leaves: bytes, as_sealed: bytes, issued: Sequence[Issued]) -> None:
        """The leaves kept with checkpoints must be those of the tree; where the tile alone differs, that is found."""
        for each in issued:
            for at in range(len(each.leaves) // HASH):
                kept, here = each.leaves[at * HASH : (at + 1) * HASH], (each.first + at - first) * HASH
                if kept not in (leaves[here : here + HASH], as_sealed[here : here + HASH]) or here < 0:
                    text = f"The leaf kept for it with the checkpoint of {each.size} entries is another."
                    self._findings.add(Kind.CHECKPOINT_ALTERED, each.first + at, text)
                    break

    def _check_tiles(self, index: int, tile: StoredTile | None, full: Sequence[tuple[int, bytes]]) -> None:
        for level, hashes in full:
            at = index >> TILE_HEIGHT * level
            stored = tile if level == 0 else sealed.tiles(self._connection, level, at, at + 1).get(at)
            if stored is None:
                continue
            first, last = at * TILE ** (level + 1) + 1, (at + 1) * TILE ** (level + 1)
            # A tile of the lowest level was compared leaf by leaf, if it has as many as it should.
            whole = stored.hashes == hashes if level else len(stored.hashes) == TILE * HASH
            if stored.root != folded(hashes) or not whole:
                text = f"The tile {at} of level {level} is not that of the entries below it."
                self._findings.add(Kind.TILE_ALTERED, first, text, until=last)

    def _check_anchor(self, anchor: Anchor, within: int) -> None:
        by_rows, by_seals = self._rows.root(within), self._sealed.root(within)
        if anchor.root in (by_rows, by_seals):
            self._judge(Kind.TILE_ALTERED if anchor.root == by_rows else Kind.ENTRY_ALTERED, up_to=anchor.size)
            self._good, self._told = anchor.size, False
            if anchor.root == by_rows and anchor.size >= self._diverged:
                # Of both trees this is the right one, so from here on one is enough.
                self._sealed = self._rows
        elif not self._told:
            self._told = True
            text = f"The tree of the entries up to {anchor.size} is not the one of {anchor.what}."
            self._findings.add(Kind.TREE_DIFFERS, min(self._good + 1, anchor.size), text, until=anchor.size)

    def _judge(self, kind: Kind, up_to: int | None = None) -> None:
        judged = [each for each in self._differing if up_to is None or each.position <= up_to]
        self._differing = self._differing[len(judged) :]
        for each in judged:
            self._findings.add(*_told(each, kind))
            if len(self.sealed_leaves) < SUSPECTED_MAX:
                self.sealed_leaves[each.position] = each.sealed or each.stored


def _told(each: Differing, kind: Kind) -> tuple[Kind, int, str]:
    if each.sealed is None:
        return Kind.ROW_ALTERED, each.position, "Its columns give another leaf than the one stored with it."
    if each.leaf == each.sealed:
        return Kind.LEAF_ALTERED, each.position, "The leaf stored with it is not the one its columns give."
    if each.leaf != each.stored:
        return Kind.ROW_ALTERED, each.position, "Its columns do not give the leaf that was sealed."
    if kind is Kind.TILE_ALTERED:
        return kind, each.position, "Its tile has another leaf for it than was sealed."
    return kind, each.position, "Columns and leaf agree, and are not what was sealed."


def name_columns(connection: Connection[Any], findings: Findings, sealed_leaves: Mapping[int, bytes]) -> None:
    """Name the columns that were altered in the entries found, as far as the sealed leaf proves it."""
    for number, found in enumerate(findings.kept):
        leaf = sealed_leaves.get(found.position or 0)
        if found.position and leaf and found.kind in (Kind.ROW_ALTERED, Kind.ENTRY_ALTERED):
            stored = row(connection, found.position)
            suspect = stored and suspects.altered(connection, stored, leaf, list(sealed_leaves))
            if suspect:
                was = f"what stands at {suspect.was}" if suspect.column == "position" else repr(suspect.was)
                what = f"{found.what} Altered was {suspect.column}: it was {was}."
                findings.kept[number] = found._replace(what=what, column=suspect.column)
