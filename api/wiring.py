"""The one place where the parts are put together."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg_pool import ConnectionPool

from ledger import database, migrate
from ledger.application import Ledger
from ledger.database import Duty
from ledger.looks import ENTERED_EVERY_S, Looks
from ledger.vault import Vault
from ledger.writer import Writer

from .settings import Settings


def ready_url(settings: Settings) -> str:
    """The database's URL, once its shape was checked."""
    url = settings.url()
    with database.connect(url) as connection:
        migrate.check(connection)
    return url


class Desk(NamedTuple):
    """What a process that takes commands and answers questions works with."""

    url: str
    pool: ConnectionPool[Connection[Any]]
    vault: Vault
    ledger: Ledger
    looks: Looks


@contextmanager
def open_desk(settings: Settings, looks_every_s: float | None = ENTERED_EVERY_S) -> Iterator[Desk]:
    """Connect under the API's duty, check the database's shape, and close in order afterwards."""
    url = ready_url(settings)
    with database.pool(url, Duty.API) as pool:
        vault = _vault(settings, pool)
        ledger = Ledger(pool, Writer(url), vault)
        looks = Looks(ledger.enter_all, lambda: datetime.now(UTC), looks_every_s)
        try:
            yield Desk(url, pool, vault, ledger, looks)
        finally:
            try:
                looks.close()
            finally:
                ledger.close()


class Intake(NamedTuple):
    """What a process that enters facts in bulk works with."""

    connection: Connection[Any]
    vault: Vault


@contextmanager
def open_intake(settings: Settings) -> Iterator[Intake]:
    """Connect under the importer's duty after checking the database's shape."""
    url = ready_url(settings)
    with database.pool(url, Duty.IMPORTER, size=2) as pool, database.connect(url, Duty.IMPORTER) as connection:
        yield Intake(connection, _vault(settings, pool))


def _vault(settings: Settings, pool: ConnectionPool[Connection[Any]]) -> Vault:
    vault = Vault(pool, settings.master_key_bytes(), settings.master_key_id)
    vault.check()
    return vault
