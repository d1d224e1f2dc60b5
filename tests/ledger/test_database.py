"""Connections: under the role a duty needs, in UTC, and with errors that say what to do and give nothing away."""

from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from psycopg import Connection, conninfo, sql

from ledger import database, migrate
from ledger.database import DatabaseUnavailable, Duty
from ledger.migrate import MigrationError

SECRET = "hunter2-correct-horse"


@pytest.fixture
def stranger(server_url: str, module_url: str) -> Iterator[str]:
    """The address of a database for a login that was given no duty."""
    name = sql.Identifier(login := f"daybook_test_{uuid4().hex[:8]}")
    with database.connect(server_url) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN").format(name))
        yield conninfo.make_conninfo(module_url, user=login)
        admin.execute(sql.SQL("DROP ROLE {}").format(name))


@pytest.mark.parametrize("duty", list(Duty))
def test_a_connection_has_the_role_of_its_duty_and_speaks_utc(module_url: str, duty: Duty) -> None:
    with database.connect(module_url, duty) as connection:
        assert told(connection) == (duty.value, "UTC", f"daybook {duty.name.lower()}")
    with database.pool(module_url, duty, size=2) as pool, pool.connection() as connection:
        assert told(connection) == (duty.value, "UTC", f"daybook {duty.name.lower()}")


@pytest.mark.parametrize("duty", Duty)
def test_another_connection_has_the_same_role_and_settings(module_url: str, duty: Duty) -> None:
    query = (
        "SELECT current_user, current_database(), current_setting('timezone'), current_setting('search_path'),"
        " current_setting('application_name'), current_setting('synchronous_commit')"
    )
    with database.connect(module_url, duty) as first, database.another(first) as second:
        told = first.execute(query).fetchone()
        assert second.execute(query).fetchone() == told
        assert (second.autocommit, second.info.backend_pid == first.info.backend_pid) == (True, False)
    assert told is not None
    assert told[5] == ("off" if duty is Duty.PROJECTOR else "on")


def told(connection: Connection[Any]) -> Any:
    """Role, time zone and name of a session."""
    return connection.execute(
        "SELECT current_user::text, current_setting('timezone'), current_setting('application_name')"
    ).fetchone()


@pytest.mark.parametrize(
    "url",
    [
        SECRET,
        f"user:{SECRET}@host/db",
        f"postgresql://user:{SECRET} {SECRET}@host/db",
        f"postgresql://user:{SECRET}@host:port/db",
        f"postgresql://user:{SECRET}%zz@host/db",
        f"host=localhost password={SECRET} surprise=1",
        f"postgresql://user:{SECRET}@127.0.0.1:1/db",
        f"host=127.0.0.1 port=1 password={SECRET}",
    ],
)
def test_an_address_that_leads_nowhere_says_what_to_do_and_shows_no_password(url: str) -> None:
    for attempt in (lambda: database.connect(url), lambda: database.connect(url, Duty.API)):
        with pytest.raises(DatabaseUnavailable, match="DATABASE_URL") as error:
            attempt()

        chain = [
            error.value,
            error.value.__cause__,
            None if error.value.__suppress_context__ else error.value.__context__,
        ]
        assert [each for each in chain if each and SECRET in str(each)] == []


def test_a_login_without_the_duty_is_told_how_to_get_it(stranger: str) -> None:
    with pytest.raises(DatabaseUnavailable, match=r"has no right to the role daybook_api .*run: daybook migrate$"):
        database.connect(stranger, Duty.API)


def test_a_pool_says_the_same_and_no_more(
    stranger: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(database, "WAIT_S", 1.0)

    with pytest.raises(DatabaseUnavailable, match="has no right to the role daybook_api"):
        database.pool(stranger, Duty.API)

    assert caplog.records == []


def test_a_login_that_may_not_shape_a_database_is_told_who_may(stranger: str) -> None:
    with (
        database.connect(stranger) as connection,
        pytest.raises(
            MigrationError, match=r"^The login may not do what a migration does \(.*\); run daybook migrate as"
        ),
    ):
        migrate.migrate(connection)


def test_a_database_of_another_name_is_not_made_up(module_url: str) -> None:
    with pytest.raises(DatabaseUnavailable, match='database "nowhere" does not exist'):
        database.connect(conninfo.make_conninfo(module_url, dbname="nowhere"))


def test_a_duty_is_no_way_to_more_rights(module_url: str) -> None:
    with database.connect(module_url, Duty.API) as connection:
        connection.execute("RESET ROLE")
        assert told(connection)[0] == Duty.API.value
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("SELECT * FROM pg_authid")
