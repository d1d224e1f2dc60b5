"""The projector: keeps every read model in step with the ledger, and looks after what it posted."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from functools import partial
from typing import Any

import psycopg
from psycopg import Connection

from domain.rule import Rule
from ledger.database import DatabaseUnavailable, Duty, connect

from . import builds, lease
from .beside import Beside
from .building import Advance
from .builds import Build, PostedElsewhere
from .lease import Lease
from .model import ReadModel, fingerprint, models
from .posting import behind, catch_up, ours
from .rebuilding import make_all, roll_back
from .watching import Watch

IDLE_S = 0.05
"""Why: a reader sees a new entry within a blink, for twenty cheap reads a second."""
RETRY_S = 1.0
"""Why: a database that went away needs a moment; more haste only fills the log."""
HUNG_S = 10.0
"""Why: between two statements of a batch lies less than a second of folding; who is silent for longer there is hung,
and its locks keep others from posting."""

ALTERED = Rule(
    "READ_MODEL_ALTERED",
    "{model} is folded otherwise than the build in service, though both are version {version}; raise its version, or"
    " take the new fold over with: daybook rebuild {model}",
)

Notice = Callable[[str], None]


def outdated(connection: Connection[Any]) -> list[type[ReadModel]]:
    """The models that have no build in service, or one of another version."""
    standing = builds.serving(connection)
    return [
        model
        for name, model in sorted(models().items())
        if name not in standing or standing[name].version != model.spec.version
    ]


def refuse_altered(connection: Connection[Any]) -> None:
    """Refuse ``READ_MODEL_ALTERED`` where a fold was changed without a new version.

    Half the rows of such a model would be of the one fold and half of the other, so nothing starts with it: what is
    posted and what is answered stay as they are until somebody decides.
    """
    standing = builds.serving(connection)
    for name, model in sorted(models().items()):
        build = standing.get(name)
        altered = build and build.version == model.spec.version and build.fingerprint != fingerprint(model)
        ALTERED.refuse_if(altered, model=name, version=model.spec.version)


@contextmanager
def unseen(_: Sequence[type[ReadModel]]) -> Iterator[Advance]:
    """Show no progress."""
    yield lambda _done, _total: None


Shown = Callable[[Sequence[type[ReadModel]]], AbstractContextManager[Advance]]
"""Shows how far the building of some models has got."""


def prepare(url: str, shown: Shown = unseen) -> list[Build]:
    """Build the models that are missing or outdated, all of them together; gives what was built.

    A build that was kept from the last time the very same definition served is put back instead. Refuses
    ``READ_MODEL_ALTERED``.
    """
    built: list[Build] = []
    missing: list[type[ReadModel]] = []
    with connect(url, Duty.PROJECTOR) as reader, connect(url, Duty.PROJECTOR) as writer:
        refuse_altered(writer)
        for model in outdated(writer):
            kept = builds.previous(writer, model.spec.name)
            if kept and ours({model.spec.name: kept}) and (back := roll_back(writer, model.spec.name)):
                built.append(back[0])
            else:
                missing.append(model)
        if missing:
            with shown(missing) as advance:
                built += [made.build for made in make_all(reader, writer, missing, advance)]
    return built


LOST = (psycopg.OperationalError, psycopg.errors.IdleInTransactionSessionTimeout, DatabaseUnavailable)
"""What is raised when the database went away, or took us for hung."""


def run(url: str, stopping: Callable[[], bool], notice: Notice) -> None:
    """Post until ``stopping`` says so; a lost database is waited for, and so is another projector that posts."""
    with Beside(partial(connect, url, Duty.PROJECTOR)) as beside:
        turns = Turns(notice, beside)
        connection = _post(url, turns, stopping, notice)
    if connection:
        with suppress(*LOST):
            turns.lease.give_back(connection)
        connection.close()


def _post(url: str, turns: "Turns", stopping: Callable[[], bool], notice: Notice) -> Connection[Any] | None:
    """Take turn after turn; gives the connection that stands then, where there is one."""
    connection: Connection[Any] | None = None
    while not stopping():
        try:
            connection = connection if connection and not connection.closed else _connected(url)
            if not turns.take(connection):
                time.sleep(IDLE_S)
        except PostedElsewhere:
            continue
        except LOST as error:
            told = "refused to post" if connection and not connection.closed else "went away"
            notice(f"The database {told} ({str(error).splitlines()[0]}); trying again.")
            if connection:
                connection.close()
            time.sleep(RETRY_S)
    return connection


def _connected(url: str) -> Connection[Any]:
    connection = connect(url, Duty.PROJECTOR)
    connection.execute(f"SET idle_in_transaction_session_timeout = '{HUNG_S}s'")
    return connection


class Turns:
    """What a projector does turn by turn: post while the lease is its own, else stand by."""

    def __init__(self, notice: Notice, beside: Beside | None = None) -> None:
        """Start without the lease; ``notice`` is told what a person should know."""
        self.lease = Lease()
        self._beside, self._failed = beside, False
        self._notice, self._watch, self._standing_by = notice, Watch(notice), False

    def take(self, connection: Connection[Any]) -> int:
        """Post the next batch, and look at a few rows every now and then; gives how many entries were read."""
        count = self._post(connection)
        self._tell(connection)
        if self.lease.held:
            self._watch.look(connection)
        return count

    def _post(self, connection: Connection[Any]) -> int:
        if not (self.lease.due() or behind(connection)):
            return 0
        with connection.transaction():
            if self.lease.keep(connection):
                # Where no other session is to be had, or it is so slow that this one is taken for hung, one must do.
                beside, self._failed = None if self._failed else self._beside, True
                posted = catch_up(connection, beside=beside)
                self._failed = False
                return posted
        with suppress(psycopg.errors.InsufficientPrivilege):
            lease.end_unread(connection, HUNG_S)
        return 0

    def _tell(self, connection: Connection[Any]) -> None:
        """Say when another projector posts, and when this one has taken its place."""
        if self.lease.held and self._standing_by:
            self._notice("Posting in its place.")
        elif not self.lease.held and not self._standing_by:
            process = lease.standing(connection).process or "just begun"
            self._notice(f"Another projector has the lease ({process}); standing by.")
        self._standing_by = not self.lease.held
