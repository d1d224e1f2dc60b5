"""The vault: personal text is sealed with the subject's own key, and the key is wrapped by the master key.

A sealed value is ``s1.`` and the base64 of subject (16 bytes), stream (16), version (4), nonce (12) and ciphertext.
The associated data are stream, version and field, so a value moved to another place does not open.
"""

import hashlib
import os
import struct
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Iterable
from functools import cache
from typing import Any, NamedTuple, get_type_hints
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.event import Event, marked, payload_fields

PREFIX = "s1."
HEAD = struct.Struct(">16s16sI")
NONCE = 12
TAG = 16
KEYS_CACHED_MAX = 50_000
"""Why: some 20 MB of key objects; beyond it they are forgotten, and read again from the database as needed."""

EXISTING = (
    "SELECT subject_id, wrapped FROM vault.keys WHERE wrapped IS NOT NULL"
    " AND subject_id IN (SELECT value::uuid FROM json_array_elements_text(%s::json))"
)
ERASED = (
    "SELECT subject_id FROM vault.keys WHERE wrapped IS NULL"
    " AND subject_id IN (SELECT value::uuid FROM json_array_elements_text(%s::json))"
)
# In one order everywhere, so that two who make the same keys never wait for each other.
PROVIDE = (
    "WITH made AS (INSERT INTO vault.keys (subject_id, wrapped, master_key_id)"
    " SELECT subject_id, decode(wrapped, 'base64'), %(master)s"
    " FROM json_to_recordset(%(fresh)s::json) AS fresh (subject_id uuid, wrapped text) ORDER BY subject_id"
    " ON CONFLICT DO NOTHING RETURNING subject_id, wrapped)"
    " SELECT subject_id, wrapped FROM made UNION ALL SELECT subject_id, wrapped FROM vault.keys"
    " WHERE wrapped IS NOT NULL AND subject_id IN (SELECT value::uuid FROM json_array_elements_text(%(asked)s::json))"
)


class VaultError(Exception):
    """A value could not be sealed or opened."""


class SubjectKey(NamedTuple):
    """A subject's own key, ready for use; both parts are forgotten with it."""

    seal: AESGCM
    mark: bytes
    """Keys the digests of the subject's personal text."""


@cache
def personal_fields(event: type[Event]) -> tuple[str, ...]:
    """The payload fields of an event that hold personal data."""
    hints = get_type_hints(event, include_extras=True)
    return tuple(field for field in payload_fields(event) if marked(hints[field], "personal"))


def subject_of(event: Event) -> UUID:
    """Whose key seals an event's personal fields: the customer's, or the stream's own where there is none."""
    return event.customer_id or event.stream_id


def subject_of_sealed(sealed: str) -> UUID:
    """Whose key a sealed value was sealed with; raises :class:`VaultError` where it is none."""
    return UUID(bytes=_unpack(sealed)[:16])


