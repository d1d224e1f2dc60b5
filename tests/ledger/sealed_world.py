"""A small ledger with entries of many kinds, sealed at several sizes, to be tampered with."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Any

from psycopg import Connection

from ledger import database, sealing
from ledger.checkpoints import Checkpoint
from ledger.database import Duty
from ledger.notes import Signer
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from ledger.verifier import Key
from ledger.verifying import Trust
from tests.conftest import MASTER_KEY
from tests.ledger.tree import h

ORIGIN = "ledger.example.com/tests"
SIGNER = Signer(ORIGIN, b64encode(bytes(range(32))).decode())
OLD = Signer(ORIGIN, b64encode(b"o" * 32).decode())
"""One that signed before."""
KEY = Key.parse(SIGNER.vkey)
TRUST = Trust([KEY], ORIGIN)


def fill(url: str, customers: int, seed: int = 1) -> None:
    """Enter a simulated world."""
    with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
        world = World(customers=customers, months=12, seed=seed, until=datetime(2026, 7, 1, tzinfo=UTC))
        simulate(connection, Vault(pool, MASTER_KEY, "test-1"), world)


def seal(url: str) -> Checkpoint | None:
    """Issue a checkpoint as the sealer does."""
    with database.connect(url, Duty.SEALER) as connection:
        return sealing.seal(connection, [SIGNER])


def unguard(admin: Connection[Any]) -> None:
    """Take away what a superuser can: triggers and constraints."""
    for table in ("ledger.entries", "ledger.commands", "seals.tiles", "seals.checkpoints", "seals.cosignatures"):
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    admin.execute(
        "DO $$ DECLARE c record; BEGIN FOR c IN SELECT conrelid::regclass AS held, conname FROM pg_constraint"
        " WHERE connamespace IN ('ledger'::regnamespace, 'seals'::regnamespace) AND contype IN ('c', 'u', 'n') LOOP"
        " BEGIN EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', c.held, c.conname);"
        # A column of the primary key is never without a value.
        " EXCEPTION WHEN invalid_table_definition THEN NULL; END; END LOOP; END $$;"
        " DROP INDEX ledger.entries_import_identity, ledger.entries_voided"
    )


def leaves(number: int, first: int = 0) -> list[bytes]:
    """Leaves that differ."""
    return [h(b"\x00%d" % n) for n in range(first, first + number)]


def unguarded(admin: Connection[Any], statement: str) -> None:
    """Alter something as a superuser can."""
    for table in ("ledger.entries", "seals.tiles", "seals.checkpoints"):
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    assert admin.execute(statement.encode()).rowcount > 0
