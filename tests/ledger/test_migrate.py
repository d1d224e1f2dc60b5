"""Migrations: from nothing to the current shape, once, whole or not at all, and never over another's shape."""

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from psycopg import Connection, errors

from api.settings import Settings
from api.wiring import open_desk
from ledger import database, migrate
from ledger.migrate import Migration, MigrationError

NAMES = [migration.name for migration in migrate.migrations()]
GOOD = Migration(9001, "9001_tables.sql", "CREATE TABLE public.first (); CREATE TABLE public.second ();")
BROKEN = GOOD._replace(sql=GOOD.sql + " CREATE TABLE public.third (nonsense);")

With = Callable[..., None]


@pytest.fixture
def also(monkeypatch: pytest.MonkeyPatch) -> With:
    """Adds files to the migrations there are."""
    shipped = migrate.migrations()

    def add(*files: Migration) -> None:
        monkeypatch.setattr(migrate, "migrations", lambda: [*shipped, *files])

    return add


def tables(connection: Connection[Any]) -> set[str]:
    """The tables in the public schema."""
    return {name for (name,) in connection.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")}


def test_an_empty_database_gets_the_current_shape_once(empty_url: str) -> None:
    with database.connect(empty_url) as connection:
        assert migrate.migrate(connection) == NAMES
        migrate.check(connection)

        applied = connection.execute("SELECT name FROM public.daybook_migrations ORDER BY number").fetchall()
        assert applied == [(name,) for name in NAMES]

        assert migrate.migrate(connection) == []
        assert connection.execute("SELECT position FROM ledger.head").fetchall() == [(0,)]


def test_the_files_are_numbered_without_a_gap() -> None:
    assert [migration.number for migration in migrate.migrations()] == list(range(1, len(NAMES) + 1))


def test_starting_against_an_empty_database_says_what_to_do(empty_url: str) -> None:
    with database.connect(empty_url) as connection, pytest.raises(MigrationError) as error:
        migrate.check(connection)

    assert str(error.value) == "The database is empty; run: daybook migrate"


def test_the_server_does_not_start_against_an_empty_database(empty_url: str) -> None:
    with pytest.raises(MigrationError, match="is empty"), open_desk(Settings(database_url=empty_url)):
        raise AssertionError


def test_starting_against_an_older_database_says_what_to_do(url: str, also: With) -> None:
    also(GOOD)

    with database.connect(url) as connection, pytest.raises(MigrationError) as error:
        migrate.check(connection)

    assert str(error.value) == "The database lacks 9001_tables.sql; run: daybook migrate"


def test_a_newer_database_is_left_alone(url: str) -> None:
    with database.connect(url) as connection:
        connection.execute("INSERT INTO public.daybook_migrations VALUES (9001, '9001_from_the_future.sql', 'x')")

        for attempt in (migrate.check, migrate.migrate):
            with pytest.raises(MigrationError) as error:
                attempt(connection)

            assert str(error.value) == (
                "The database is newer than this Daybook (it has 9001_from_the_future.sql); upgrade Daybook."
            )


def test_a_database_that_was_shaped_by_another_file_is_left_alone(url: str, also: With) -> None:
    with database.connect(url) as connection:
        connection.execute("UPDATE public.daybook_migrations SET checksum = 'other' WHERE number = 2")
        also(GOOD)

        for attempt in (migrate.check, migrate.migrate):
            with pytest.raises(MigrationError, match=f"shaped by another {NAMES[1]} than ours"):
                attempt(connection)
        assert "first" not in tables(connection)


def test_of_a_file_that_fails_nothing_remains_and_the_next_attempt_completes_it(url: str, also: With) -> None:
    with database.connect(url) as connection:
        before = tables(connection)

        also(BROKEN)
        with pytest.raises(errors.SyntaxError):
            migrate.migrate(connection)

        assert tables(connection) == before
        with pytest.raises(MigrationError, match=r"lacks 9001_tables\.sql"):
            migrate.check(connection)
        assert free(url)

        also(GOOD)
        assert migrate.migrate(connection) == [GOOD.name]
        assert tables(connection) == before | {"first", "second"}
        migrate.check(connection)


def test_what_was_applied_before_the_file_that_fails_stays(url: str, also: With) -> None:
    later = BROKEN._replace(number=9002, name="9002_more.sql", sql="CREATE TABLE public.more (); SELECT 1/0;")
    also(GOOD, later)

    with database.connect(url) as connection:
        with pytest.raises(errors.DivisionByZero):
            migrate.migrate(connection)

        assert {"first", "second"} <= tables(connection)
        assert "more" not in tables(connection)
        with pytest.raises(MigrationError, match=r"lacks 9002_more\.sql"):
            migrate.check(connection)


def test_of_two_who_migrate_at_once_one_does_it(empty_url: str) -> None:
    together = threading.Barrier(2)

    def attempt(_: int) -> list[str]:
        with database.connect(empty_url) as connection:
            together.wait(10)
            return migrate.migrate(connection)

    with ThreadPoolExecutor(2) as both:
        done = list(both.map(attempt, range(2)))

    assert sorted(done) == [[], NAMES]


def free(url: str) -> bool:
    """Whether the lock under which migrations run can be had by another session."""
    with database.connect(url) as other:
        row = other.execute("SELECT pg_try_advisory_lock(%s)", (migrate.LOCK,)).fetchone()
        return row == (True,)
