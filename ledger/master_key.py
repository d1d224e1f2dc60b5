"""The master key: it wraps the subjects' keys, is changed without touching an entry, and may live in a key service."""

import os
import shlex
from base64 import b64decode
from collections.abc import Callable
from typing import Any
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection

from .key_service import KeyServiceError, ask

NONCE = 12
REWRAPPED_AT_ONCE = 1_000
"""Why: a few milliseconds of work; killed at any moment, no more than that is done again."""

NEXT = (
    "SELECT subject_id, wrapped FROM vault.keys WHERE wrapped IS NOT NULL"
    " AND (%(after)s::uuid IS NULL OR subject_id > %(after)s) ORDER BY subject_id LIMIT %(most)s FOR UPDATE"
)
REWRAP = (
    "UPDATE vault.keys k SET wrapped = decode(fresh.wrapped, 'base64'), master_key_id = %(master)s"
    " FROM json_to_recordset(%(fresh)s::json) AS fresh (subject_id uuid, wrapped text)"
    " WHERE k.subject_id = fresh.subject_id AND k.wrapped IS NOT NULL"
)
COUNT = "SELECT count(*) FROM vault.keys WHERE wrapped IS NOT NULL"


class VaultError(Exception):
    """A value could not be sealed or opened."""


class MasterKey:
    """Wraps keys with the master key, and unwraps what that or the one before it wrapped."""

    def __init__(self, key: bytes, id: str, old: bytes | None = None) -> None:
        """Wrap with ``key`` (32 bytes, named ``id``); ``old`` is the master key before it, while keys are rewrapped.

        Raises :class:`VaultError` where a key has not 32 bytes.
        """
        if {len(key), len(old or key)} != {32}:
            raise VaultError("The master key must have 32 bytes; make one with: openssl rand -base64 32")
        self.id, self.oldest = id, old or key
        self._current, self._old = AESGCM(key), AESGCM(old) if old else None

    def wrap(self, subject: UUID, raw: bytes) -> bytes:
        """A subject's key as it is stored."""
        nonce = os.urandom(NONCE)
        return nonce + self._current.encrypt(nonce, raw, subject.bytes)

    def unwrap(self, subject: UUID, wrapped: bytes) -> bytes:
        """A subject's key as it was wrapped; raises :class:`VaultError` where neither key did that."""
        for key in filter(None, (self._current, self._old)):
            if raw := _unwrapped(key, subject, wrapped):
                return raw
        raise VaultError("The master key is not the one this ledger was sealed with; check DAYBOOK_MASTER_KEY.")

    def rewrapped(self, subject: UUID, wrapped: bytes) -> bytes | None:
        """The key wrapped anew where the old master key wrapped it; ``None`` where the current one did."""
        if _unwrapped(self._current, subject, wrapped):
            return None
        return self.wrap(subject, self.unwrap(subject, wrapped))


def _unwrapped(key: AESGCM, subject: UUID, wrapped: bytes) -> bytes | None:
    try:
        return key.decrypt(wrapped[:NONCE], wrapped[NONCE:], subject.bytes)
    except InvalidTag:
        return None


def rotate(connection: Connection[Any], master: MasterKey, advance: Callable[[int, int | None], None]) -> int:
    """Wrap with the current master key what the old one wrapped; gives how many keys that were.

    Runs as the owner of the vault, a batch to a transaction. Interrupted at any moment it is done again from the
    start, and passes over what it had done. Processes that hold both keys work all the while. Raises
    :class:`VaultError` for a key that neither wrapped.
    """
    counted = connection.execute(COUNT).fetchone()
    assert counted is not None
    done, seen, after = 0, 0, None
    while True:
        with connection.transaction():
            rows = connection.execute(NEXT, {"after": after, "most": REWRAPPED_AT_ONCE}).fetchall()
            fresh = {subject: new for subject, wrapped in rows if (new := master.rewrapped(subject, wrapped))}
            if fresh:
                connection.execute(REWRAP, {"master": master.id, "fresh": _json(fresh)})
        if not rows:
            return done
        done, seen, after = done + len(fresh), seen + len(rows), rows[-1][0]
        advance(seen, counted[0])


def _json(fresh: dict[UUID, bytes]) -> str:
    return msgspec.json.encode([{"subject_id": subject, "wrapped": new} for subject, new in fresh.items()]).decode()


def through(command: str, text: str) -> str:
    """What a command of the operator's, which asks a key service, gives on stdout for a text on stdin.

    Raises :class:`VaultError` where it fails.
    """
    try:
        return ask(shlex.split(command), text, "answer").decode(errors="replace").strip()
    except KeyServiceError as error:
        raise VaultError(f"The key service's command {error}") from None
    except ValueError as error:
        raise VaultError(f"The key service's command gave no answer: {error}") from None


def key_bytes(text: str) -> bytes | None:
    """The 32 bytes of a key in base64; ``None`` where it is none."""
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        return None
    return key if len(key) == 32 else None
