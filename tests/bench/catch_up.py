"""Live catch-up of all read models against the eventsourcing library's ProjectionRunner with one upsert an event."""

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from statistics import median
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import Connection, conninfo, sql

from ledger import database
from ledger.database import Duty
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, posting, projector
from projections.engine.beside import Beside
from projections.engine.model import models
from tests.bench.measure import Result, fresh_database, rate
from tests.conftest import MASTER_KEY

CUSTOMERS = 1_000
RUNS = 3
LIBRARY_EVENTS = 3_000


class Note(Aggregate):
    """The least aggregate: one event, of the size of a touchpoint."""

    class Recorded(Aggregate.Created):
        channel: str
        purpose: str
        summary: str

    @event(Recorded)
    def __init__(self, channel: str, purpose: str, summary: str) -> None:
        self.channel, self.purpose, self.summary = channel, purpose, summary


class Notes(Application[Any]):
    """The library's application over the library's own recorder."""


class View(PostgresTrackingRecorder):
    """One row an event, upserted with the tracking in one transaction, as the library's examples do."""

    def create_table(self) -> None:
        super().create_table()
        with self.datastore.transaction(commit=True) as cursor:
            cursor.execute("CREATE TABLE IF NOT EXISTS notes (id uuid PRIMARY KEY, channel text, purpose text, n int)")

    def upsert(self, note: Any, tracking: Tracking) -> None:
        with self.datastore.transaction(commit=True) as cursor:
            self._insert_tracking(cursor, tracking)
            cursor.execute(
                "INSERT INTO notes VALUES (%s, %s, %s, 1) ON CONFLICT (id) DO UPDATE SET n = notes.n + 1",
                (note.originator_id, note.channel, note.purpose),
            )


class Board(Projection[View]):
    """Folds the notes."""

    name = "board"

    @singledispatchmethod
    def process_event(self, _: Any, tracking: Tracking) -> None:
        pass

    @process_event.register
    def recorded(self, note: Note.Recorded, tracking: Tracking) -> None:
        self.view.upsert(note, tracking)


def results(server_url: str) -> Iterator[Result]:
    """Entries posted a second, to every read model at once."""
    entries, ours, written = _ours(server_url)
    work = f"live catch-up, {len(models())} read models, {entries} entries"
    yield Result(work, ours, "eventsourcing ProjectionRunner, one upsert an event", _theirs(server_url), "aim ≥ 50")
    yield Result(work, ours, "COPY of the same rows into the same indexes alone", written, "")


def _ours(server_url: str) -> tuple[int, float, float]:
    """How many entries there are, how many of them are posted a second, and how fast their rows are written alone."""
    runs = [_run(server_url) for _ in range(RUNS)]
    (entries, *_), *_ = runs
    return entries, median(posted for _, posted, _ in runs), median(written for _, _, written in runs)


def _run(server_url: str) -> tuple[int, float, float]:
    with fresh_database(server_url) as url:
        projector.prepare(url)
        with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
            world = World(customers=CUSTOMERS, months=24, seed=1, until=datetime(2026, 7, 1, tzinfo=UTC))
            entries = simulate(connection, Vault(pool, MASTER_KEY, "bench"), world).entries
        with database.connect(url, Duty.PROJECTOR) as connection, Beside.like(connection) as beside:

            def drain() -> None:
                while posting.catch_up(connection, beside=beside):
                    pass

            posted = rate(entries, drain)
            return entries, posted, rate(entries, _written_again(connection, -(-entries // posting.BATCH_MAX)))


def _written_again(connection: Connection[Any], lots: int) -> Callable[[], None]:
    """Copies the rows that stand, in so many transactions, into tables like theirs."""
    shares: list[tuple[sql.Identifier, list[bytes]]] = []
    for build in builds.serving(connection).values():
        source, target = (sql.Identifier("books", f"{prefix}{build.table}") for prefix in ("", "again_"))
        connection.execute(sql.SQL("CREATE TABLE {} (LIKE {} INCLUDING ALL)").format(target, source))
        with connection.cursor() as cursor, cursor.copy(sql.SQL("COPY {} TO STDOUT").format(source)) as copy:
            rows = [bytes(row) for row in copy]
        size = -(-len(rows) // lots) or 1
        shares.append((target, [b"".join(rows[size * n : size * (n + 1)]) for n in range(lots)]))

    def write() -> None:
        for n in range(lots):
            with connection.transaction(), connection.cursor() as cursor:
                for target, lot in shares:
                    with cursor.copy(sql.SQL("COPY {} FROM STDIN").format(target)) as copy:
                        copy.write(lot[n])

    return write


def _theirs(server_url: str) -> float:
    with fresh_database(server_url) as url:
        parts = conninfo.conninfo_to_dict(url)
        env = {
            "PERSISTENCE_MODULE": "eventsourcing.postgres",
            "POSTGRES_DBNAME": str(parts["dbname"]),
            "POSTGRES_HOST": str(parts["host"]),
            "POSTGRES_PORT": str(parts.get("port", 5432)),
            "POSTGRES_USER": str(parts["user"]),
            "POSTGRES_PASSWORD": str(parts.get("password", "unused")),
        }
        with patch.dict(os.environ, env):
            application = Notes()
            for _ in range(LIBRARY_EVENTS):
                application.save(Note(channel="phone", purpose="delivery date", summary=str(uuid4())))
            last = application.recorder.max_notification_id()
            with ProjectionRunner(application_class=Notes, projection_class=Board, view_class=View) as runner:

                def drain() -> None:
                    runner.wait(last, timeout=60)

                measured = rate(LIBRARY_EVENTS, drain)
            application.close()
        return measured
