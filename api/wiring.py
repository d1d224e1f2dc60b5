"""The one place where the parts are put together."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from psycopg import Connection
from psycopg_pool import ConnectionPool

from ledger import database, forgetting, migrate
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.looks import ENTERED_EVERY_S, Looks
from ledger.notes import Signing
from ledger.vault import Vault
from ledger.writer import Writer

from .sealing import receipt_signers
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
    signers: Sequence[Signing]
    """Who signs what the ledger attests, such as that a person was erased."""
    looks: Looks


@contextmanager
def open_desk(settings: Settings, looks_every_s: float | None = ENTERED_EVERY_S) -> Iterator[Desk]:
    """Connect under the API's duty, check the database's shape, and close in order afterwards."""
    url = ready_url(settings)
    with database.pool(url, Duty.API) as pool:
        vault = _vault(settings, pool, url)
        ledger = Ledger(pool, Writer(url), vault)
        looks = Looks(ledger.enter_all, lambda: datetime.now(UTC), looks_every_s)
        try:
            with forgetting.watching(url, vault):
                yield Desk(url, pool, vault, ledger, receipt_signers(settings), looks)
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
        yield Intake(connection, _vault(settings, pool, url))


def _vault(settings: Settings, pool: ConnectionPool[Connection[Any]], url: str) -> Vault:
    """The vault, once no key is in it that was destroyed before and came back with a backup."""
    vault = Vault(
        pool,
        settings.master_key_bytes(),
        settings.master_key_id,
        old_master_key=settings.old_master_key_bytes(),
        destroyed=DestroyedKeys(settings.destroyed_keys or settings.home / "destroyed-keys"),
    )
    vault.check()
    forgetting.enforce(url, vault)
    return vault
