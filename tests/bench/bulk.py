"""Bulk import against a raw binary COPY of the same rows, made ready beforehand."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from uuid import UUID, uuid4

from msgspec.structs import replace
from psycopg import Connection

from domain.event import Event
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction, Interface
from ledger import bulk, canonical, database
from ledger.copying import COLUMNS, END, START, row
from ledger.database import Duty
from ledger.vault import Vault
from tests.bench.measure import Result, alternating, fresh_database, rate
from tests.conftest import MASTER_KEY

ENTRIES = 40_000
CHUNK = 5_000
RUNS = 5
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
numbers = count()


def results(server_url: str) -> Iterator[Result]:
    """Entries entered in bulk a second, imported facts with an identity of their own."""
    with (
        fresh_database(server_url) as url,
        database.connect(url) as admin,
        database.connect(url, Duty.IMPORTER) as connection,
        database.pool(url, Duty.IMPORTER, size=1) as pool,
    ):
        vault = Vault(pool, MASTER_KEY, "bench")
        admin.execute("CREATE TABLE public.bench_copied (LIKE ledger.entries INCLUDING ALL)")

        def ours() -> float:
            events = [_touchpoint() for _ in range(ENTRIES)]
            return rate(ENTRIES, lambda: [bulk.enter(connection, vault, chunk) for chunk in _chunks(events)])

        def theirs() -> float:
            rows = [b"".join(map(_row, chunk)) for chunk in _chunks([_touchpoint() for _ in range(ENTRIES)])]

            def copy() -> None:
                for chunk in rows:
                    _copy(admin, chunk)

            return rate(ENTRIES, copy)

        yield Result("bulk import, one connection", *_named(*alternating(RUNS, ours, theirs)), "aim ≥ 0.5")


def _named(ours: float, theirs: float) -> tuple[float, str, float]:
    return ours, "raw binary COPY of the same rows, same indexes", theirs


def _touchpoint() -> Event:
    number = next(numbers)
    fact = Touchpoint.Recorded(
        channel=Channel.PHONE,
        direction=Direction.INBOUND,
        purpose="delivery date",
        interface=Interface.CUSTOMER_SERVICE,
        agent_id="ann",
        duration_s=240,
    )
    return replace(
        fact,
        stream_id=uuid4(),
        stream_version=1,
        customer_id=UUID(int=number % 5_000 + 1),
        occurred_at=BEGAN + timedelta(seconds=number),
        command_id=uuid4(),
        actor_kind="import",
        actor_id="bench",
        source="bench",
        external_id=str(number),
    )


def _chunks(events: list[Event]) -> Iterator[list[Event]]:
    return (events[start : start + CHUNK] for start in range(0, len(events), CHUNK))


def _row(event: Event) -> bytes:
    number = int(event.external_id or 0)
    return row(event, number + 1, 1, BEGAN, event.command_id, canonical.payload(event), b"x" * 32)


def _copy(connection: Connection[object], rows: bytes) -> None:
    statement = f"COPY public.bench_copied ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
    with connection.cursor().copy(statement) as copy:
        copy.write(START + rows + END)
