"""One request while it is answered: who asks, what with, and how the books are read for it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar, cast
from uuid import UUID

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from graphql import ExecutionResult, FieldNode, GraphQLField, GraphQLResolveInfo, GraphQLSchema, located_error
from psycopg import Connection

from domain.command import Actor
from domain.event import Event
from domain.look import LookPurpose
from domain.vocabulary import ActorKind
from ledger.subjects import subject_of
from ledger.vault import subject_in

from ..auth import Viewer
from ..wiring import Desk
from . import access, past
from .books import asked_by
from .operations import Operation
from .plan import Plan, Planner
from .reading import Reader
from .selection import Scope, Selected, Variables, selected
from .shape import Sealing, struct

Info = GraphQLResolveInfo[Any]

COMMANDS_MAX = 128
"""Why: commands wait for a commit together, and the more wait, the more one commit writes; half a page is plenty."""
METRICS_MAX = 2
"""Why: a metric keeps a core of the database busy; a small server has two."""
FOLDING_MAX = 2
"""Why: folding keeps a core of this process busy, and all other requests share it."""
OPENED_AT_ONCE_MAX = 200
"""Why: so many take a millisecond or two, for which no other request should wait longer."""
Told = TypeVar("Told")


class Services:
    """What requests are answered with, one set for the process."""

    def __init__(self, desk: Desk, reader: Reader) -> None:
        """Read through ``reader``, do all else through ``desk``."""
        self.desk, self.reader = desk, reader
        self.commands, self.metrics = CapacityLimiter(COMMANDS_MAX), CapacityLimiter(METRICS_MAX)
        self.folding = CapacityLimiter(FOLDING_MAX)


class Ready(NamedTuple):
    """A value that is already as the answer has it, so that nothing below it is resolved."""

    value: Any


class Direct(NamedTuple):
    """A field of a query that one statement answers."""

    plan: Plan
    nodes: list[FieldNode]
    nullable: bool


class Take(NamedTuple):
    """What a request is for, beyond an answer."""

    purpose: LookPurpose
    taken: str | None
    subjects: Collection[UUID]


NOTHING = Take(LookPurpose.ANSWER, None, ())


class Context:
    """What a request is answered with."""

    def __init__(self, services: Services, viewer: Viewer, operation: Operation, variables: Variables) -> None:
        """Answer ``viewer``'s ``operation`` with ``variables``; refuses ``BAD_CURSOR``."""
        self.services, self.viewer, self.operation = services, viewer, operation
        self.sealing: Sealing = [] if viewer.role in access.PERSONAL else None
        self.actor = Actor(kind=ActorKind.EMPLOYEE, id=viewer.subject, role=viewer.role)
        self._takes: list[Take] = []
        self.form = operation.form(variables)
        self.scope = Scope(operation.fragments, variables)

    async def row(
        self,
        info: Info,
        book: str,
        key: Mapping[str, Any] | None = None,
        *,
        at_least: int | None = None,
        wait_s: float | None = None,
    ) -> Ready | None:
        """The selected parts of a row of a book, its key given by the field's argument or by ``key``."""
        plan = self._planned(info, lambda planner, field: planner.one(book, field, info.field_nodes))
        value = await self._answer(plan, key or {}, at_least, wait_s)
        return None if value is None else Ready(value)

    async def page(self, info: Info, book: str, at_least: int | None = None) -> Ready:
        """The selected parts of a page of a book."""
        plan = self._planned(info, lambda planner, field: planner.many(book, field, info.field_nodes))
        return Ready(await self._answer(plan, {}, at_least))

    async def fold(self, work: Callable[[Connection[Any]], Told]) -> Told:
        """What some work on the ledger gives, done in a thread and on a connection of its own."""
        url = self.services.desk.url
        return await anyio.to_thread.run_sync(lambda: past.folding(url, work), limiter=self.services.folding)

    def shaped(self, info: Info, declared: type[msgspec.Struct], values: Any) -> Ready:
        """The selected parts of a struct, or of several, given as the dicts their JSON is."""
        chosen = Selected(str(info.path.key), info.field_name, info.field_nodes)
        shape = struct(declared, chosen, self.scope)
        if isinstance(values, list):
            return Ready([shape(value, self.sealing) for value in values])
        return Ready(shape(values, self.sealing))

    def direct(self, schema: GraphQLSchema) -> Mapping[str, Direct] | None:
        """The reads that answer the whole operation, where it asks for rows and pages of the books and nothing else.

        Refuses as the planner does.
        """
        found: Mapping[str, Direct] | None = self._kept("direct", lambda: self._direct(schema))
        return found

    async def read(self, asked: Mapping[str, Direct]) -> ExecutionResult:
        """The result of an operation that is answered by reads alone."""
        reads = [self._read(direct.plan, {}) for direct in asked.values()]
        found = await asyncio.gather(*reads, return_exceptions=True) if len(reads) > 1 else [await _settled(reads[0])]
        data: dict[str, Any] | None = dict(zip(asked, found, strict=True))
        errors = []
        for (key, direct), value in zip(asked.items(), found, strict=True):
            if isinstance(value, BaseException):
                errors.append(located_error(cast(Exception, value), direct.nodes, [key]))
                if data is not None:
                    data[key] = None
                # A page is never null, so without one there is no data at all.
                data = data if direct.nullable else None
        return ExecutionResult(data, errors or None)

    async def open(self) -> None:
        """Open all sealed values of the answer, and take note of who sees what; unless that is noted, none is seen."""
        sealing = self.sealing or []
        texts: list[str | None] = []
        try:
            if sealing:
                texts = await self._opened([(sealed.field, sealed.sealed) for sealed in sealing])
        finally:
            await self._note([(s.field, s.sealed) for s, text in zip(sealing, texts, strict=False) if text is not None])
        for sealed, text in zip(sealing, texts, strict=True):
            sealed.text = text

    async def _opened(self, values: list[tuple[str, str]]) -> list[str | None]:
        """The clear texts of values: at once, or in a thread where keys must be looked up or there are many."""
        vault = self.services.desk.vault
        texts = vault.open_held(values) if len(values) <= OPENED_AT_ONCE_MAX else None
        return await anyio.to_thread.run_sync(vault.open_many, values) if texts is None else texts

    async def _note(self, seen: list[tuple[str, str]]) -> None:
        """Take note of what was seen, and of what each part of the request took."""
        looks = self.services.desk.looks
        for take, values in _shared(self._takes, seen):
            noted = partial(looks.note, self.actor, take.purpose, values, subjects=take.subjects, taken=take.taken)
            if looks.is_full:
                # What waits has to be entered first, and no other request should wait for that.
                await anyio.to_thread.run_sync(noted)
            else:
                noted()

    def takes(self, purpose: LookPurpose, taken: str, entries: Iterable[Event]) -> None:
        """Note that the request is for more than an answer: some entries are taken out of the ledger."""
        self._takes.append(Take(purpose, taken, {subject_of(entry) for entry in entries}))

    async def _answer(
        self, plan: Plan, key: Mapping[str, Any], at_least: int | None, wait_s: float | None = None
    ) -> Any:
        """A plan's answer, once the views that it reads stand far enough."""
        await self.services.reader.wait(plan.models, at_least, wait_s)
        return await self._read(plan, key)

    async def _read(self, plan: Plan, key: Mapping[str, Any]) -> Any:
        variables = {**self.scope.variables, **key}
        if plan.moments:
            source = await self.fold(lambda on: past.read(on, plan, variables))
        else:
            source = await self.services.reader.json(plan.statement, plan.parameters(variables))
        return None if source is None else plan.shape(source, self.sealing)

    def _planned(self, info: Info, planned: Callable[[Planner, GraphQLField], Plan]) -> Plan:
        def plan() -> Plan:
            return planned(Planner(self.scope, self.viewer.role), info.parent_type.fields[info.field_name])

        found: Plan = self._kept(tuple(info.path.as_list()), plan)
        return found

    def _kept(self, what: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for an operation of this form and a viewer of this role, or is made now and kept."""
        return self.operation.kept((what, self.viewer.role, self.form), make)

    def _direct(self, schema: GraphQLSchema) -> dict[str, Direct] | None:
        if self.operation.writes or schema.query_type is None:
            return None
        found: dict[str, Direct] = {}
        for chosen in selected([self.operation.node], self.scope):
            book = asked_by(chosen.name)
            if book is None or any(given.name.value == "atLeast" for given in chosen.nodes[0].arguments or ()):
                return None
            planner, field = Planner(self.scope, self.viewer.role), schema.query_type.fields[chosen.name]
            plan = planner.many if chosen.name == book.many else planner.one
            found[chosen.key] = Direct(plan(book.name, field, chosen.nodes), chosen.nodes, chosen.name == book.one)
        return found


def _shared(takes: Sequence[Take], seen: list[tuple[str, str]]) -> list[tuple[Take, list[tuple[str, str]]]]:
    """What was seen for each part of a request; where there are several, by whose it is."""
    if len(takes) <= 1:
        return [(takes[0] if takes else NOTHING, seen)]
    by_subject = [{subject.bytes for subject in take.subjects} for take in takes]
    known = set[bytes]().union(*by_subject)
    parts = [
        (take, [value for value in seen if subject_in(value[1]) in whose])
        for take, whose in zip(takes, by_subject, strict=True)
    ]
    return [*parts, (NOTHING, [value for value in seen if subject_in(value[1]) not in known])]


async def _settled(read: Awaitable[Any]) -> Any:
    try:
        return await read
    except Exception as error:  # noqa: BLE001  (whatever it is, it is told as the field's error)
        return error
