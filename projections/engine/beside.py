"""A second session of whoever posts or builds: PostgreSQL does something else by it while the first one works."""

import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from functools import partial
from typing import Any, Self, TypeVar

from psycopg import Connection, OperationalError

from domain.event import Event
from ledger.database import another

T = TypeVar("T")
Entries = tuple[list[Event], int]
"""Entries, and the position they lead to."""
Asked = tuple[int, int]
"""After which position, and how many positions at most."""
CANCEL_AGAIN_S = 0.1
"""Why: what is told to end between two of its statements goes on with the next."""
LOCK_S = 5.0
"""Why: what waits for a lock may wait for the first session, which waits for this one; PostgreSQL cannot know that."""


class Beside(AbstractContextManager["Beside"]):
    """Does one thing after the other through a session of its own, which is opened when it is first needed.

    A session that is lost fails what was to be done by it, and is opened again for what comes then.
    """

    def __init__(self, opened: Callable[[], Connection[Any]]) -> None:
        """Work through the session that is ``opened``."""
        self._open = opened
        self._hand = ThreadPoolExecutor(1)
        self._connection: Connection[Any] | None = None
        self._doing: set[Future[Any]] = set()
        self._prepared: tuple[Asked, Future[Entries]] | None = None

    @classmethod
    def like(cls, connection: Connection[Any]) -> Self:
        """Work through a session like that of a connection."""
        return cls(partial(another, connection))

    def do(self, work: Callable[[Connection[Any]], T]) -> Future[T]:
        """Do some work as soon as all before it is done."""
        done = self._hand.submit(lambda: work(self._opened()))
        self._doing.add(done)
        # What was done holds what it gave, which may be much.
        done.add_done_callback(self._doing.discard)
        return done

    def prepare(self, asked: Asked, read: Callable[[Connection[Any], int, int], Entries]) -> None:
        """Read entries that will be asked for next; they and their positions never change."""
        self._prepared = asked, self.do(lambda connection: read(connection, *asked))

    def taken(self, asked: Asked) -> Entries | None:
        """The entries that were prepared, if they are those that are asked for, and there were any by then."""
        prepared, self._prepared = self._prepared, None
        if prepared is None or prepared[0] != asked:
            return None
        entries, last = prepared[1].result()
        return (entries, last) if last > asked[0] else None

    def _opened(self) -> Connection[Any]:
        if self._connection is None or self._connection.closed:
            self._connection = self._open()
            self._connection.execute(f"SET lock_timeout = '{LOCK_S}s'")
        return self._connection

    def __exit__(self, failure: type[BaseException] | None, *_: object) -> None:
        """Close the session once all is done; where the block failed, what is being done is ended."""
        self._hand.shutdown(wait=False, cancel_futures=failure is not None)
        while failure and self._doing:
            if self._connection is not None:
                # Where the server cannot be told, what waits for it fails as well, and the failure is to be seen.
                with suppress(OperationalError):
                    self._connection.cancel_safe()
            time.sleep(CANCEL_AGAIN_S)
        self._hand.shutdown()
        if self._connection is not None:
            self._connection.close()
