"""The vault: personal text is sealed with the subject's own key, and the key is wrapped by the master key.

A sealed value is ``s1.`` and the base64 of subject (16 bytes), stream (16), version (4), nonce (12) and ciphertext.
The associated data are stream, version and field, so a value moved to another place does not open.
"""

import hashlib
import os
import struct
import threading
import time
from base64 import b64decode, b64encode, urlsafe_b64encode
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.event import Event, personal_fields

from .destroyed import DestroyedKeys, erasures
from .master_key import MasterKey
from .master_key import VaultError as VaultError
from .subjects import subject_of

PREFIX = "s1."
HEAD = struct.Struct(">16s16sI")
NONCE = 12
TAG = 16
TOLD_BY = len(PREFIX) + 24
"""How many characters a sealed value begins with that tell whose it is."""
NOBODY = UUID(int=0)
"""Whose key is the ledger's own, by which input is known again."""
FORGET_S_MAX = 2.0
"""Why: so long may a process that has a key in memory go on using it after it was destroyed; a look that often is one
read of an index, and nobody who asks to be forgotten minds two seconds."""
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


ERASURES = (
    "SELECT position, data -> 'keys' FROM ledger.entries WHERE type = 'Customer.Erased' AND position > %s"
    " ORDER BY position"
)
LAST_ERASURE = "SELECT coalesce(max(position), 0) FROM ledger.entries WHERE type = 'Customer.Erased'"
# Keys are wrapped anew in this order, so where that was cut short these two differ.
FIRST_AND_LAST = """
    (SELECT subject_id, wrapped FROM vault.keys WHERE wrapped IS NOT NULL ORDER BY subject_id LIMIT 1)
     UNION ALL
    (SELECT subject_id, wrapped FROM vault.keys WHERE wrapped IS NOT NULL ORDER BY subject_id DESC LIMIT 1)"""
MAKE_OWN = "INSERT INTO vault.keys (subject_id, wrapped, master_key_id) VALUES (%s, %s, %s) ON CONFLICT DO NOTHING"
DESTROY = (
    "SELECT vault.destroy(position) FROM ledger.entries WHERE position BETWEEN %s AND %s AND type = 'Customer.Erased'"
)


class ErasedError(VaultError):
    """Something personal was to be sealed for a person who was erased."""


class SubjectKey(NamedTuple):
    """A subject's own key, ready for use; both parts are forgotten with it."""

    seal: AESGCM
    mark: bytes
    """Keys the digests of the subject's personal text."""


def subject_in(sealed: str) -> bytes:
    """The 16 bytes of the id of the person a sealed value is about, read from the value itself."""
    return b64decode(sealed[len(PREFIX) : TOLD_BY], altchars=b"-_")[:16]


def is_sealed(text: str) -> bool:
    """Whether a text is written as a sealed value is."""
    try:
        return text.startswith(PREFIX) and bool(_unpack(text))
    except VaultError:
        return False


def subject_of_sealed(sealed: str) -> UUID:
    """Whose key a sealed value was sealed with; raises :class:`VaultError` where it is none."""
    return UUID(bytes=_unpack(sealed)[:16])


