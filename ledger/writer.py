"""Group commit: what arrives while a commit is in flight is written together by the next one."""

import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from queue import Empty, SimpleQueue
from types import MappingProxyType
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from . import canonical
from .database import DatabaseUnavailable, Duty, connect

BATCH_MAX = 256
"""Why: some 15 ms of work; a larger page makes every caller on it wait longer and gains little."""
BATCH_BYTES_MAX = 64 * 2**20
"""Why: PostgreSQL takes no parameter above a gigabyte, and a page is held in memory several times over."""
QUEUE_MAX = 10_000
"""Why: about a second of the fastest writing; beyond it callers are told to come back."""
RETRIES_MAX = 3
"""Why: a lost connection is usually back at once; after that the caller should know."""
RETRY_AFTER_S = 0.1
"""Why: PostgreSQL ends every session when one of its processes crashes, and is back within a second; this wait is
doubled at each retry."""
COMMIT_BYTES_MAX = 32 * 2**20
"""Why: far above any real command, and far below what PostgreSQL takes in one value."""

WENT_AWAY = "The database went away while writing; give the command again under the same key."
APPEND = "SELECT outcome, first_position, last_position FROM ledger.append(%s::json, %b, %s::json)"


class Answer(NamedTuple):
    """What became of a commit: ``accepted``, ``done`` (before), ``key_conflict`` or ``version_conflict``."""

    outcome: str
    first: int | None
    last: int | None


class Commit(NamedTuple):
    """The entries of one command, to be written all or none."""

    command_id: UUID
    fingerprint: bytes
    stream_id: UUID
    bodies: Sequence[bytes]
    basis: Mapping[UUID, int]
    size: int
    reply: SimpleQueue[Answer | Exception]
    """Where the caller waits; cheaper than a future, which makes and wakes a condition for each command."""

    @classmethod
    def of(
        cls,
        command_id: UUID,
        fingerprint: bytes,
        stream_id: UUID,
        bodies: Sequence[bytes],
        basis: Mapping[UUID, int],
    ) -> "Commit":
        """A commit to be answered; raises :class:`TooLarge` for more than ``COMMIT_BYTES_MAX``."""
        if (size := sum(map(len, bodies))) > COMMIT_BYTES_MAX:
            raise TooLarge(f"One command may enter {COMMIT_BYTES_MAX} bytes, not {size}; split it.")
        return cls(command_id, fingerprint, stream_id, bodies, basis, size, SimpleQueue())


class TooLarge(Exception):
    """One command would enter more than is written at once."""


class WriterBusy(Exception):
    """More commands are waiting than can be written soon, or the ledger is being closed."""


class WriteFailed(DatabaseUnavailable):
    """The database went away; whether the command was written is unknown, and giving it again is harmless."""


class Writer:
    """Writes commits through one connection, many to a transaction, and answers each on its own."""

    def __init__(self, url: str) -> None:
        """Open the connection and start the writing thread."""
        self._url = url
        self._connection: Connection[Any] = connect(url, Duty.API)
        self._arriving: SimpleQueue[Commit | None] = SimpleQueue()
        self._held: deque[Commit] = deque()
        self._closing = False
        self._door = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="group commit", daemon=True)
        self._thread.start()

    def write(
        self,
        command_id: UUID,
        fingerprint: bytes,
        stream_id: UUID,
        bodies: Sequence[bytes],
        basis: Mapping[UUID, int] = MappingProxyType({}),
    ) -> Answer:
        """Write one command's entries and wait for the answer; thread-safe.

        Each body carries the command's id, the first one is of the stream; the fingerprint has 32 bytes. The other
        streams in ``basis`` must stand at those versions, or it is a version conflict. Raises
        :class:`WriterBusy` when the queue is full, :class:`TooLarge` for more than ``COMMIT_BYTES_MAX``,
        :class:`WriteFailed` when the database went away, and ``psycopg.Error`` when it refuses the entries.
        """
        return self.enter(Commit.of(command_id, fingerprint, stream_id, bodies, basis))

    def enter(self, commit: Commit) -> Answer:
        """Write a commit as :meth:`write` does."""
        # Without the lock a commit could slip in behind the word to close, and never be answered.
        with self._door:
            if self._closing or self._arriving.qsize() >= QUEUE_MAX:
                raise WriterBusy("The ledger cannot take more just now; try again in a moment.")
            self._arriving.put(commit)
        answer = commit.reply.get()
        if isinstance(answer, Exception):
            raise answer
        return answer

    def close(self) -> None:
        """Write what is waiting, then stop; a second call does nothing."""
        with self._door:
            if not self._closing:
                self._closing = True
                self._arriving.put(None)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while page := self._next_page():
            try:
                self._write_page(page)
            except Exception as error:  # noqa: BLE001  (whatever it is, no caller may wait for ever)
                for commit in page:
                    commit.reply.put(error)

    def _next_page(self) -> list[Commit]:
        """The next commits to write together, at most one for a stream; empty when all is written and closed."""
        page: list[Commit] = []
        held: deque[Commit] = deque()
        taken: set[UUID] = set()
        size = 0
        while len(page) < BATCH_MAX and len(held) < BATCH_MAX and size < BATCH_BYTES_MAX:
            commit = self._next(wait=not page and not held)
            if commit is None:
                break
            # The append function takes one command for a stream in a call, and each command once; what a commit is
            # based on it looks up as it stood before the call.
            if commit.stream_id in taken or commit.command_id in taken or not taken.isdisjoint(commit.basis):
                held.append(commit)
            else:
                taken |= {commit.stream_id, commit.command_id}
                page.append(commit)
                size += commit.size
        self._held.extendleft(reversed(held))
        return page

    def _next(self, wait: bool) -> Commit | None:
        if self._held:
            return self._held.popleft()
        try:
            commit = self._arriving.get(block=wait)
        except Empty:
            return None
        if commit is None:
            # Kept for the next look: what came before the word to close is written first.
            self._arriving.put(None)
        return commit

    def _write_page(self, page: list[Commit]) -> None:
        try:
            answers = self._append(page)
        except psycopg.Error as error:
            if len(page) == 1:
                page[0].reply.put(error)
                return
            # One commit the database cannot take must not harm its neighbours.
            for commit in page:
                self._write_page([commit])
        else:
            for commit, answer in zip(page, answers, strict=True):
                commit.reply.put(answer)

    def _append(self, page: list[Commit]) -> list[Answer]:
        for attempt in range(RETRIES_MAX + 1):
            try:
                if self._connection.closed:
                    self._connection = connect(self._url, Duty.API)
                return append(self._connection, page)
            except (psycopg.OperationalError, DatabaseUnavailable):
                if not self._connection.closed:
                    raise
                # Whether it was committed is unknown; command ids make writing it again harmless.
                time.sleep(RETRY_AFTER_S * 2**attempt)
        raise WriteFailed(WENT_AWAY)


def append(connection: Connection[Any], page: Sequence[Commit]) -> list[Answer]:
    """Write commits in one statement, at most one of them for a stream; gives the answers in their order."""
    entries = b"[" + b",".join([body for commit in page for body in commit.bodies]) + b"]"
    fingerprints = b"".join([commit.fingerprint * len(commit.bodies) for commit in page])
    basis = [
        {"command_id": commit.command_id, "stream_id": stream_id, "stream_version": version}
        for commit in page
        for stream_id, version in commit.basis.items()
    ]
    asked = (entries.decode(), fingerprints, canonical.encode(basis).decode())
    return [Answer(*row) for row in connection.execute(APPEND, asked, prepare=True).fetchall()]
