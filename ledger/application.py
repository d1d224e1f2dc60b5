"""The ledger as an application: a command comes in, the domain decides, entries are written once."""

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple, get_args
from uuid import UUID, uuid5

import msgspec
from eventsourcing.application import AggregateNotFoundError, Application
from eventsourcing.persistence import ApplicationRecorder
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from domain.aggregate import Aggregate
from domain.command import Command, Context, command_named
from domain.event import Event, input_fields
from domain.policy import POLICY_STREAMS
from domain.rule import (
    FORBIDDEN,
    IDEMPOTENCY_CONFLICT,
    INVALID_INPUT,
    NOT_FOUND,
    OCCURRED_IN_FUTURE,
    VERSION_CONFLICT,
    Refused,
)
from domain.vocabulary import TEXT_MAX

from . import canonical
from .reading import decoded, line
from .recorder import EntryMapper, EntryRecorder
from .vault import Vault, personal_fields
from .writer import Answer, Writer

SKEW = timedelta(minutes=1)
"""How far a caller's clock may run ahead of ours."""
ATTEMPTS_MAX = 5
"""Why: a command without an expected version may lose a race and decide anew; five losses mean a hot stream."""
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")


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
        super().__init__()

    def construct_mapper(self) -> EntryMapper:
        """Our mapper: canonical bytes, sealed."""
        return EntryMapper(self.vault)

    def construct_recorder(self) -> ApplicationRecorder:
        """Our recorder: one table, group commit."""
        return EntryRecorder(self._pool, self._writer)

    def execute(
        self, name: str, given: Mapping[str, Any], context: Context, *, expected_version: int | None = None
    ) -> Done:
        """Do the command ``name`` with the input ``given`` (snake_case names to plain values), once.

        The same command id and input again gives the first answer. Raises :class:`~domain.rule.Refused` when a rule
        refuses, and then nothing was recorded.
        """
        command = command_named(name)
        self._check_circumstances(command, context)
        fingerprint = _fingerprint(name, given, context)
        for attempt in range(1, ATTEMPTS_MAX + 1):
            try:
                aggregate = self._decide(command, given, context, expected_version)
            except Refused:
                # A repeated command usually breaks a rule because it was done: then the first answer stands.
                if done := self._done_before(context.command_id, fingerprint):
                    return done
                raise
            version = aggregate.version
            answer = self._write(aggregate, context.command_id, fingerprint)
            if answer.outcome == "accepted":
                assert answer.first is not None
                assert answer.last is not None
                return Done(aggregate.id, version, answer.first, answer.last, repeated=False)
            if answer.outcome != "version_conflict":
                break
            if expected_version is not None or attempt == ATTEMPTS_MAX:
                kind, current = command.aggregate.__name__, self._version(aggregate.id)
                VERSION_CONFLICT.refuse(kind=kind, current=current, expected=expected_version or version - 1)
        done = self._done_before(context.command_id, fingerprint)
        assert done is not None, "the writer said the command was done before"
        return done

    def load(self, kind: type[Aggregate], id: UUID, version: int | None = None) -> Aggregate:
        """The aggregate of that kind and id, as of a version where given; refuses ``NOT_FOUND``."""
        try:
            found: Aggregate = self.repository.get(id, version=version)
        except AggregateNotFoundError:
            NOT_FOUND.refuse(kind=kind.__name__, id=id)
        NOT_FOUND.refuse_if(not isinstance(found, kind), kind=kind.__name__, id=id)
        return found

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

    def _check_circumstances(self, command: Command, context: Context) -> None:
        role = context.actor.role
        allowed = ", ".join(role.value for role in command.roles)
        FORBIDDEN.refuse_if(role not in command.roles, role=role, command=command.name, allowed=allowed)
        OCCURRED_IN_FUTURE.refuse_if(context.at > self._now() + SKEW)

    def _decide(
        self, command: Command, given: Mapping[str, Any], context: Context, expected_version: int | None
    ) -> Aggregate:
        arguments: dict[str, Any] = {}
        for parameter, hint in command.parameters.items():
            arguments[parameter] = self._argument(command, parameter, hint, given, context)
        if command.creates:
            stream_id = uuid5(context.command_id, command.aggregate.__name__)
            created: Aggregate = getattr(command.aggregate, command.method)(context, stream_id, **arguments)
            return created
        aggregate = self._target(command, given)
        if expected_version is not None:
            VERSION_CONFLICT.refuse_if(
                expected_version != aggregate.version,
                kind=command.aggregate.__name__,
                current=aggregate.version,
                expected=expected_version,
            )
        getattr(aggregate, command.method)(context, **arguments)
        return aggregate

    def _target(self, command: Command, given: Mapping[str, Any]) -> Aggregate:
        if not command.stream:
            return self.load(command.aggregate, _id(given, "id"))
        stream_id = command.stream(given)
        try:
            return self.load(command.aggregate, stream_id)
        except Refused:
            unwritten: Aggregate = command.aggregate.unwritten(stream_id)
            return unwritten

    def _argument(self, command: Command, parameter: str, hint: Any, given: Mapping[str, Any], context: Context) -> Any:
        """The value of one parameter: the fact, a policy in force, an entry, or another aggregate."""
        kind: Any = next((part for part in get_args(hint) if isinstance(part, type) and part is not type(None)), hint)
        optional = kind is not hint
        if kind is Event:
            return self.entry(given["position"])
        if kind in POLICY_STREAMS:
            return self._in_force(kind, context.at)
        if issubclass(kind, Event):
            assert kind.aggregate is command.aggregate
            return fact(kind, given)
        if optional and given.get(f"{parameter}_id") is None:
            return None
        return self.load(kind, _id(given, f"{parameter}_id"))

    def _in_force(self, policy: type[Event], at: datetime) -> Any:
        published = self.events.get(POLICY_STREAMS[policy])
        in_force = [event for event in published if isinstance(event, policy) and event.effective_from <= at]  # type: ignore[attr-defined]
        return in_force[-1] if in_force else None

    def _write(self, aggregate: Aggregate, command_id: UUID, fingerprint: bytes) -> Answer:
        answers: list[Answer] = []
        # Not save(): its runtime protocol checks cost more than all the rest of the library's path.
        self.events.put(aggregate.collect_events(), command_id=command_id, fingerprint=fingerprint, answers=answers)
        return answers[0]

    def _version(self, stream_id: UUID) -> int:
        found = self.recorder.select_events(stream_id, desc=True, limit=1)
        return found[0].originator_version if found else 0

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


