"""One ledger for a module whose tests do not mind one another: a database costs more than all that is done in it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.vault import Vault
from ledger.writer import Writer
from tests.conftest import MASTER_KEY, acting
from tests.ledger.importer import Importer
from tests.ledger.sealed_world import fill, seal, unguard
from tests.ledger.tampering import COMMANDS, UNSEALED, World


@pytest.fixture(scope="module")
def module_pool(module_url: str) -> Iterator[ConnectionPool[Connection[Any]]]:
    """A pool under the API's duty."""
    with database.pool(module_url, Duty.API) as opened:
        yield opened


@pytest.fixture(scope="module")
def module_ledger(module_url: str, module_pool: ConnectionPool[Connection[Any]]) -> Iterator[Ledger]:
    """A ledger ready for commands."""
    opened = Ledger(module_pool, Writer(module_url), Vault(module_pool, MASTER_KEY, "test-1"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def module_admin(module_url: str) -> Iterator[Connection[Any]]:
    """A connection with every right."""
    with database.connect(module_url) as connection:
        yield connection


@pytest.fixture
def importer(url: str, tmp_path: Path) -> Iterator[Importer]:
    """Imports files and tells what came of them."""
    with database.pool(url, Duty.IMPORTER, size=2) as pool, database.connect(url, Duty.IMPORTER) as connection:
        yield Importer(connection, Vault(pool, MASTER_KEY, "test-1"), tmp_path)


@pytest.fixture
def listed(tmp_path: Path) -> DestroyedKeys:
    """A list of destroyed keys."""
    return DestroyedKeys(tmp_path / "kept" / "destroyed-keys")


@pytest.fixture
def sealer(url: str) -> Iterator[Connection[Any]]:
    """A connection under the sealer's duty."""
    with database.connect(url, Duty.SEALER) as connection:
        yield connection


@pytest.fixture(scope="module")
def world(module_url: str, module_ledger: Ledger) -> Iterator[World]:
    """Some hundred entries, sealed five times, the last thirty of them not yet; nothing guards it any more."""
    for _ in range(COMMANDS):
        module_ledger.execute("register_customer", {"name": "Ada"}, acting())
        if _ == COMMANDS // 2:
            assert seal(module_url)
    assert seal(module_url)
    for seed in range(1, 4):
        fill(module_url, 12, seed)
        assert seal(module_url)
    for _ in range(UNSEALED):
        module_ledger.execute("register_customer", {"name": "Bob"}, acting())
    with database.connect(module_url) as admin:
        (sizes, tiles) = admin.execute(
            "SELECT (SELECT array_agg(size ORDER BY size) FROM seals.checkpoints), (SELECT count(*) FROM seals.tiles)"
        ).fetchall()[0]
        (head,) = admin.execute("SELECT position FROM ledger.head").fetchall()[0]
        assert (len(sizes), tiles, head - sizes[-1]) == (5, sizes[-1] // 256, UNSEALED)
        assert tiles >= 2
        unguard(admin)
        yield World(admin, head, sizes[-1])