class Vault:
    """Seals and opens personal values; keeps the keys it used in memory."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], master_key: bytes, master_key_id: str) -> None:
        """Use ``master_key`` (32 bytes, named ``master_key_id``) to wrap the subjects' keys."""
        if len(master_key) != 32:
            raise VaultError("The master key must have 32 bytes; make one with: openssl rand -base64 32")
        self._pool, self._master, self._master_id = pool, AESGCM(master_key), master_key_id
        self._fingerprints = hashlib.blake2b(master_key, person=b"fingerprint", digest_size=32).digest()
        self._keys: dict[UUID, SubjectKey] = {}

    def sealed(self, event: Event) -> dict[str, Any]:
        """The payload of an event with its personal fields sealed; the subject's key is made when it has none."""
        data = event.payload()
        for field in personal_fields(type(event)):
            if data[field] is not None:
                data[field] = self._seal(event, field, data[field])
        return data

    def _seal(self, event: Event, field: str, text: str) -> str:
        subject = subject_of(event)
        key = self._keys.get(subject) or self.provide([subject])[subject]
        head = HEAD.pack(subject.bytes, event.stream_id.bytes, event.stream_version)
        nonce = os.urandom(NONCE)
        box = key.seal.encrypt(nonce, text.encode(), head[16:] + field.encode())
        return _packed(head + nonce + box)

    def fingerprint(self, told: bytes) -> bytes:
        """A digest of 32 bytes by which input is known again; keyed, as input holds personal text one could guess."""
        return hashlib.blake2b(told, key=self._fingerprints, digest_size=32).digest()

    def mark(self, event: Event) -> bytes:
        """A digest of an event's personal fields that no one can compute, or guess texts by, without the key."""
        subject = subject_of(event)
        key = self._keys.get(subject) or self.provide([subject])[subject]
        texts = [getattr(event, field) or "" for field in personal_fields(type(event))]
        return hashlib.blake2b("\0".join(texts).encode(), key=key.mark, digest_size=16).digest()

    def open(self, field: str, sealed: str) -> str | None:
        """The clear text of a sealed value of that field; ``None`` when the subject's key was destroyed.

        Raises :class:`VaultError` when the value is no sealed one or was altered or moved.
        """
        return self.open_many([(field, sealed)])[0]

    def open_many(self, values: list[tuple[str, str]]) -> list[str | None]:
        """The clear texts of many sealed values, with one look-up for the keys."""
        raw = [_unpack(sealed) for _, sealed in values]
        return _all_opened(values, raw, self._existing({UUID(bytes=box[:16]) for box in raw}))

    def open_held(self, values: list[tuple[str, str]]) -> list[str | None] | None:
        """The clear texts where all keys are in memory, without a look-up; ``None`` where one is not."""
        raw = [_unpack(sealed) for _, sealed in values]
        subjects = {UUID(bytes=box[:16]) for box in raw}
        held = {subject: key for subject in subjects if (key := self._keys.get(subject))}
        return _all_opened(values, raw, held) if len(held) == len(subjects) else None

    def erased(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Those of the subjects whose key was destroyed, so that nothing can be recorded in their name."""
        with self._pool.connection() as connection:
            return {subject for (subject,) in connection.execute(ERASED, (_json(list(subjects)),))}

    def check(self) -> None:
        """Raise :class:`VaultError` when the master key is not the one that the vault's keys are wrapped with.

        To be asked before anything is sealed: with another master key, what is sealed now could not be opened later
        beside what was sealed before.
        """
        with self._pool.connection() as connection:
            found = connection.execute("SELECT subject_id, wrapped FROM vault.keys WHERE wrapped IS NOT NULL LIMIT 1")
            for subject, wrapped in found:
                self._unwrap(subject, wrapped)

    def provide(self, subjects: Iterable[UUID]) -> dict[UUID, SubjectKey]:
        """The keys of the subjects; makes and keeps those that are missing.

        Raises :class:`VaultError` for a subject whose key was destroyed.
        """
        wanted = set(subjects)
        if unknown := {subject for subject in wanted if subject not in self._keys}:
            fresh = [{"subject_id": subject, "wrapped": self._fresh_key(subject)} for subject in unknown]
            params = {"master": self._master_id, "fresh": _json(fresh), "asked": _json(list(unknown))}
            with self._pool.connection() as connection:
                self._keep(connection.execute(PROVIDE, params))
        # One that another process made at the same moment was not yet to be seen.
        found = self._existing(wanted)
        if gone := wanted - found.keys():
            raise VaultError(f"The subject {min(gone)} was erased; nothing more can be recorded in their name.")
        return found

    def _existing(self, subjects: set[UUID]) -> dict[UUID, SubjectKey]:
        found = {subject: key for subject in subjects if (key := self._keys.get(subject))}
        if unknown := subjects - found.keys():
            with self._pool.connection() as connection:
                found |= self._keep(connection.execute(EXISTING, (_json(list(unknown)),)))
        return found

    def _keep(self, rows: Iterable[tuple[UUID, bytes]]) -> dict[UUID, SubjectKey]:
        keys = {subject: self._unwrap(subject, wrapped) for subject, wrapped in rows}
        if len(self._keys) + len(keys) > KEYS_CACHED_MAX:
            self._keys.clear()
        self._keys.update(keys)
        return keys

    def _fresh_key(self, subject: UUID) -> str:
        """A new key, wrapped, in base64."""
        nonce = os.urandom(NONCE)
        return b64encode(nonce + self._master.encrypt(nonce, AESGCM.generate_key(256), subject.bytes)).decode()

    def _unwrap(self, subject: UUID, wrapped: bytes) -> SubjectKey:
        try:
            raw = self._master.decrypt(wrapped[:NONCE], wrapped[NONCE:], subject.bytes)
        except InvalidTag:
            raise VaultError(
                "The master key is not the one this ledger was sealed with; check DAYBOOK_MASTER_KEY."
            ) from None
        return SubjectKey(AESGCM(raw), hashlib.blake2b(raw, person=b"daybook mark", digest_size=32).digest())


def _json(value: object) -> str:
    """A parameter as JSON: psycopg dumps a long list far slower than PostgreSQL unpacks it."""
    return msgspec.json.encode(value).decode()


def _unpack(sealed: str) -> bytes:
    """The parts of a sealed value, in a row; only the one way of writing them that sealing uses is taken."""
    try:
        box = b64decode(sealed.removeprefix(PREFIX), altchars=b"-_", validate=True)
    except ValueError:
        box = b""
    if len(box) < HEAD.size + NONCE + TAG or sealed != _packed(box):
        raise VaultError("This is not a sealed value.")
    return box


def _packed(box: bytes) -> str:
    return PREFIX + urlsafe_b64encode(box).decode()


def _all_opened(values: list[tuple[str, str]], raw: list[bytes], keys: dict[UUID, SubjectKey]) -> list[str | None]:
    return [_opened(keys.get(UUID(bytes=box[:16])), field, box) for (field, _), box in zip(values, raw, strict=True)]


def _opened(key: SubjectKey | None, field: str, box: bytes) -> str | None:
    if key is None:
        return None
    body = box[HEAD.size :]
    try:
        return key.seal.decrypt(body[:NONCE], body[NONCE:], box[16 : HEAD.size] + field.encode()).decode()
    except InvalidTag:
        raise VaultError(f"A sealed {field} does not open: it was altered or moved.") from None
