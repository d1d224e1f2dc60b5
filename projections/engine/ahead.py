"""Reading ahead: the next entries are read and decoded while those before them are posted."""

from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any

from psycopg import Connection, OperationalError

from domain.event import Event
from ledger.database import DatabaseUnavailable, Duty, connect

from .posting import read

Entries = tuple[list[Event], int]


class Ahead(AbstractContextManager["Ahead"]):
    """Reads as :func:`~.posting.read` does, and one batch further where there is more.

    That goes through a session of its own, which is opened when it is first needed. An entry and its position never
    change, so what was read ahead is what would be read now.
    """

    def __init__(self, url: str) -> None:
        """Read ahead from the ledger at ``url``."""
        self._url = url
        self._hand = ThreadPoolExecutor(1)
        self._connection: Connection[Any] | None = None
        self._next: tuple[int, int, Future[Entries]] | None = None

    def read(self, connection: Connection[Any], after: int, limit: int) -> Entries:
        """The next entries after a position, through ``connection`` where they were not read ahead."""
        entries, last = self._waiting(after, limit) or read(connection, after, limit)
        if last - after == limit:
            self._next = last, limit, self._hand.submit(self._ahead, last, limit)
        return entries, last

    def _waiting(self, after: int, limit: int) -> Entries | None:
        """What was read ahead, if it is what is asked for and could be read."""
        expected, self._next = self._next, None
        if expected is None or expected[:2] != (after, limit):
            return None
        try:
            return expected[2].result()
        except (OperationalError, DatabaseUnavailable):
            # It is only a help; whether the database is there shows in what has to be done anyway.
            return None

    def _ahead(self, after: int, limit: int) -> Entries:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, Duty.PROJECTOR)
        return read(self._connection, after, limit)

    def __exit__(self, *_: object) -> None:
        """Close the session, once nothing is read any more."""
        self._hand.shutdown()
        if self._connection is not None:
            self._connection.close()
