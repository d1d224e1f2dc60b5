"""A second implementation of the tree, written from the text of RFC 6962 section 2.1 alone, slow and plain."""

import hashlib
from collections.abc import Sequence
from typing import Any

from psycopg import Connection, sql


def h(data: bytes) -> bytes:
    return hashlib.sha256(data).digest()


def k_of(n: int) -> int:
    """The largest power of two smaller than n."""
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(leaves: Sequence[bytes]) -> bytes:
    """The Merkle Tree Hash of leaf hashes."""
    if not leaves:
        return h(b"")
    if len(leaves) == 1:
        return leaves[0]
    k = k_of(len(leaves))
    return h(b"\x01" + mth(leaves[:k]) + mth(leaves[k:]))


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = k_of(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    """PROOF(m, D[n])."""
    return subproof(m, leaves, b=True)


def subproof(m: int, leaves: Sequence[bytes], *, b: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    n = len(leaves)
    if m == n:
        return [] if b else [mth(leaves)]
    k = k_of(n)
    if m <= k:
        return [*subproof(m, leaves[:k], b=b), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], b=False), mth(leaves[:k])]


PLANT = """
    INSERT INTO ledger.entries SELECT h.position + n, gen_random_uuid(), 1, 'Planted', 1, NULL, NULL, now(), now(),
        'bot', 'b', NULL, gen_random_uuid(), NULL, NULL, NULL, NULL, '{}', decode(leaf, 'hex')
      FROM ledger.head h, unnest(%s::text[]) WITH ORDINALITY AS planted (leaf, n) ORDER BY n"""


def plant(admin: Connection[Any], leaves: Sequence[bytes]) -> None:
    """Enter rows that have nothing right about them but their positions and these leaves."""
    admin.execute(sql.SQL(PLANT), ([leaf.hex() for leaf in leaves],))
