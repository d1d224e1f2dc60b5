"""GraphQL hot pages against hand-written FastAPI routes with one json_agg statement, called in process over ASGI."""

import asyncio
import statistics
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from psycopg_pool import AsyncConnectionPool
from pydantic import SecretStr

from api.auth import issue
from api.server import create_app
from api.settings import Settings
from api.wiring import open_desk
from domain.vocabulary import Role
from ledger import database
from ledger.database import Duty, dsn
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import projector
from tests.bench.measure import Result, fresh_database

CUSTOMERS = 1_000
AT_ONCE = 16
SECONDS = 2.0
RUNS = 5
MASTER_KEY = "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM="

LIST = """{ customers(first: 20) { edges { cursor node {
    id kind country registeredAt touchpoints(first: 5) { edges { node {
        touchpointId occurredAt channel direction purpose durationS } } } } } } }"""
LIST_SQL = """
    SELECT json_agg(c)::text FROM (
        SELECT customer_id, kind, country, registered_at, (
            SELECT json_agg(t) FROM (
                SELECT touchpoint_id, occurred_at, channel, direction, purpose, duration_s FROM books.touchpoints
                 WHERE customer_id = c.customer_id ORDER BY occurred_at DESC, touchpoint_id DESC
                 LIMIT 5) t) AS touchpoints
          FROM books.customer_profile c ORDER BY registered_at DESC, customer_id DESC LIMIT 20) c"""
ONE = "query One($id: UUID!) { customer(id: $id) { id kind country registeredAt reference } }"
ONE_SQL = """
    SELECT row_to_json(c)::text FROM (
        SELECT customer_id, kind, country, registered_at, reference FROM books.customer_profile
         WHERE customer_id = %s) c"""
HISTORY = """query History($id: UUID!) { customerHistory(customerId: $id, first: 20) { edges { cursor node {
    position type occurredAt recordedAt actorKind actorId } } pageInfo { hasNextPage endCursor } } }"""
HISTORY_SQL = """
    SELECT json_agg(h)::text FROM (
        SELECT position, type, occurred_at, recorded_at, actor_kind, actor_id FROM books.customer_history
         WHERE customer_id = %s ORDER BY position DESC LIMIT 20) h"""

BUSY = """
    SELECT customer_id FROM books.customer_history WHERE position <= 100000 AND customer_id IS NOT NULL
     GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT 1"""

Call = Callable[[], Awaitable[bytes]]


def results(server_url: str) -> Iterator[Result]:
    """Answers a second to sixteen callers, and one after the other, for three pages."""
    with fresh_database(server_url) as url:
        with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
            world = World(customers=CUSTOMERS, months=24, seed=1, until=datetime(2026, 7, 1, tzinfo=UTC))
            simulate(connection, Vault(pool, b"a master key for tests, 32 bytes", "bench"), world)
        projector.prepare(url)
        yield from asyncio.run(_measured(url))


async def _measured(url: str) -> list[Result]:
    found = []
    async with callers(url) as pages:
        for name, ours, theirs in pages:
            for at_once in (AT_ONCE, 1):
                pairs = [(await asked(ours, at_once), await asked(theirs, at_once)) for _ in range(RUNS)]
                found.append(
                    Result(
                        f"GraphQL page «{name}», {at_once} at once",
                        statistics.median(pair[0] for pair in pairs),
                        "FastAPI route, one json_agg statement",
                        statistics.median(pair[1] for pair in pairs),
                        "aim ≥ 0.6",
                    )
                )
    return found


@asynccontextmanager
async def callers(url: str) -> AsyncIterator[list[tuple[str, Call, Call]]]:
    """The pages by name, each as GraphQL answers it and as a route of its own does, of a ledger that is served."""
    given: dict[str, Any] = {"DATABASE_URL": url, "home": Path("unused")}
    settings = Settings(**given, master_key=SecretStr(MASTER_KEY), token_secret=SecretStr("x" * 48))
    with open_desk(settings) as desk:
        with desk.pool.connection() as connection:
            row = connection.execute(BUSY).fetchone()
        assert row is not None
        token = issue(settings, subject="bench", role=Role.AGENT, hours=1)
        async with _alive(create_app(desk, settings)) as graphql, _alive(_routes(url)) as routes:
            found = []
            for name, query, key in (("one", ONE, row[0]), ("list", LIST, None), ("history", HISTORY, row[0])):
                body = msgspec.json.encode({"query": query, "variables": {"id": key} if key else {}})
                ours = _caller(graphql, "POST", "/graphql", body, token)
                assert b'"errors"' not in await ours()
                found.append((name, ours, _caller(routes, "GET", f"/{name}/{key}" if key else f"/{name}", b"", token)))
            yield found


def _routes(url: str) -> FastAPI:
    pool = AsyncConnectionPool(dsn(url, Duty.API), min_size=4, max_size=16, open=False, kwargs={"autocommit": True})

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        async with pool:
            yield

    app = FastAPI(lifespan=lifespan)

    async def answer(statement: str, *values: Any) -> Response:
        async with pool.connection() as connection:
            row = await (await connection.execute(statement.encode(), values)).fetchone()
        assert row is not None
        return Response(row[0], media_type="application/json")

    @app.get("/list")
    async def page() -> Response:
        return await answer(LIST_SQL)

    @app.get("/one/{key}")
    async def one(key: str) -> Response:
        return await answer(ONE_SQL, key)

    @app.get("/history/{key}")
    async def history(key: str) -> Response:
        return await answer(HISTORY_SQL, key)

    return app


@asynccontextmanager
async def _alive(app: FastAPI) -> AsyncIterator[FastAPI]:
    async with app.router.lifespan_context(app):
        yield app


def _caller(app: FastAPI, method: str, path: str, body: bytes, token: str) -> Call:
    headers = [(b"content-type", b"application/json"), (b"authorization", f"Bearer {token}".encode())]
    headers.append((b"accept", b"application/json"))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "scheme": "http",
        "server": ("bench", 80), "client": ("bench", 1), "root_path": "",
    }  # fmt: skip

    async def call() -> bytes:
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Any) -> None:
            sent.append(message)

        await app({**scope, "state": {}}, receive, send)
        assert sent[0]["status"] == 200, sent
        return b"".join(message.get("body", b"") for message in sent[1:])

    return call


async def asked(call: Call, at_once: int) -> float:
    """Answers a second to so many callers at once."""
    ends = time.perf_counter() + SECONDS / RUNS
    began, done = time.perf_counter(), 0

    async def again() -> None:
        nonlocal done
        while time.perf_counter() < ends:
            await call()
            done += 1

    await asyncio.gather(*(again() for _ in range(at_once)))
    return done / (time.perf_counter() - began)
