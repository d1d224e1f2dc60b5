"""The ledger as an application: a command comes in, the domain decides, entries are written once."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from itertools import count
from typing import Any, NamedTuple
from uuid import UUID, uuid5
from weakref import WeakValueDictionary

import psycopg
from eventsourcing.application import Application
from eventsourcing.persistence import ApplicationRecorder
from msgspec.structs import replace
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from domain.aggregate import SKEW, Aggregate, standing
from domain.command import Command, Context
from domain.customer import Customer
from domain.event import Event
from domain.person import BACKDATED, ERASED, Person
from domain.policy import POLICY_STREAMS
from domain.rule import FORBIDDEN, IDEMPOTENCY_CONFLICT, NOT_FOUND, OCCURRED_IN_FUTURE, VERSION_CONFLICT, Refused

from . import forgetting
from .basis import Basis, Histories, History
from .input import Given, fact, identifier, kind_of, named, position, refuse, told, utc
from .reading import decoded, decoder, line
from .recorder import EntryMapper, EntryRecorder, commit_of
from .vault import ErasedError, Vault
from .writer import BATCH_MAX, WENT_AWAY, Answer, TooLarge, WriteFailed, Writer, append

RACES_MAX = 3
"""Why: a command decided on a state that was overtaken is decided anew; who lost so often is let in alone, since
several servers at one case could go on overtaking a slower one for as long as they please."""


CAPITAL = re.compile(r"(?<=[a-z])(?=[A-Z])")
"""Where a word begins within a name such as LegalHold."""


class Done(NamedTuple):
    """What a command did: the aggregate it wrote to, its version there, and the positions of its entries."""

    stream_id: UUID
    version: int
    first: int
    position: int
    repeated: bool
    """Whether the command had been done before, and this is the first answer again."""


class Ledger(Application[UUID]):
    """Takes commands; thread-safe. Call :meth:`close` to write out what is waiting."""

    name = "daybook"

    def __init__(
        self,
        pool: ConnectionPool[Connection[Any]],
        writer: Writer,
        vault: Vault,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        """Read through ``pool``, write through ``writer``, seal with ``vault``; ``now`` is the clock."""
        self.vault, self._pool, self._writer, self._now = vault, pool, writer, now
        self._histories = Histories(self._history)
        vault.on_forgotten.append(self._histories.clear)
        self._turns: WeakValueDictionary[UUID, Any] = WeakValueDictionary()
        self._door, self._holding = threading.Lock(), threading.Lock()
        # Before there are threads: msgspec 0.22 crashes the process where two of them meet a type for the first time.
        decoder()
        super().__init__()

    def construct_mapper(self) -> EntryMapper:
        """Our mapper: canonical bytes, sealed."""
        return EntryMapper(self.vault)

    def construct_recorder(self) -> ApplicationRecorder:
        """Our recorder: one table, group commit."""
        return EntryRecorder(self._pool, self._writer)

    def execute(self, name: str, given: Given, context: Context, *, expected_version: int | None = None) -> Done:
        """Do the command ``name`` with the input ``given`` (snake_case names to plain values), once.

        The same command id and input again gives the first answer. Raises :class:`~domain.rule.Refused` when a rule
        refuses, and then nothing was recorded.
        """
        command = named(name)
        context = self._admitted(command, context)
        self.vault.refresh()
        fingerprint = self.vault.fingerprint(told(command, given, context))
        # Here the commands of one stream wait for one another: else all but one would be decided in vain.
        turn = self._turn(identifier(given, "id")) if command.asked else nullcontext()
        forgetting_someone = Person in map(kind_of, command.parameters.values())
        for attempt in count(1):
            alone = forgetting_someone or attempt > RACES_MAX
            basis = Basis(self._histories, afresh=alone or attempt > 1)
            with turn, self._alone() if alone else nullcontext() as connection:
                try:
                    aggregate = self._decide(command, given, context, expected_version, basis)
                except Refused:
                    if basis.from_memory:
                        continue
                    # A repeated command usually breaks a rule because it was done: then the first answer stands.
                    if done := self._done_before(context.command_id, fingerprint):
                        return done
                    raise
                try:
                    answer = self.write(aggregate, fingerprint, basis, connection)
                except TooLarge as error:
                    refuse(str(error))
                except ErasedError:
                    ERASED.refuse()
                if forgetting_someone and connection and answer.outcome == "accepted":
                    self.vault.destroy(connection, answer.first or 0, answer.last or 0)
            if answer.outcome == "accepted":
                assert answer.first is not None
                assert answer.last is not None
                self.vault.refresh(at_once=forgetting_someone)
                return Done(aggregate.id, aggregate.version, answer.first, answer.last, repeated=False)
            if answer.outcome != "version_conflict":
                done = self._done_before(context.command_id, fingerprint)
                assert done is not None, "the writer said the command was done before"
                return done
            assert connection is None, "overtaken while nobody else could enter anything"
            turn = self._turn(aggregate.id)
        raise AssertionError("counting ended")

    def load(self, kind: type[Aggregate], id: UUID, version: int | None = None) -> Aggregate:
        """The aggregate of that kind and id, as of a version where given; refuses ``NOT_FOUND`` or ``VOID``."""
        return _replayed(kind, id, self._history(id, version))

    def entry(self, position: int) -> Event:
        """The entry at a position, with what can be opened in clear; refuses ``NOT_FOUND``."""
        query = sql.SQL("SELECT {} FROM ledger.entries WHERE position = %s").format(line())
        with self._pool.connection() as connection:
            row = connection.execute(query, (position,)).fetchone()
        NOT_FOUND.refuse_if(row is None, kind="entry", id=position)
        assert row is not None
        mapper = self.mapper
        assert isinstance(mapper, EntryMapper)
        return mapper.opened(decoded(row[0]))

    def close(self) -> None:
        """Write out what is waiting and stop writing."""
        if not self.closing.is_set():
            self._writer.close()
        super().close()

    def _history(self, stream_id: UUID, version: int | None = None) -> History:
        history = tuple(map(_as_event, self.events.get(stream_id, lte=version)))
        for event in history:
            if isinstance(event, Customer.Erased):
                # Whoever reads of it need not wait until it is time to look.
                self.vault.forget(event.keys)
        return history

    def _turn(self, stream_id: UUID) -> AbstractContextManager[Any]:
        with self._door:
            turn: AbstractContextManager[Any] = self._turns.setdefault(stream_id, threading.Lock())
            return turn

    @contextmanager
    def _alone(self) -> Iterator[Connection[Any]]:
        """Hold the ledger's head: until the block ends, only what is appended through the connection is entered."""
        # One at a time, as the holder reads through a second connection of the pool.
        with self._holding, self._pool.connection() as connection:
            try:
                with connection.transaction():
                    # Appending takes the head, be it nothing that is appended, and holds it until the transaction ends.
                    append(connection, [])
                    yield connection
            except psycopg.OperationalError as error:
                raise WriteFailed(WENT_AWAY) from error

    def _admitted(self, command: Command, context: Context) -> Context:
        """The circumstances, with their time in UTC, if this command may be given in them."""
        role = context.actor.role
        if role not in command.roles:
            FORBIDDEN.refuse(role=role, command=command.name, allowed=", ".join(command.roles))
        at = utc(context.at, "occurredAt")
        OCCURRED_IN_FUTURE.refuse_if(at > self._now() + SKEW)
        return context if at is context.at else replace(context, at=at)

    def _decide(
        self,
        command: Command,
        given: Given,
        context: Context,
        expected_version: int | None,
        basis: Basis,
    ) -> Aggregate:
        handed = {
            parameter: self._argument(command, parameter, hint, given, context, basis)
            for parameter, hint in command.parameters.items()
        }
        aggregate = None if command.creates else self._target(command, given, handed, basis)
        current = aggregate.version if aggregate else 0
        if expected_version not in (None, current):
            kind = command.aggregate.__name__
            VERSION_CONFLICT.refuse(kind=kind, current=current, expected=expected_version)
        if aggregate is None:
            stream_id = uuid5(context.command_id, command.aggregate.__name__)
            created: Aggregate = getattr(command.aggregate, command.method)(context, stream_id, **handed)
            return created
        getattr(aggregate, command.method)(context, **handed)
        return aggregate

    def _target(self, command: Command, given: Given, handed: Mapping[str, Any], basis: Basis) -> Aggregate:
        if command.asked:
            asked = identifier(given, "id")
            if any(isinstance(each, Person) for each in handed.values()):
                return forgetting.customer(asked, basis.history(asked))
            return _replayed(command.aggregate, asked, basis.history(asked))
        assert command.stream
        stream_id = command.stream(handed)
        history = basis.history(stream_id)
        begun: Aggregate | None = command.aggregate.replay(history)
        return begun or command.aggregate.unwritten(stream_id, basis.versions[stream_id])

    def _argument(
        self, command: Command, parameter: str, hint: Any, given: Given, context: Context, basis: Basis
    ) -> Any:
        """The value of one parameter: the fact, a policy in force, an entry, or another aggregate."""
        kind = kind_of(hint)
        if kind is Event:
            return self.entry(position(given))
        if kind is Person:
            BACKDATED.refuse_if(context.at < self._now() - SKEW)
            return self._person(identifier(given, "id"))
        # First the fact, so that publishing a policy is not handed the version before it.
        if issubclass(kind, Event) and kind.aggregate is command.aggregate:
            return fact(kind, given)
        if kind in POLICY_STREAMS:
            return _in_force(kind, basis.history(POLICY_STREAMS[kind]), context.at)
        if kind is not hint and given.get(f"{parameter}_id") is None:
            return None
        asked = identifier(given, f"{parameter}_id")
        return _replayed(kind, asked, basis.history(asked))

    def _person(self, customer_id: UUID) -> Person:
        with self._pool.connection() as connection:
            customers = forgetting.members(connection, customer_id)
            found = forgetting.person(connection, customers)
        absorbed = [forgetting.customer(other, self._history(other)) for other in customers[1:]]
        return replace(found, absorbed=absorbed)

    def in_force(self, policy: type[Event], at: datetime) -> Any:
        """The version of a policy that is in force at an instant; ``None`` when none is published."""
        return _in_force(policy, self._history(POLICY_STREAMS[policy]), at)

    def write(
        self,
        aggregate: Aggregate,
        fingerprint: bytes,
        basis: Basis | None = None,
        connection: Connection[Any] | None = None,
    ) -> Answer:
        """Write the aggregate's pending events, those of one command; gives the ledger's answer, whatever it is.

        Where a ``basis`` is given, every history in it must still stand as it was read, or it is a version conflict.
        Written together with what others write, unless a ``connection`` of one's own is given.
        """
        events = tuple(map(_as_event, aggregate.collect_events()))
        versions = basis.versions if basis else {}
        others = {stream_id: version for stream_id, version in versions.items() if stream_id != aggregate.id}
        answers: list[Answer] = []
        # Not save(): its runtime protocol checks cost more than all the rest of the library's path.
        self.events.put(events, fingerprint=fingerprint, basis=others, answers=answers, connection=connection)
        answer = answers[0]
        if basis and answer.first and answer.outcome == "accepted":
            entered = (replace(event, position=n) for n, event in enumerate(events, answer.first))
            basis.entered(aggregate.id, tuple(event for event in entered if event.stream_id == aggregate.id))
        elif basis:
            basis.forget()
        return answer

    def enter_all(self, begun: Sequence[Aggregate]) -> None:
        """Write the pending events of new aggregates, each as a command of its own, many in a transaction.

        What was written before under the same command id is passed over; what could not be written is still pending.
        """
        stored = [[self.mapper.to_stored_event(event) for event in each.pending_events] for each in begun]
        commits = [commit_of(events, self.vault.fingerprint(b"new")) for events in stored]
        with self._pool.connection() as connection:
            for start in range(0, len(commits), BATCH_MAX):
                append(connection, commits[start : start + BATCH_MAX])
        for each in begun:
            each.pending_events.clear()

    def _done_before(self, command_id: UUID, fingerprint: bytes) -> Done | None:
        with self._pool.connection() as connection:
            row = connection.execute(
                "SELECT c.fingerprint, c.stream_id, e.stream_version, c.first_position, c.last_position"
                " FROM ledger.commands c JOIN ledger.entries e ON e.position = c.last_position"
                " WHERE c.command_id = %s",
                (command_id,),
            ).fetchone()
        if row is None:
            return None
        IDEMPOTENCY_CONFLICT.refuse_if(bytes(row[0]) != fingerprint)
        return Done(row[1], row[2], row[3], row[4], repeated=True)


def _replayed(kind: type[Aggregate], id: UUID, history: History) -> Aggregate:
    found = kind.replay(history)
    if found is None:
        NOT_FOUND.refuse(kind=CAPITAL.sub(" ", kind.__name__).lower(), id=id)
    return found


def _in_force(policy: type[Event], history: History, at: datetime) -> Any:
    published = [event for event in standing(history) if isinstance(event, policy)]
    return next((event for event in reversed(published) if event.effective_from <= at), None)  # type: ignore[attr-defined]


def _as_event(event: Any) -> Event:
    assert isinstance(event, Event)
    return event
