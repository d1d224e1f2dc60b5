"""Persons to be erased, and what is left of them."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.vocabulary import Role
from ledger import vault
from ledger.application import Done, Ledger
from ledger.vault import Vault
from tests.conftest import MASTER_KEY, acting

Pool = ConnectionPool[Connection[Any]]
LONG_AGO = datetime.now(UTC) - timedelta(days=5 * 366)


def register(ledger: Ledger, name: str | None = "王小明", at: datetime = LONG_AGO) -> UUID:
    """A customer known to us."""
    return ledger.execute("register_customer", {"name": name}, acting(at=at)).stream_id


def erase(ledger: Ledger, customer: UUID, command_id: UUID | None = None) -> Done:
    """Erase a customer, as an admin may."""
    context = acting(Role.ADMIN, "root", command_id=command_id)
    return ledger.execute("erase_customer", {"id": customer, "reason": "R-1"}, context)


def complain(ledger: Ledger, customer: UUID, at: datetime = LONG_AGO, kind: str = "complaint") -> UUID:
    """A case of a customer."""
    case = {"customer_id": customer, "kind": kind, "channel": "phone", "description": "Zu spät."}
    return ledger.execute("open_case", case, acting(at=at)).stream_id


def everything(admin: Connection[Any]) -> list[Any]:
    """Entries, commands and keys, by value."""
    tables = ("ledger.entries", "ledger.commands", "ledger.head", "vault.keys")
    return [admin.execute(f"SELECT t::text FROM {table} t ORDER BY 1".encode()).fetchall() for table in tables]


def alive(admin: Connection[Any]) -> set[UUID]:
    """The persons whose key is there."""
    rows = admin.execute("SELECT subject_id FROM vault.keys WHERE wrapped IS NOT NULL").fetchall()
    return {subject for (subject,) in rows} - {vault.NOBODY}


def sealed_names(admin: Connection[Any]) -> list[tuple[str, str]]:
    """All names there are, as they are stored."""
    rows = admin.execute("SELECT data ->> 'name' FROM ledger.entries WHERE data ->> 'name' IS NOT NULL").fetchall()
    return [("name", name) for (name,) in rows]


def stranger(pool: Pool) -> Vault:
    """The vault of a process that has read no key yet."""
    return Vault(pool, MASTER_KEY, "test-1")
