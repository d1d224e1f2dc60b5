"""A second session of whoever posts: what is needed next is read by it while the first one writes."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from typing import Any, TypeVar

from psycopg import Connection

from domain.event import Event
from ledger.database import Duty, connect

T = TypeVar("T")
Entries = tuple[list[Event], int]
"""Entries, and the position they lead to."""
Asked = tuple[int, int]
"""After which position, and how many positions at most."""


class Beside(AbstractContextManager["Beside"]):
    """Does one thing after the other through a session of its own, which is opened when it is first needed.

    A session that is lost fails what was to be done by it, and is opened again for what comes then.
    """

    def __init__(self, url: str) -> None:
        """Read from the ledger and the books at ``url``."""
        self._url = url
        self._hand = ThreadPoolExecutor(1)
        self._connection: Connection[Any] | None = None
        self._prepared: tuple[Asked, Future[Entries]] | None = None

    def do(self, work: Callable[[Connection[Any]], T]) -> Future[T]:
        """Do some work as soon as all before it is done."""
        return self._hand.submit(lambda: work(self._opened()))

    def prepare(self, asked: Asked, read: Callable[[Connection[Any], int, int], Entries]) -> None:
        """Read entries that will be asked for next; they and their positions never change."""
        self._prepared = asked, self.do(lambda connection: read(connection, *asked))

    def taken(self, asked: Asked) -> Entries | None:
        """The entries that were prepared, if they are those that are asked for."""
        prepared, self._prepared = self._prepared, None
        return prepared[1].result() if prepared and prepared[0] == asked else None

    def _opened(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = connect(self._url, Duty.PROJECTOR)
        return self._connection

    def __exit__(self, *_: object) -> None:
        """Close the session, once nothing is done any more."""
        self._hand.shutdown()
        if self._connection is not None:
            self._connection.close()
