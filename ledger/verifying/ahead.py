"""Reading ahead: rows are hashed in processes of their own, all of which see the one moment that is verified."""

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

from psycopg import Connection, sql

from ..database import Duty, connect
from .rows import Block, blocks


class Readers(NamedTuple):
    """Who reads and hashes rows: an executor of so many processes, which reach the database at ``url``."""

    executor: Executor
    processes: int
    url: str


def pieces(
    connection: Connection[Any], spans: Iterable[tuple[int, int]], readers: Readers | None
) -> Iterator[list[Block]]:
    """The blocks of each span of positions, in order, from its first position to its last."""
    if readers is None:
        for first, last in spans:
            # All of them at once: while rows are streaming, the connection answers nothing else.
            yield list(blocks(connection, first, last))
        return
    row = connection.execute("SELECT pg_export_snapshot()").fetchone()
    assert row is not None
    waiting: deque[Future[list[Block]]] = deque()
    for first, last in spans:
        waiting.append(readers.executor.submit(_read, readers.url, row[0], first, last))
        # One more than there are processes, so that none waits for us.
        if len(waiting) > readers.processes:
            yield waiting.popleft().result()
    while waiting:
        yield waiting.popleft().result()


def _read(url: str, snapshot: str, first: int, last: int) -> list[Block]:
    with connect(url, Duty.AUDITOR) as connection, connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        connection.execute(sql.SQL("SET TRANSACTION SNAPSHOT {}").format(snapshot))
        return list(blocks(connection, first, last))
