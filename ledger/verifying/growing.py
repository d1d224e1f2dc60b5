"""A tree that grows leaf by leaf, of which no more is held than what the next leaves need."""

from collections.abc import Sequence

from ..merkle import EMPTY, HASH, TILE, folded, joined, parents


class Growing:
    """A tree fed a tile at a time; gives its root at any size within the last tile fed."""

    def __init__(self, pending: Sequence[bytes] = ()) -> None:
        """Begin empty, or with the hashes of each level of tiles that are not in a full tile of that level yet."""
        self._pending = [bytearray(level) for level in pending]
        self._levels: list[bytes] = []
        self._before: bytes = b""

    def feed(self, leaves: bytes) -> list[tuple[int, bytes]]:
        """Take the leaves of the next tile; gives the tiles that are full with it, each as its level and hashes.

        All tiles fed are full, but for the last.
        """
        self._before = b"".join(_largest_first(bytes(level)) for level in reversed(self._pending))
        self._levels = [leaves]
        while len(self._levels[-1]) > HASH:
            self._levels.append(parents(self._levels[-1]))
        return self._carried(leaves) if len(leaves) == TILE * HASH else []

    def root(self, within: int) -> bytes:
        """The root of all that was fed before the last tile, and of its first ``within`` leaves."""
        parts, first = [self._before[at : at + HASH] for at in range(0, len(self._before), HASH)], 0
        while first < within:
            height = (within - first).bit_length() - 1
            at = first >> height
            parts.append(self._levels[height][at * HASH : (at + 1) * HASH])
            first += 1 << height
        return joined(parts) if parts else EMPTY

    def copy(self) -> "Growing":
        """Another of the same, to be fed otherwise from here on."""
        return Growing([bytes(level) for level in self._pending])

    def _carried(self, hashes: bytes) -> list[tuple[int, bytes]]:
        full, level = [(0, hashes)], 0
        while len(hashes) == TILE * HASH:
            if level == len(self._pending):
                self._pending.append(bytearray())
            self._pending[level] += self._levels[-1] if level == 0 else folded(hashes)
            hashes = bytes(self._pending[level])
            level += 1
            if len(hashes) == TILE * HASH:
                self._pending[level - 1].clear()
                full.append((level, hashes))
        return full


def _largest_first(hashes: bytes) -> bytes:
    """The roots of the full subtrees that hashes in sequence make up."""
    parts = []
    while hashes:
        width = 1 << (len(hashes) // HASH).bit_length() - 1
        parts.append(folded(hashes[: width * HASH]))
        hashes = hashes[width * HASH :]
    return b"".join(parts)
