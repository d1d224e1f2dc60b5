"""A real PostgreSQL for every test: the embedded one, or the one DATABASE_URL names."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, conninfo, sql
from psycopg_pool import ConnectionPool

from domain.command import Actor, Context
from domain.vocabulary import ActorKind, Role
from ledger import database, embedded, migrate
from ledger.application import Ledger
from ledger.database import Duty
from ledger.vault import Vault
from ledger.writer import Writer

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MASTER_KEY = b"a master key for tests, 32 bytes"
TEMPLATE = "daybook_test_template"


@pytest.fixture(scope="session")
def server_url() -> Iterator[str]:
    """The server all tests share; the embedded one lives in a folder that is reused from run to run."""
    if given := os.environ.get("DATABASE_URL"):
        yield given
        return
    yield embedded.start(Path(tempfile.gettempdir()) / "daybook-tests")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with (Path(tempfile.gettempdir()) / "daybook-tests.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


@pytest.fixture(scope="session")
def template(server_url: str) -> str:
    """A migrated database to copy from, made anew when the migrations changed."""
    digest = hashlib.sha256("".join(m.checksum for m in migrate.migrations()).encode()).hexdigest()[:12]
    name, unfinished = f"{TEMPLATE}_{digest}", f"{TEMPLATE}_unfinished"
    with _one_at_a_time(), database.connect(server_url) as admin:
        if admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {}").format(sql.Identifier(unfinished)))
            admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(unfinished)))
            with database.connect(conninfo.make_conninfo(server_url, dbname=unfinished)) as connection:
                migrate.migrate(connection)
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
            )
    return name


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database without any shape."""
    yield from _database(server_url, "template0")


@pytest.fixture
def url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(server_url, template)


@pytest.fixture(scope="module")
def module_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database shared by a module's tests, where they only read or do not mind one another."""
    yield from _database(server_url, template)


def _database(server_url: str, template: str) -> Iterator[str]:
    name = f"daybook_test_{uuid4().hex[:12]}"
    with database.connect(server_url) as admin:
        with _one_at_a_time():
            admin.execute(
                sql.SQL("CREATE DATABASE {} TEMPLATE {}").format(sql.Identifier(name), sql.Identifier(template))
            )
        yield conninfo.make_conninfo(server_url, dbname=name)
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
def admin(url: str) -> Iterator[Connection[Any]]:
    """A connection with every right."""
    with database.connect(url) as connection:
        yield connection


@pytest.fixture
def pool(url: str) -> Iterator[ConnectionPool[Connection[Any]]]:
    """A pool under the API's duty."""
    with database.pool(url, Duty.API) as opened:
        yield opened


@pytest.fixture
def vault(pool: ConnectionPool[Connection[Any]]) -> Vault:
    """A vault over the test's database."""
    return Vault(pool, MASTER_KEY, "test-1")


@pytest.fixture
def ledger(url: str, pool: ConnectionPool[Connection[Any]], vault: Vault) -> Iterator[Ledger]:
    """A ledger ready for commands."""
    opened = Ledger(pool, Writer(url), vault)
    yield opened
    opened.close()


def acting(
    role: Role = Role.AGENT, actor: str = "ann", at: datetime | None = None, command_id: UUID | None = None
) -> Context:
    """The circumstances of a command given by an employee."""
    return Context(
        at=at or datetime.now(UTC),
        actor=Actor(kind=ActorKind.EMPLOYEE, id=actor, role=role),
        command_id=command_id or uuid4(),
    )