def fact(kind: type[Event], given: Mapping[str, Any]) -> Event:
    """The event that input describes; refuses ``INVALID_INPUT`` with the field where a value does not fit."""
    fields = {field: given[field] for field in input_fields(kind) if given.get(field) is not None}
    try:
        built: Event = msgspec.convert(fields | {"type": kind.__struct_config__.tag}, kind)
    except msgspec.ValidationError as error:
        path = str(error).partition(" - at `$.")[2].rstrip("`")
        raise Refused(INVALID_INPUT.code, str(error).replace("`$.", "`"), path or _missing(str(error))) from None
    for field in personal_fields(kind):
        length = len(getattr(built, field) or "")
        if length > TEXT_MAX:
            raise Refused(INVALID_INPUT.code, f"{field} has {length} characters; at most {TEXT_MAX} are kept.", field)
    try:
        encoded = canonical.encode(fields)
    except UnicodeEncodeError:
        raise Refused(
            INVALID_INPUT.code, "The text holds half a character (a lone surrogate); send valid Unicode."
        ) from None
    INVALID_INPUT.refuse_if(NUL.search(encoded), problem="The text holds a NUL character; remove it.")
    return built


def _missing(message: str) -> str | None:
    found = re.search(r"missing required field `(\w+)`", message)
    return found.group(1) if found else None


def _id(given: Mapping[str, Any], name: str) -> UUID:
    value = given.get(name)
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        raise Refused(INVALID_INPUT.code, f"{name} must be a UUID, not {value!r}.", name) from None


def _fingerprint(name: str, given: Mapping[str, Any], context: Context) -> bytes:
    """What makes two commands the same: name, input and actor."""
    told = {key: value for key, value in given.items() if value is not None}
    return hashlib.sha256(canonical.encode([name, context.actor.id, told])).digest()
