"""Hands: processes, here or elsewhere, that fold parts of a rebuild side by side."""

import os
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Executor, wait
from multiprocessing import connection, parent_process
from threading import Thread
from typing import Any, NamedTuple
from uuid import uuid4

from psycopg import Connection

from ledger.database import connect
from ledger.reading import BLOCK

from .filling import Anew, Told, fill, span
from .parts import Part

LOOK_S = 0.5
"""Why: a bar that moves twice a second is seen to move, and PostgreSQL hardly notices the question."""
READ = (
    "SELECT coalesce(sum(tuples_processed), 0) FROM pg_stat_progress_copy JOIN pg_stat_activity USING (pid)"
    " WHERE application_name = %s AND command = 'COPY TO'"
)


def end_with_parent() -> None:
    """Let this process end when the one that started it is killed; to be its initializer.

    Else it would wait for more work for ever, and keep the tables it writes to locked until it has done what it has.
    """
    parent = parent_process()
    assert parent is not None, "only a process that was started by another has to end with it"

    def follow() -> None:
        connection.wait([parent.sentinel])
        os._exit(1)

    Thread(target=follow, daemon=True).start()


class Hands(NamedTuple):
    """An executor, how many of its processes to use, and where they find the ledger."""

    executor: Executor
    processes: int
    url: str


def fill_side_by_side(hands: Hands, lists: Sequence[Sequence[Part]], more: Told) -> Iterator[Anew]:
    """Fill lists of parts side by side, and tell how many positions they have passed.

    Wherever the processes are, PostgreSQL knows how far they have read.
    """
    name = f"daybook rebuild {uuid4().hex[:12]}"
    # Under the login's own role, which sees what its other sessions do.
    with connect(hands.url) as look:
        running = {hands.executor.submit(fill, hands.url, parts, name): span(parts) for parts in lists}
        passed = told = 0
        try:
            while running:
                done, _ = wait(running, timeout=LOOK_S, return_when=FIRST_COMPLETED)
                for each in done:
                    passed += running.pop(each)
                    yield each.result()
                before, told = told, max(told, passed + _being_read(look, name))
                more(told - before)
        finally:
            for each in running:
                each.cancel()


def _being_read(look: Connection[Any], name: str) -> int:
    row = look.execute(READ, (name,)).fetchone()
    assert row is not None
    return int(row[0]) * BLOCK