class Vault:
    """Seals and opens personal values; keeps the keys it used in memory."""

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        master_key: bytes,
        master_key_id: str,
        *,
        old_master_key: bytes | None = None,
        destroyed: DestroyedKeys | None = None,
    ) -> None:
        """Use ``master_key`` (32 bytes, named ``master_key_id``) to wrap the subjects' keys.

        ``old_master_key`` is the one before it, where keys are still wrapped with that; ``destroyed`` is the list of
        destroyed keys that is kept apart from the database.
        """
        self._pool, self._master = pool, MasterKey(master_key, master_key_id, old_master_key)
        self.destroyed = destroyed
        self.on_forgotten: list[Callable[[], None]] = []
        """Called when keys were forgotten, by whoever keeps text they opened."""
        self._own: bytes | None = None
        self._keys: dict[UUID, SubjectKey] = {}
        self._gone: set[UUID] = set()
        self._seen: int | None = None
        self._looked = -FORGET_S_MAX
        self._lock = threading.Lock()

    def sealed(self, event: Event) -> dict[str, Any]:
        """The payload of an event with its personal fields sealed; a subject's key is made where there is none."""
        data = event.payload()
        for field in personal_fields(type(event)):
            if data[field] is not None:
                data[field] = self._seal(event, field, data[field])
        return data

    def _seal(self, event: Event, field: str, text: str) -> str:
        subject = subject_of(event, field)
        head = HEAD.pack(subject.bytes, event.stream_id.bytes, event.stream_version)
        nonce = os.urandom(NONCE)
        box = self._key(subject).seal.encrypt(nonce, text.encode(), head[16:] + field.encode())
        return _packed(head + nonce + box)

    def _key(self, subject: UUID) -> SubjectKey:
        self.refresh()
        return self._keys.get(subject) or self.provide([subject])[subject]

    def fingerprint(self, told: bytes) -> bytes:
        """A digest of 32 bytes by which input is known again; keyed, as input holds personal text one could guess."""
        return hashlib.blake2b(told, key=self._own or self._own_key(), digest_size=32).digest()

    def _own_key(self) -> bytes:
        """The ledger's own key. It was made of the first master key, and stays when that is changed."""
        first = hashlib.blake2b(self._master.oldest, person=b"fingerprint", digest_size=32).digest()
        with self._pool.connection() as connection:
            connection.execute(MAKE_OWN, (NOBODY, self._master.wrap(NOBODY, first), self._master.id))
            ((subject, wrapped),) = connection.execute(EXISTING, (_json([NOBODY]),)).fetchall()
        self._own = self._master.unwrap(subject, wrapped)
        return self._own

    def mark(self, event: Event) -> bytes:
        """A digest of an event's personal fields that no one can compute, or guess texts by, without the keys."""
        kind = type(event)
        by_subject: dict[UUID, list[str]] = {}
        for field in personal_fields(kind):
            text = getattr(event, field)
            # Whose field it is does not matter where it is empty, and that person may have no key.
            subject = subject_of(event, field if text else None)
            by_subject.setdefault(subject, []).append(text or "")
        marks = [_marked(self._key(subject).mark, texts) for subject, texts in by_subject.items()]
        return marks[0] if len(marks) == 1 else hashlib.blake2b(b"".join(marks), digest_size=16).digest()

    def open(self, field: str, sealed: str) -> str | None:
        """The clear text of a sealed value of that field; ``None`` when the subject's key was destroyed.

        Raises :class:`VaultError` when the value is no sealed one or was altered or moved.
        """
        return self.open_many([(field, sealed)])[0]

    def open_many(self, values: list[tuple[str, str]]) -> list[str | None]:
        """The clear texts of many sealed values, with one look-up for the keys."""
        self.refresh()
        raw = [_unpack(sealed) for _, sealed in values]
        return _all_opened(values, raw, self._existing({UUID(bytes=box[:16]) for box in raw}))

    def open_held(self, values: list[tuple[str, str]]) -> list[str | None] | None:
        """The clear texts where all keys are in memory, without a look-up; ``None`` where one is not.

        Also where it is time to look which keys were destroyed.
        """
        if self._is_due():
            return None
        raw = [_unpack(sealed) for _, sealed in values]
        subjects = {UUID(bytes=box[:16]) for box in raw}
        held = {subject: key for subject in subjects if (key := self._keys.get(subject))}
        return _all_opened(values, raw, held) if len(held) == len(subjects) else None

    def erased(self, subjects: Iterable[UUID]) -> set[UUID]:
        """Those of the subjects whose key was destroyed, so that nothing can be recorded in their name."""
        with self._pool.connection() as connection:
            return {subject for (subject,) in connection.execute(ERASED, (_json(list(subjects)),))}

    def refresh(self, *, at_once: bool = False) -> None:
        """Forget the keys that were destroyed, unless that was looked at within ``FORGET_S_MAX``.

        Whatever was opened or sealed before may have been with them; nothing is afterwards.
        """
        if not (at_once or self._is_due()):
            return
        looked = time.monotonic()
        with self._pool.connection() as connection:
            if self._seen is None:
                # No key was read yet, so only later erasures matter.
                found = connection.execute(LAST_ERASURE).fetchone()
                assert found is not None
                self._seen, self._looked = found[0], looked
                return
            rows = connection.execute(ERASURES, (self._seen,)).fetchall()
        gone = {UUID(key) for _, keys in rows for key in keys}
        self.forget(gone)
        with self._lock:
            self._seen = max([self._seen, *(position for position, _ in rows)])
            self._looked = looked
        if gone:
            for forgotten in self.on_forgotten:
                forgotten()

    def forget(self, subjects: Iterable[UUID]) -> None:
        """Forget keys that were destroyed, and never keep them again."""
        with self._lock:
            for subject in subjects:
                self._gone.add(subject)
                self._keys.pop(subject, None)

    def _is_due(self) -> bool:
        return self._seen is None or time.monotonic() - self._looked >= FORGET_S_MAX

    def destroy(self, connection: Connection[Any], first: int, last: int) -> None:
        """Destroy the keys that the erasures entered from one position to another name.

        To be the last thing done in the transaction that enters them: the list of destroyed keys has them then, and
        once the commit is through, so has the database.
        """
        connection.execute(DESTROY, (first, last))
        if self.destroyed is not None:
            self.destroyed.add(erasures(connection, first, last))

    def check(self) -> None:
        """Raise :class:`VaultError` when the master key is not the one that the vault's keys are wrapped with.

        To be asked before anything is sealed: with another master key, what is sealed now could not be opened later
        beside what was sealed before.
        """
        with self._pool.connection() as connection:
            found = connection.execute(FIRST_AND_LAST)
            for subject, wrapped in found:
                self._master.unwrap(subject, wrapped)

    def provide(self, subjects: Iterable[UUID]) -> dict[UUID, SubjectKey]:
        """The keys of the subjects; makes and keeps those that are missing.

        Raises :class:`VaultError` for a subject whose key was destroyed.
        """
        self.refresh()
        wanted = set(subjects)
        if unknown := {subject for subject in wanted if subject not in self._keys}:
            fresh = [{"subject_id": subject, "wrapped": self._fresh_key(subject)} for subject in unknown]
            params = {"master": self._master.id, "fresh": _json(fresh), "asked": _json(list(unknown))}
            with self._pool.connection() as connection:
                self._keep(connection.execute(PROVIDE, params))
        # One that another process made at the same moment was not yet to be seen.
        found = self._existing(wanted)
        if gone := wanted - found.keys():
            raise ErasedError(f"The subject {min(gone)} was erased; nothing more can be recorded in their name.")
        return found

    def _existing(self, subjects: set[UUID]) -> dict[UUID, SubjectKey]:
        found = {subject: key for subject in subjects if (key := self._keys.get(subject))}
        if unknown := subjects - found.keys():
            with self._pool.connection() as connection:
                found |= self._keep(connection.execute(EXISTING, (_json(list(unknown)),)))
        return found

    def _keep(self, rows: Iterable[tuple[UUID, bytes]]) -> dict[UUID, SubjectKey]:
        keys = {subject: _subject_key(self._master.unwrap(subject, wrapped)) for subject, wrapped in rows}
        with self._lock:
            # One that was destroyed while it was read must not come to be kept.
            keys = {subject: key for subject, key in keys.items() if subject not in self._gone}
            if len(self._keys) + len(keys) > KEYS_CACHED_MAX:
                self._keys.clear()
            self._keys.update(keys)
        return keys

    def _fresh_key(self, subject: UUID) -> str:
        """A new key, wrapped, in base64."""
        return b64encode(self._master.wrap(subject, AESGCM.generate_key(256))).decode()


def _subject_key(raw: bytes) -> SubjectKey:
    return SubjectKey(AESGCM(raw), hashlib.blake2b(raw, person=b"daybook mark", digest_size=32).digest())


def _marked(key: bytes, texts: list[str]) -> bytes:
    return hashlib.blake2b("\0".join(texts).encode(), key=key, digest_size=16).digest()


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
