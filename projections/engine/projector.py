"""The projector: keeps every read model in step with the ledger."""

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import psycopg
from psycopg import Connection

from ledger.database import DatabaseUnavailable, Duty, connect

from . import builds
from .builds import Build, PostedElsewhere
from .model import ReadModel, models
from .posting import catch_up
from .rebuilding import Advance, rebuild

IDLE_S = 0.05
"""Why: a reader sees a new entry within a blink, for twenty cheap reads a second."""
RETRY_S = 1.0
"""Why: a database that went away needs a moment; more haste only fills the log."""

Notice = Callable[[str], None]


def outdated(connection: Connection[Any]) -> list[type[ReadModel]]:
    """The models that have no build in service, or one of another version."""
    standing = builds.serving(connection)
    return [
        model
        for name, model in sorted(models().items())
        if name not in standing or standing[name].version != model.spec.version
    ]


@contextmanager
def unseen(_: type[ReadModel]) -> Iterator[Advance]:
    """Show no progress."""
    yield lambda _done, _total: None


def prepare(url: str, shown: Callable[[type[ReadModel]], AbstractContextManager[Advance]] = unseen) -> list[Build]:
    """Build the models that are missing or outdated, showing progress for each; gives what was built."""
    built = []
    with connect(url, Duty.PROJECTOR) as reader, connect(url, Duty.PROJECTOR) as writer:
        for model in outdated(writer):
            with shown(model) as advance:
                built.append(rebuild(reader, writer, model, advance))
    return built


def run(url: str, stopping: Callable[[], bool], notice: Notice) -> None:
    """Post until ``stopping`` says so; a lost database is waited for, a second projector takes turns."""
    connection: Connection[Any] | None = None
    while not stopping():
        try:
            connection = connection if connection and not connection.closed else connect(url, Duty.PROJECTOR)
            if not catch_up(connection):
                time.sleep(IDLE_S)
        except PostedElsewhere:
            continue
        except (psycopg.OperationalError, DatabaseUnavailable) as error:
            told = "refused to post" if connection and not connection.closed else "went away"
            notice(f"The database {told} ({str(error).splitlines()[0]}); trying again.")
            if connection:
                connection.close()
            time.sleep(RETRY_S)
    if connection:
        connection.close()
