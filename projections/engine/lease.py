"""The lease: which one projector posts, and when it was last heard of.

There is one row, and all times in it are the database's. Whoever renews the lease in a transaction holds the row's
lock until that transaction ends, so nobody else can take the lease while a batch is being written under it; and whoever
finds the lease taken, having been paused for longer than it lasts, posts nothing.

Only projectors that run on need it. What posts once and ends (``daybook project --once``, ``rebuild``, ``retry``,
``review-tiers``) goes without: it takes turns with the projector, a transaction each, under the lock of the builds in
service, which is what keeps entries from being posted twice.
"""

import os
import socket
import time
from datetime import datetime
from enum import StrEnum
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg import Connection

LEASE_S = 5.0
"""Why: a projector that died is noticed and replaced within seconds, and one that is only slow is not."""
BEAT_S = 1.0
"""Why: several beats may be late before the lease is over, and one write in a second is nothing."""

KEEP = """
    WITH ours AS (
        SELECT single FROM books.lease
         WHERE holder IS NULL OR holder = %(holder)s OR until < clock_timestamp()
           FOR UPDATE SKIP LOCKED)
    UPDATE books.lease
       SET taken_at = CASE WHEN holder = %(holder)s AND until >= clock_timestamp() THEN taken_at
                           ELSE clock_timestamp() END,
           holder = %(holder)s, process = %(process)s, beat_at = clock_timestamp(),
           until = clock_timestamp() + make_interval(secs => %(lasts)s)
      FROM ours WHERE lease.single = ours.single"""
GIVE_BACK = "UPDATE books.lease SET holder = NULL, until = NULL, beat_at = clock_timestamp() WHERE holder = %s"
UNREAD = """
    SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)
     WHERE relation = %s AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
       AND wait_event = 'ClientWrite' AND query_start < clock_timestamp() - make_interval(secs => %s)"""
STANDING = """
    SELECT CASE WHEN holder IS NULL THEN 'stopped' WHEN until < clock_timestamp() THEN 'lost' ELSE 'posting' END
               AS state,
           process, taken_at AS since, beat_at AS last_heard_at,
           extract(epoch FROM clock_timestamp() - beat_at)::float8 AS silent_s
      FROM books.lease"""
"""Where the projector stands, in the order of :class:`Standing`."""


class ProjectorState(StrEnum):
    """What the projector is doing: posting, stopped in order or never started, or lost without a word."""

    POSTING = "posting"
    """It holds the lease and posts what is entered."""
    STOPPED = "stopped"
    """It stopped in order, or none has run yet."""
    LOST = "lost"
    """It went silent without giving the lease back."""


class Standing(NamedTuple):
    """The projector as the lease tells of it."""

    state: ProjectorState
    process: str | None
    """Which process posts, or was the last that did."""
    since: datetime | None
    """When it took the lease."""
    last_heard_at: datetime | None
    silent_s: float | None
    """For how many seconds it has not been heard of."""


def standing(connection: Connection[Any]) -> Standing:
    """Where the projector stands, by the database's clock."""
    row = connection.execute(STANDING).fetchone()
    assert row is not None
    state, *rest = row
    return Standing(ProjectorState(state), *rest)


def end_unread(connection: Connection[Any], hung_s: float) -> bool:
    """End a session that keeps the lease's lock while its process does not read the answer it asked for.

    PostgreSQL ends one that is silent between two statements by itself, but waits for ever for an answer to be taken.
    Gives whether there was one.
    """
    with connection.transaction():
        (table,) = connection.execute("SELECT 'books.lease'::regclass::oid").fetchall()[0]
        # A session may be ended by its own login, not by the role both took.
        connection.execute("SET LOCAL ROLE NONE")
        return connection.execute(UNREAD, (table, hung_s)).rowcount > 0


class Lease:
    """One process's part in the lease, held or not."""

    def __init__(self) -> None:
        """Start without it."""
        self._holder = uuid4()
        self._process = f"process {os.getpid()} on {socket.gethostname()}"
        self._asked_at = float("-inf")
        self.held = False
        """Whether it was ours when it was last asked for."""

    def due(self) -> bool:
        """Whether it is time to renew the lease, or to ask for it again."""
        return time.monotonic() - self._asked_at >= BEAT_S

    def keep(self, connection: Connection[Any]) -> bool:
        """Renew the lease, or take it where it is free or expired; gives whether it is ours.

        In a transaction it stays ours until that ends, however long it takes.
        """
        asked = {"holder": self._holder, "process": self._process, "lasts": LEASE_S}
        self.held = connection.execute(KEEP, asked).rowcount == 1
        self._asked_at = time.monotonic()
        return self.held

    def give_back(self, connection: Connection[Any]) -> None:
        """Let another one post at once, where the lease is ours."""
        connection.execute(GIVE_BACK, (self._holder,))
        self.held = False
