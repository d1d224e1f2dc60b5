"""A second implementation of what the verifier checks, written from the RFC's definitions and the formats' alone.

It shares no code with the first and works otherwise: trees and proofs are made by the recursion of RFC 9162 section
2.1 over all leaves, and a path is checked by walking down to the leaf instead of up from it.
"""

from base64 import b64decode, b64encode
from collections.abc import Sequence
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey


def mth(leaves: Sequence[bytes]) -> bytes:
    if not leaves:
        return sha256().digest()
    if len(leaves) == 1:
        return sha256(b"\0" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\1" + mth(leaves[:k]) + mth(leaves[k:])).digest()


def split(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def path(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if m < k:
        return [*path(m, leaves[:k]), mth(leaves[k:])]
    return [*path(m - k, leaves[k:]), mth(leaves[:k])]


def proof(m: int, leaves: Sequence[bytes]) -> list[bytes]:
    return subproof(m, leaves, complete=True)


def subproof(m: int, leaves: Sequence[bytes], *, complete: bool) -> list[bytes]:
    if m == len(leaves):
        return [] if complete else [mth(leaves)]
    k = split(len(leaves))
    if m <= k:
        return [*subproof(m, leaves[:k], complete=complete), mth(leaves[k:])]
    return [*subproof(m - k, leaves[k:], complete=False), mth(leaves[:k])]


def included(data: bytes, m: int, n: int, audit: Sequence[bytes]) -> bytes | None:
    """The root that an audit path leads to from a leaf; none where the path is not as long as it must be."""
    if n == 1:
        return None if audit else mth([data])
    if not audit:
        return None
    k = split(n)
    *rest, sibling = audit
    below = included(data, m, k, rest) if m < k else included(data, m - k, n - k, rest)
    if below is None:
        return None
    return sha256(b"\1" + (below + sibling if m < k else sibling + below)).digest()


def grown(m: int, n: int, old: bytes, steps: Sequence[bytes]) -> tuple[bytes, bytes] | None:
    """The old and the new root that a consistency proof leads to; none where it is not as long as it must be."""
    return _grown(m, n, old, list(steps), complete=True)


def _grown(m: int, n: int, old: bytes, steps: list[bytes], *, complete: bool) -> tuple[bytes, bytes] | None:
    if m == n:
        if complete:
            return None if steps else (old, old)
        return (steps[0], steps[0]) if len(steps) == 1 else None
    if not steps:
        return None
    k = split(n)
    *rest, sibling = steps
    if m <= k:
        below = _grown(m, k, old, rest, complete=complete)
        return below and (below[0], sha256(b"\1" + below[1] + sibling).digest())
    below = _grown(m - k, n - k, old, rest, complete=False)
    return below and (sha256(b"\1" + sibling + below[0]).digest(), sha256(b"\1" + sibling + below[1]).digest())


def signed(text: str, name: str, key: Ed25519PrivateKey) -> str:
    """A note of the text with one signature."""
    return text + "\n" + line(name, b"\1", key, key.sign(text.encode()))


def cosigned(note: str, name: str, key: Ed25519PrivateKey, time: int) -> str:
    """The note with a witness's line added."""
    text = note[: note.rindex("\n\n") + 1]
    made = key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
    return note + line(name, b"\4", key, time.to_bytes(8, "big") + made)


def line(name: str, kind: bytes, key: Ed25519PrivateKey, signature: bytes) -> str:
    return f"— {name} {b64encode(key_id(name, kind, key) + signature).decode()}\n"


def key_id(name: str, kind: bytes, key: Ed25519PrivateKey) -> bytes:
    return sha256(name.encode() + b"\n" + kind + key.public_key().public_bytes_raw()).digest()[:4]


def vkey(name: str, kind: bytes, key: Ed25519PrivateKey) -> str:
    public = b64encode(kind + key.public_key().public_bytes_raw()).decode()
    return f"{name}+{key_id(name, kind, key).hex()}+{public}"


def tree_of(note: str, name: str, key: Ed25519PublicKey) -> tuple[int, bytes]:
    """The size and the root of a checkpoint; raises where the line of that name is not a good signature."""
    head, _, lines = note.rpartition("\n\n")
    mine = [each.split(" ")[2] for each in lines.splitlines() if each.split(" ")[1] == name]
    key.verify(b64decode(mine[0])[4:], f"{head}\n".encode())
    origin, size, root = head.split("\n")
    assert origin == name
    return int(size), b64decode(root)
