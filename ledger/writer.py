"""Group commit: what arrives while a commit is in flight is written together by the next one."""

import threading
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any, NamedTuple
from uuid import UUID

import psycopg
from psycopg import Connection

from . import canonical
from .database import Duty, connect

BATCH_MAX = 256
"""Why: some 15 ms of work; a larger page makes every caller on it wait longer and gains little."""
QUEUE_MAX = 10_000
"""Why: about a second of the fastest writing; beyond it callers are told to come back."""
RETRIES_MAX = 3
"""Why: a lost connection is usually back at once; after that the caller should know."""
COMMIT_BYTES_MAX = 32 * 2**20
"""Why: far above any real command, and far below what PostgreSQL takes in one value."""


class Answer(NamedTuple):
    """What became of a commit: ``accepted``, ``done`` (before), ``key_conflict`` or ``version_conflict``."""

    outcome: str
    stream_id: UUID
    first: int | None
    last: int | None


class Commit(NamedTuple):
    """The entries of one command, to be written all or none."""

    command_id: UUID
    fingerprint: bytes
    stream_id: UUID
    bodies: Sequence[bytes]
    future: Future[Answer]


class WriterBusy(Exception):
    """More commits are waiting than can be written soon."""


class Writer:
    """Writes commits through one connection, many to a transaction, and answers each on its own."""

    def __init__(self, url: str) -> None:
        """Open the connection and start the writing thread."""
        self._url = url
        self._connection: Connection[Any] = connect(url, Duty.API)
        self._waiting: deque[Commit] = deque()
        self._wake = threading.Condition()
        self._closing = False
        self._thread = threading.Thread(target=self._run, name="group commit", daemon=True)
        self._thread.start()

    def write(self, command_id: UUID, fingerprint: bytes, stream_id: UUID, bodies: Sequence[bytes]) -> Answer:
        """Write one command's entries and wait for the answer; thread-safe.

        Raises :class:`WriterBusy` when the queue is full, ``ValueError`` for more than ``COMMIT_BYTES_MAX``.
        """
        if (size := sum(map(len, bodies))) > COMMIT_BYTES_MAX:
            raise ValueError(f"one command may enter {COMMIT_BYTES_MAX} bytes, not {size}; split it")
        commit = Commit(command_id, fingerprint, stream_id, bodies, Future())
        with self._wake:
            if self._closing or len(self._waiting) >= QUEUE_MAX:
                raise WriterBusy("The ledger cannot take more just now; try again in a moment.")
            self._waiting.append(commit)
            self._wake.notify()
        return commit.future.result()

    def close(self) -> None:
        """Write what is waiting, then stop."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while page := self._next_page():
            self._write_page(page)

    def _next_page(self) -> list[Commit]:
        with self._wake:
            while not self._waiting and not self._closing:
                self._wake.wait()
            page: list[Commit] = []
            held: list[Commit] = []
            taken: set[UUID] = set()
            while self._waiting and len(page) < BATCH_MAX:
                commit = self._waiting.popleft()
                # The append function judges each page as a set, so one stream or command id appears once in it.
                if commit.stream_id in taken or commit.command_id in taken:
                    held.append(commit)
                else:
                    taken |= {commit.stream_id, commit.command_id}
                    page.append(commit)
            self._waiting.extendleft(reversed(held))
            return page

    def _write_page(self, page: list[Commit]) -> None:
        try:
            answers = self._append(page)
        except psycopg.Error as error:
            if len(page) == 1:
                page[0].future.set_exception(error)
            else:
                # One commit the database cannot take must not harm its neighbours.
                for commit in page:
                    self._write_page([commit])
            return
        for commit, answer in zip(page, answers, strict=True):
            commit.future.set_result(answer)

    def _append(self, page: list[Commit]) -> list[Answer]:
        asked = b"[" + b",".join(map(_as_json, page)) + b"]"
        for attempt in range(RETRIES_MAX + 1):
            try:
                if self._connection.closed:
                    self._connection = connect(self._url, Duty.API)
                rows = self._connection.execute(
                    "SELECT outcome, stream_id, first_position, last_position FROM ledger.append(%s::json)",
                    (asked.decode(),),
                    prepare=True,
                ).fetchall()
                return [Answer(*row) for row in rows]
            except psycopg.OperationalError:
                # Whether it was committed is unknown; command ids make writing it again harmless.
                self._connection.close()
                if attempt == RETRIES_MAX:
                    raise
            except Exception as error:
                raise psycopg.OperationalError(str(error)) from error
        raise AssertionError("unreachable")


def _as_json(commit: Commit) -> bytes:
    head = canonical.encode(
        {
            "command_id": commit.command_id,
            "fingerprint": commit.fingerprint.hex(),
            "stream_id": commit.stream_id,
        }
    )
    return head[:-1] + b',"entries":[' + b",".join(commit.bodies) + b"]}"
