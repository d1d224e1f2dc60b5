"""Live catch-up of all read models against the eventsourcing library's ProjectionRunner with one upsert an event."""

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import uuid4

from eventsourcing.application import Application
from eventsourcing.dispatch import singledispatchmethod
from eventsourcing.domain import Aggregate, event
from eventsourcing.persistence import Tracking
from eventsourcing.postgres import PostgresTrackingRecorder
from eventsourcing.projection import Projection, ProjectionRunner
from psycopg import conninfo

from ledger import database
from ledger.database import Duty
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import posting, projector
from projections.engine.beside import Beside
from tests.bench.measure import Result, fresh_database, rate
from tests.conftest import MASTER_KEY

CUSTOMERS = 1_000
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
    entries, ours = _ours(server_url)
    theirs = _theirs(server_url)
    yield Result(
        f"live catch-up, {len(projector.models())} read models, {entries} entries",
        ours,
        "eventsourcing ProjectionRunner, one upsert an event",
        theirs,
        "aim ≥ 50",
    )


def _ours(server_url: str) -> tuple[int, float]:
    with fresh_database(server_url) as url:
        projector.prepare(url)
        with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
            world = World(customers=CUSTOMERS, months=24, seed=1, until=datetime(2026, 7, 1, tzinfo=UTC))
            entries = simulate(connection, Vault(pool, MASTER_KEY, "bench"), world).entries
        with (
            database.connect(url, Duty.PROJECTOR) as connection,
            Beside.like(connection) as beside,
        ):

            def drain() -> None:
                while posting.catch_up(connection, beside=beside):
                    pass

            return entries, rate(entries, drain)


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
