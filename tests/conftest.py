"""A real PostgreSQL for every test: the embedded one, or the one DATABASE_URL names."""

import fcntl
import hashlib
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
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
from tests import real
from tests.real import MASTER_KEY

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

    def shape(url: str) -> None:
        with database.connect(url) as connection:
            migrate.migrate(connection)

    with _one_at_a_time():
        return _kept(server_url, f"{TEMPLATE}_{digest}", "template0", shape)


@pytest.fixture(scope="session")
def imported_url(server_url: str, template: str) -> Iterator[str]:
    """Both real files, imported: a copy for this session's tests that only read the ledger, or post from it.

    The import is done once and kept until migrations, domain, ledger or the files change.
    """
    real.skip_where_missing()
    with _one_at_a_time():
        name = _kept(server_url, f"{real.DATABASE}_{template[-12:]}_{real.digest()}", template, real.fill)
        _drop_stale(server_url, real.DATABASE)
        copy = _database(server_url, name, locked=True)
        url = next(copy)
    yield url
    next(copy, None)


def _kept(server_url: str, name: str, template: str, fill: Callable[[str], None]) -> str:
    """A database of that name, made and filled where there is none; called under the lock."""
    unfinished = f"{TEMPLATE}_unfinished"
    with database.connect(server_url) as admin:
        if admin.execute("SELECT FROM pg_database WHERE datname = %s", (name,)).fetchone() is None:
            admin.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(unfinished)))
            _create(admin, unfinished, template)
            fill(conninfo.make_conninfo(server_url, dbname=unfinished))
            admin.execute(
                sql.SQL("ALTER DATABASE {} RENAME TO {}").format(sql.Identifier(unfinished), sql.Identifier(name))
            )
    return name


def _drop_stale(server_url: str, prefix: str) -> None:
    """Drop all but the newest few of the kept databases; called under the lock."""
    with database.connect(server_url) as admin:
        stale = admin.execute(
            "SELECT datname FROM pg_database WHERE datname LIKE %s ORDER BY oid DESC OFFSET 3", (f"{prefix}%",)
        ).fetchall()
        for (name,) in stale:
            admin.execute(sql.SQL("DROP DATABASE {}").format(sql.Identifier(name)))


def _create(admin: Connection[Any], name: str, template: str) -> None:
    # By files: the other way writes the whole copy to the log as well.
    admin.execute(
        sql.SQL("CREATE DATABASE {} TEMPLATE {} STRATEGY FILE_COPY").format(
            sql.Identifier(name), sql.Identifier(template)
        )
    )


@pytest.fixture
def empty_url(server_url: str) -> Iterator[str]:
    """A database without any shape."""
    yield from _database(server_url, "template0")


@pytest.fixture
def url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database of the test's own."""
    yield from _database(server_url, template)


@pytest.fixture
def other_url(server_url: str, template: str) -> Iterator[str]:
    """A second migrated database, to compare with the first."""
    yield from _database(server_url, template)


@pytest.fixture(scope="module")
def module_url(server_url: str, template: str) -> Iterator[str]:
    """A migrated database shared by a module's tests, where they only read or do not mind one another."""
    yield from _database(server_url, template)


def _database(server_url: str, template: str, *, locked: bool = False) -> Iterator[str]:
    name = f"daybook_test_{uuid4().hex[:12]}"
    with database.connect(server_url) as admin:
        with nullcontext() if locked else _one_at_a_time():
            _create(admin, name, template)
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
