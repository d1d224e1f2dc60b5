"""Connections to PostgreSQL, each under the role its duty needs and no more."""

from enum import StrEnum
from typing import Any

import psycopg
from psycopg import Connection, conninfo
from psycopg_pool import ConnectionPool, PoolTimeout

POOL_MAX = 16
"""Why: more connections than this gain nothing on the few cores a small server has, and PostgreSQL allows 100."""
WAIT_S = 10.0
"""Why: a caller who waits longer for a connection is better told so."""


class DatabaseUnavailable(Exception):
    """The database cannot be reached or does not let us in."""


class Duty(StrEnum):
    """What a process is for; each has a database role that may do just that."""

    API = "daybook_api"
    IMPORTER = "daybook_importer"
    PROJECTOR = "daybook_projector"
    SEALER = "daybook_sealer"
    AUDITOR = "daybook_auditor"


OPTIONS = {Duty.PROJECTOR: " -c synchronous_commit=off"}
"""Why: what a projector writes, position and rows in one, is posted again if a crash of the server takes the last of it
away, so no batch has to wait for the disk."""


def dsn(url: str, duty: Duty | None) -> str:
    """The connection string for a duty: in UTC, and under the duty's role; ``None`` keeps the login's own role.

    Names are looked for in PostgreSQL's own schema alone, whatever the database or the login is set to: else a
    function of somebody else's could answer in the place of the one that is meant.

    Raises :class:`DatabaseUnavailable` where ``url`` cannot be read.
    """
    options = "-c timezone=UTC -c search_path=pg_catalog" + (
        f" -c role={duty.value}{OPTIONS.get(duty, '')}" if duty else ""
    )
    name = f"daybook {duty.name.lower() if duty else 'admin'}"
    try:
        return conninfo.make_conninfo(url, options=options, application_name=name, connect_timeout=int(WAIT_S))
    except psycopg.ProgrammingError:
        # The error quotes what it cannot read, and that may be the password.
        raise DatabaseUnavailable("DATABASE_URL is not an address such as postgresql://user@host:5432/name.") from None


def connect(url: str, duty: Duty | None = None) -> Connection[Any]:
    """Open one connection with autocommit on; raises :class:`DatabaseUnavailable` with what to do."""
    try:
        return psycopg.connect(dsn(url, duty), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(_advice(error, duty)) from error


def another(connection: Connection[Any]) -> Connection[Any]:
    """Open one more connection like the given one, with its role; raises :class:`DatabaseUnavailable` as above."""
    info = connection.info
    try:
        return psycopg.connect(conninfo.make_conninfo(**info.get_parameters(), password=info.password), autocommit=True)
    except psycopg.OperationalError as error:
        raise DatabaseUnavailable(_advice(error, None)) from error


def pool(url: str, duty: Duty, size: int = POOL_MAX) -> ConnectionPool[Connection[Any]]:
    """Open a pool of up to ``size`` connections with autocommit on; raises :class:`DatabaseUnavailable`."""
    # A pool asks again and again, and says so each time; one connection tells at once what is the matter.
    connect(url, duty).close()
    opened = ConnectionPool(
        dsn(url, duty),
        min_size=1,
        max_size=size,
        timeout=WAIT_S,
        kwargs={"autocommit": True},
        open=True,
    )
    try:
        opened.wait(WAIT_S)
    except PoolTimeout as error:
        opened.close()
        raise DatabaseUnavailable("The database did not answer in time.") from error
    return opened


def _advice(error: Exception, duty: Duty | None) -> str:
    # What follows the first line is the driver's own advice.
    text = str(error).strip().splitlines()[0].rstrip()
    if duty and "role" in text:
        right = f"The login has no right to the role {duty.value} ({text})"
        return f"{right}; have it granted, or as the operator run: daybook migrate"
    return f"The database cannot be reached ({text}); check DATABASE_URL, or start the server."
