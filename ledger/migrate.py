"""Gives the database its shape: numbered SQL files, applied once each, in order, forward only.

No library fitted: yoyo-migrations splits scripts with a SQL parser that breaks on function bodies and keeps no
checksum, Alembic needs SQLAlchemy. What is needed is this page.
"""

import hashlib
from importlib.resources import files
from typing import Any, NamedTuple

from psycopg import Connection, errors

LOCK = 7_239_541
"""Names the advisory lock under which migrations run, so that two starts do not migrate at once."""


class MigrationError(Exception):
    """The database's shape is not one this version of Daybook can work with."""


class Migration(NamedTuple):
    """One numbered file."""

    number: int
    name: str
    sql: str

    @property
    def checksum(self) -> str:
        """SHA-256 of the file, in hex."""
        return hashlib.sha256(self.sql.encode()).hexdigest()


def migrations() -> list[Migration]:
    """The files of ``migrations/``, in order of their numbers."""
    found = sorted(file.name for file in files("migrations").iterdir() if file.name.endswith(".sql"))
    return [Migration(int(name[:4]), name, files("migrations").joinpath(name).read_text("utf-8")) for name in found]


def migrate(connection: Connection[Any]) -> list[str]:
    """Apply what is missing, each file in a transaction of its own, and give the names of the files applied.

    Raises :class:`MigrationError` where the database is newer, or was shaped by other files than these, and where the
    login may not shape it.
    """
    connection.execute("SELECT pg_advisory_lock(%s)", (LOCK,))
    try:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS public.daybook_migrations (number int PRIMARY KEY, name text NOT NULL,"
            " checksum text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now());"
            " GRANT SELECT ON public.daybook_migrations TO PUBLIC"
        )
        missing = _missing(connection)
        for migration in missing:
            with connection.transaction():
                connection.execute(migration.sql.encode())
                connection.execute(
                    "INSERT INTO public.daybook_migrations (number, name, checksum) VALUES (%s, %s, %s)",
                    (migration.number, migration.name, migration.checksum),
                )
        return [migration.name for migration in missing]
    except errors.InsufficientPrivilege as error:
        raise MigrationError(
            f"The login may not do what a migration does ({str(error).splitlines()[0]}); run daybook migrate as one"
            " that may create roles and schemas."
        ) from None
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", (LOCK,))


def check(connection: Connection[Any]) -> None:
    """Raise :class:`MigrationError` unless the database has exactly the shape this version works with."""
    try:
        missing = _missing(connection)
    except errors.UndefinedTable:
        raise MigrationError("The database is empty; run: daybook migrate") from None
    if missing:
        raise MigrationError(f"The database lacks {missing[0].name}; run: daybook migrate")


def _missing(connection: Connection[Any]) -> list[Migration]:
    rows = connection.execute("SELECT number, name, checksum FROM public.daybook_migrations ORDER BY number").fetchall()
    known = migrations()
    for (number, name, checksum), ours in zip(rows, known, strict=False):
        if (number, checksum) != (ours.number, ours.checksum):
            raise MigrationError(
                f"The database was shaped by another {name} than ours; install the Daybook that made it,"
                " or restore a backup."
            )
    if len(rows) > len(known):
        raise MigrationError(f"The database is newer than this Daybook (it has {rows[-1][1]}); upgrade Daybook.")
    return known[len(rows) :]
