"""Reading the books for one request after another: a pool of connections in the event loop, bounded in every way."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import psycopg
from psycopg import AsyncConnection
from psycopg_pool import AsyncConnectionPool, PoolTimeout

from domain.rule import Rule
from ledger import database
from ledger.database import Duty

READERS_MAX = 24
"""Why: to wait for a connection costs a request more than to have PostgreSQL share its cores among a few more."""
READ_S_MAX = 10
"""Why: no page takes longer unless something is wrong, and a caller waits no longer anyway."""
WAIT_S_MAX = 5.0
"""Why: a projector that is well is behind by less than a second; longer waits only pile up callers."""
POLL_S = 0.02
"""Why: a reader that waits sees the new position in a blink, for fifty cheap reads a second."""

STALE = Rule("STALE", "The ledger or its books stand at {position}, not yet at {wanted}; ask again in a moment.")

STANDING = (
    "SELECT coalesce(min(coalesce(b.position, 0)), 0) FROM json_array_elements_text(%s::json) AS asked (model)"
    " LEFT JOIN books.builds b ON b.model = asked.model AND b.state = 'serving'"
)
HEAD = "SELECT position FROM ledger.head"

Connections = AsyncConnectionPool[AsyncConnection[Any]]
decode = msgspec.json.Decoder().decode


class Reader:
    """Reads for all requests of this process."""

    def __init__(self, connections: Connections) -> None:
        """Read through ``connections``."""
        self._connections = connections

    async def value(self, statement: str, parameters: Mapping[str, Any] | Iterable[Any] = ()) -> Any:
        """The one value a statement gives; asks a second time when a connection turns out to be lost."""
        try:
            return await self._value(statement, parameters)
        except psycopg.OperationalError as error:
            spoke = error.sqlstate is not None and not isinstance(error, psycopg.errors.AdminShutdown)
            if spoke or isinstance(error, PoolTimeout):
                raise
            # The server went away and came back: every idle connection may be lost.
            await self._connections.check()
            return await self._value(statement, parameters)

    async def json(self, statement: str, parameters: Mapping[str, Any]) -> Any:
        """The JSON value a statement gives as text, decoded; ``None`` where it gives no row."""
        text = await self.value(statement, parameters)
        return None if text is None else decode(text)

    async def wait(self, models: Iterable[str], wanted: int | None, wait_s: float | None = None) -> None:
        """Wait until the builds in service of all ``models`` stand at a position; refuses ``STALE`` after a while.

        Without models it is the ledger itself that is waited for.
        """
        if wanted is None:
            return
        statement, parameters = _standing(list(models))
        deadline = time.monotonic() + (WAIT_S_MAX if wait_s is None else wait_s)
        while (position := await self.value(statement, parameters)) < wanted:
            STALE.refuse_if(time.monotonic() > deadline, position=position, wanted=wanted)
            await asyncio.sleep(POLL_S)

    async def _value(self, statement: str, parameters: Any) -> Any:
        async with self._connections.connection() as connection:
            cursor = await connection.execute(statement.encode(), parameters)
            row = await cursor.fetchone()
        return row[0] if row else None


def _standing(models: list[str]) -> tuple[str, tuple[str, ...]]:
    return (STANDING, (msgspec.json.encode(models).decode(),)) if models else (HEAD, ())


@asynccontextmanager
async def reader(url: str) -> AsyncIterator[Reader]:
    """A reader under the API's duty, until the block ends."""
    connections: Connections = AsyncConnectionPool(
        database.dsn(url, Duty.API),
        min_size=1,
        max_size=READERS_MAX,
        timeout=database.WAIT_S,
        kwargs={"autocommit": True},
        configure=_configure,
        open=False,
    )
    async with connections:
        yield Reader(connections)


async def _configure(connection: AsyncConnection[Any]) -> None:
    await connection.execute(f"SET statement_timeout = '{READ_S_MAX}s'")
    await connection.execute("SET default_transaction_read_only = on")
    # A page is a handful of index reads; compiling it would take longer than running it.
    await connection.execute("SET jit = off")
