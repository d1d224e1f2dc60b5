"""The Merkle tree over the entries' leaves (RFC 6962 section 2.1), kept in tiles of 256 hashes (C2SP tlog-tiles).

Only full tiles are kept, each with its root. One that is not full needs no place of its own: on the lowest level it is
the leaves themselves, and above that the roots of the tiles below it. So nothing kept is ever written anew.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

HASH = 32
TILE_HEIGHT = 8
TILE = 2**TILE_HEIGHT
TILES_AT_ONCE_MAX = 256
"""Why: 65 536 leaves are 2 MB; more at once need more memory and gain no speed."""
EMPTY = hashlib.sha256(b"").digest()

READ = """
    SELECT level, index, coalesce(
               (SELECT tile.hashes FROM seals.tiles tile WHERE tile.level = wanted.level AND tile.index = wanted.index),
               CASE level
               WHEN 0 THEN (SELECT string_agg(leaf, '' ORDER BY position) FROM ledger.entries
                             WHERE position BETWEEN 256 * wanted.index + 1 AND 256 * wanted.index + 256)
               ELSE (SELECT string_agg(below.root, '' ORDER BY below.index) FROM seals.tiles below
                      WHERE below.level = wanted.level - 1
                        AND below.index BETWEEN 256 * wanted.index AND 256 * wanted.index + 255) END)
      FROM unnest(%b::smallint[], %b::bigint[]) AS wanted (level, index)"""
LEAVES = """
    SELECT (SELECT string_agg(leaf, '' ORDER BY position) FROM ledger.entries
             WHERE position BETWEEN 256 * index + 1 AND 256 * index + 256)
      FROM generate_series(%s::bigint, %s::bigint) AS index"""
BELOW = """
    SELECT (SELECT string_agg(below.root, '' ORDER BY below.index) FROM seals.tiles below
             WHERE below.level = %s AND below.index BETWEEN 256 * tile AND 256 * tile + 255)
      FROM generate_series(%s::bigint, %s::bigint) AS tile"""
KEEP = "COPY seals.tiles (level, index, hashes, root) FROM STDIN (FORMAT BINARY)"


class TreeBroken(Exception):
    """The leaves, the tiles or a checkpoint no longer fit together; the message says where."""


class Span(NamedTuple):
    """The leaves from ``first`` on, before ``end``, counted from 0."""

    first: int
    end: int


class Node(NamedTuple):
    """The root of a full subtree of ``2**height`` leaves, the ``number``-th of its height."""

    height: int
    number: int


class Tile(NamedTuple):
    """Where a tile stands: its hashes are of height ``8 * level``."""

    level: int
    number: int


def inclusion(connection: Connection[Any], position: int, size: int) -> list[bytes]:
    """The inclusion proof of the entry at a position in the tree of the first ``size`` entries, its sibling first."""
    return inclusions(connection, [position], size)[position]


def inclusions(connection: Connection[Any], positions: Collection[int], size: int) -> dict[int, list[bytes]]:
    """The inclusion proofs of several entries, by position, with one reading of the tiles they share."""
    if outside := [position for position in positions if not 1 <= position <= size]:
        raise ValueError(f"position {outside[0]} is not among the first {size}")
    paths = {position: _path(position - 1, Span(0, size)) for position in positions}
    known = _hashes(connection, {span for path in paths.values() for span in path})
    return {position: [known[span] for span in path] for position, path in paths.items()}


def consistency(connection: Connection[Any], old: int, new: int) -> list[bytes]:
    """The proof that the tree of ``new`` entries begins with that of ``old`` ones; empty where they are the same."""
    if not 1 <= old <= new:
        raise ValueError(f"a tree of {new} entries does not begin with one of {old}")
    proof = _subproof(old, Span(0, new), whole=True)
    known = _hashes(connection, proof)
    return [known[span] for span in proof]


def root(connection: Connection[Any], size: int) -> bytes:
    """The root of the tree of the first ``size`` entries."""
    if size == 0:
        return EMPTY
    whole = Span(0, size)
    return _hashes(connection, [whole])[whole]


def extend(connection: Connection[Any], size: int) -> int:
    """Keep the tiles that are full with ``size`` entries; gives how many are new.

    Each leaf is read from its column and hashed once. Raises :class:`TreeBroken` where a position is missing.
    """
    made, level = 0, 0
    while full := size >> TILE_HEIGHT * (level + 1):
        kept = _kept(connection, level)
        for first in range(kept, full, TILES_AT_ONCE_MAX):
            last = min(first + TILES_AT_ONCE_MAX, full) - 1
            _keep(connection, level, first, _tiles(connection, level, first, last))
        made += full - min(kept, full)
        level += 1
    return made


def parent(left: bytes, right: bytes) -> bytes:
    """The hash over two subtrees."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def parents(hashes: bytes) -> bytes:
    """The hashes over each two that stand beside one another; one that stands alone at the end is left out."""
    sha256 = hashlib.sha256
    pairs = range(0, len(hashes) // (2 * HASH) * (2 * HASH), 2 * HASH)
    return b"".join([sha256(b"\x01" + hashes[at : at + 2 * HASH]).digest() for at in pairs])


def folded(hashes: bytes) -> bytes:
    """The root over a power of two of hashes."""
    while len(hashes) > HASH:
        hashes = parents(hashes)
    return hashes


def joined(subtrees: Sequence[bytes]) -> bytes:
    """The root over full subtrees that stand beside one another, the largest first."""
    *others, root = subtrees
    for left in reversed(others):
        root = parent(left, root)
    return root


def nodes(span: Span) -> Iterator[Node]:
    """The full subtrees that a span is made of, the largest first."""
    first, end = span
    while first < end:
        height = (end - first).bit_length() - 1
        yield Node(height, first >> height)
        first += 1 << height


def _path(index: int, span: Span) -> list[Span]:
    """``PATH`` of RFC 6962 section 2.1.1, as the spans whose roots it is made of."""
    if span.end - span.first == 1:
        return []
    middle = _middle(span)
    left, right = Span(span.first, middle), Span(middle, span.end)
    return [*_path(index, left), right] if index < middle else [*_path(index, right), left]


def _subproof(old: int, span: Span, *, whole: bool) -> list[Span]:
    """``SUBPROOF`` of RFC 6962 section 2.1.2, as the spans whose roots it is made of."""
    if old == span.end:
        return [] if whole else [span]
    middle = _middle(span)
    left, right = Span(span.first, middle), Span(middle, span.end)
    if old <= middle:
        return [*_subproof(old, left, whole=whole), right]
    return [*_subproof(old, right, whole=False), left]


def _middle(span: Span) -> int:
    """Where a span is parted: after the largest power of two that is smaller than it."""
    return int(span.first + (1 << (span.end - span.first - 1).bit_length() - 1))


def _hashes(connection: Connection[Any], spans: Iterable[Span]) -> dict[Span, bytes]:
    """The roots of spans, with one reading of the tiles that hold them."""
    made = {span: list(nodes(span)) for span in spans}
    wanted = {node for parts in made.values() for node in parts}
    tiles = _read(connection, {_tile(node) for node in wanted})
    known = {node: _node(node, tiles[_tile(node)]) for node in wanted}
    return {span: joined([known[node] for node in parts]) for span, parts in made.items()}


def _tile(node: Node) -> Tile:
    level, above = divmod(node.height, TILE_HEIGHT)
    return Tile(level, node.number >> TILE_HEIGHT - above)


def _node(node: Node, hashes: bytes) -> bytes:
    """A node's hash, from those of its tile."""
    width = 1 << node.height % TILE_HEIGHT
    first = node.number * width % TILE
    found = hashes[first * HASH : (first + width) * HASH]
    if len(found) != width * HASH:
        raise TreeBroken(f"The tree lacks the subtree {node.number} of 2^{node.height} entries.")
    return folded(found)


def _read(connection: Connection[Any], wanted: Collection[Tile]) -> Mapping[Tile, bytes]:
    if not wanted:
        return {}
    asked = ([tile.level for tile in wanted], [tile.number for tile in wanted])
    with connection.cursor(binary=True) as cursor:
        rows = cursor.execute(READ, asked, prepare=True).fetchall()
    return {Tile(level, index): hashes or b"" for level, index, hashes in rows}


def _kept(connection: Connection[Any], level: int) -> int:
    """How many tiles of a level there are."""
    row = connection.execute(
        "SELECT coalesce(max(index) + 1, 0) FROM seals.tiles WHERE level = %s", (level,), prepare=True
    ).fetchone()
    assert row is not None
    return int(row[0])


def _tiles(connection: Connection[Any], level: int, first: int, last: int) -> list[bytes]:
    with connection.cursor(binary=True) as cursor:
        if level == 0:
            rows = cursor.execute(LEAVES, (first, last)).fetchall()
        else:
            rows = cursor.execute(BELOW, (level - 1, first, last)).fetchall()
    for index, (hashes,) in enumerate(rows, first):
        if len(hashes or b"") != TILE * HASH:
            end = TILE ** (level + 1)
            raise TreeBroken(f"Of the entries {index * end + 1} to {(index + 1) * end} not all are there.")
    return [hashes for (hashes,) in rows]


def _keep(connection: Connection[Any], level: int, first: int, tiles: Sequence[bytes]) -> None:
    with connection.cursor().copy(KEEP) as copy:
        copy.set_types(["int2", "int8", "bytea", "bytea"])
        for index, hashes in enumerate(tiles, first):
            copy.write_row((level, index, hashes, folded(hashes)))
