"""Append, 32 concurrent commands, against 32 connections that insert the same row and commit: no lock, no order."""

import hashlib
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import psycopg
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction, Interface
from ledger import canonical, database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.vault import Vault
from ledger.writer import Writer
from tests.bench.measure import Result, alternating, fresh_database, rate
from tests.conftest import MASTER_KEY, acting

WRITERS = 32
EACH = 150
RUNS = 5
WHOLE = "append, 32 writers, whole commands"
FACT = {
    "channel": "phone",
    "direction": "inbound",
    "purpose": "delivery date",
    "interface": "customer_service",
    "agent_id": "ann",
    "duration_s": 240,
}
INSERT = """
    INSERT INTO public.bench_rows (position, stream_id, stream_version, type, schema, customer_id, occurred_at,
        recorded_at, actor_kind, actor_id, actor_role, command_id, data, leaf)
    VALUES (nextval('public.bench_positions'), %s, 1, 'Touchpoint.Recorded', 1, %s, %s, now(),
        'employee', 'ann', 'agent', %s, %s, %s)"""


def results(server_url: str) -> Iterator[Result]:
    """Entries appended a second: events through the library's store, and whole commands."""
    with fresh_database(server_url) as url, database.pool(url, Duty.API) as pool:
        with database.connect(url) as admin:
            admin.execute(
                "CREATE TABLE public.bench_rows (LIKE ledger.entries INCLUDING ALL);"
                " CREATE SEQUENCE public.bench_positions"
            )
        with writing(url, pool) as (customer, works):
            for name, work in works.items():
                ours, theirs = alternating(RUNS, partial(written, work), partial(_raw, url, customer))
                yield Result(name, ours, "psycopg, 32 connections, INSERT and commit", theirs, "aim ≥ 1.5")


@contextmanager
def writing(url: str, pool: ConnectionPool[Any]) -> Iterator[tuple[UUID, Mapping[str, Callable[[], object]]]]:
    """A customer, and ways to append an entry of theirs, by name."""
    ledger = Ledger(pool, Writer(url), Vault(pool, MASTER_KEY, "bench"))
    customer = ledger.execute("register_customer", {"name": "Ada"}, acting()).stream_id
    given = FACT | {"customer_id": customer}
    yield (
        customer,
        {
            "append, 32 writers, events decided and put": partial(_put, ledger, customer),
            WHOLE: lambda: ledger.execute("record_touchpoint", given, acting()),
        },
    )
    ledger.close()


def written(work: Callable[[], object]) -> float:
    """Appends a second by all writers at once."""
    return _run([work] * WRITERS)


def _put(ledger: Ledger, customer: UUID) -> None:
    context = acting()
    fact = Touchpoint.Recorded(
        channel=Channel.PHONE,
        direction=Direction.INBOUND,
        purpose="delivery date",
        interface=Interface.CUSTOMER_SERVICE,
        agent_id="ann",
        duration_s=240,
    )
    known = Customer.unwritten(customer)
    touchpoint = Touchpoint.record(context, uuid4(), known, None, fact)
    answer = ledger.write(touchpoint, hashlib.sha256(context.command_id.bytes).digest())
    assert answer.outcome == "accepted"


def _raw(url: str, customer: UUID) -> float:
    data = canonical.encode(FACT | {"automated": False, "summary": None}).decode()
    connections = [database.connect(url) for _ in range(WRITERS)]

    def insert(connection: psycopg.Connection[object]) -> None:
        values = (uuid4(), customer, datetime.now(UTC), uuid4(), data, b"x" * 32)
        connection.execute(INSERT, values, prepare=True)

    try:
        return _run([partial(insert, connection) for connection in connections])
    finally:
        for connection in connections:
            connection.close()


def _run(works: list[Callable[[], object]]) -> float:
    def many(work: Callable[[], object]) -> None:
        for _ in range(EACH):
            work()

    threads = [threading.Thread(target=many, args=(work,)) for work in works]

    def run() -> None:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    return rate(WRITERS * EACH, run)
