"""Answers a request: prepared once for each text, then executed by graphql-core over Strawberry's schema.

What is read from the books comes back from its resolver ready, planned and shaped in one piece; graphql-core executes
all the rest. Strawberry's own ``execute`` parses and validates through extensions each time and costs half as much
again as all that is done here.
"""

import secrets
from collections.abc import Callable, Hashable, Mapping
from typing import Any, NamedTuple, cast

import anyio.to_thread
import msgspec
from anyio import CapacityLimiter
from graphql import ExecutionResult, Executor, GraphQLError, GraphQLField, GraphQLResolveInfo, GraphQLSchema
from strawberry.execution import optimized_is_awaitable

from domain.rule import Refused

from ..auth import Viewer
from ..wiring import Desk
from . import access, errors
from .limits import COST_MAX
from .operations import Operation, Operations
from .plan import KEY, Plan, Planner
from .reading import Reader
from .selection import Scope, Selected
from .shape import Sealed, Sealing, struct

Info = GraphQLResolveInfo[Any]

COMMANDS_MAX = 128
"""Why: commands wait for a commit together, and the more wait, the more one commit writes; half a page is plenty."""
OPENED_AT_ONCE_MAX = 200
"""Why: so many take a millisecond or two, for which no other request should wait longer."""
METRICS_MAX = 2
"""Why: a metric keeps a core of the database busy; a small server has two."""


class Ready(NamedTuple):
    """A value that is already as the answer has it, so that nothing below it is resolved."""

    value: Any


class Reading(Executor[Any]):
    """Executes as graphql-core does, and takes what is ready as it is."""

    def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, result: Any, context: Any) -> Any:
        """Complete a value unless it is ready."""
        if type(result) is Ready:
            return result.value
        return super().complete_value(return_type, details, info, path, result, context)


class Services:
    """What requests are answered with, one set for the process."""

    def __init__(self, desk: Desk, reader: Reader) -> None:
        """Read through ``reader``, do all else through ``desk``."""
        self.desk, self.reader = desk, reader
        self.commands, self.metrics = CapacityLimiter(COMMANDS_MAX), CapacityLimiter(METRICS_MAX)


class Asked(NamedTuple):
    """What a request asks."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any]


class Context:
    """One request while it is answered."""

    def __init__(self, services: Services, viewer: Viewer, operation: Operation) -> None:
        """Answer ``viewer``'s ``operation``."""
        self.services, self.viewer, self.operation = services, viewer, operation
        self.form: Hashable = None
        self.sealing: Sealing = [] if viewer.role in access.PERSONAL else None

    async def row(
        self, info: Info, book: str, key: Any, at_least: int | None = None, wait_s: float | None = None
    ) -> Ready | None:
        """The selected parts of the row of a book with that key, waited for where it must stand at a position."""
        plan = self._plan(info, lambda planner, field: planner.one(book, field, info.field_nodes))
        await self.services.reader.wait(plan.models, at_least, wait_s)
        return await self._read(plan, {**plan.parameters(variables(info)), KEY: key})

    async def page(self, info: Info, book: str, at_least: int | None = None) -> Ready | None:
        """The selected parts of a page of a book."""
        plan = self._plan(info, lambda planner, field: planner.many(book, field, info.field_nodes))
        await self.services.reader.wait(plan.models, at_least)
        return await self._read(plan, plan.parameters(variables(info)))

    async def _read(self, plan: Plan, parameters: Mapping[str, Any]) -> Ready | None:
        source = await self.services.reader.json(plan.statement, parameters)
        return None if source is None else Ready(plan.shape(source, self.sealing))

    def shaped(self, info: Info, declared: type[msgspec.Struct], values: Any) -> Ready:
        """The selected parts of a struct, or of several, given as the dicts their JSON is."""
        chosen = Selected(str(info.path.key), info.field_name, info.field_nodes)
        shape = struct(declared, chosen, self.scope(info))
        if isinstance(values, list):
            return Ready([shape(value, self.sealing) for value in values])
        return Ready(shape(values, self.sealing))

    def _plan(self, info: Info, planned: Callable[[Planner, GraphQLField], Plan]) -> Plan:
        key = (tuple(info.path.as_list()), self.viewer.role, self.form)
        plan = self.operation.plan(key)
        if plan is None:
            planner = Planner(self.scope(info), self.viewer.role)
            plan = planned(planner, info.parent_type.fields[info.field_name])
            self.operation.keep(key, plan)
        return plan

    def scope(self, info: Info) -> Scope:
        """What names stand for in this request."""
        return Scope(self.operation.fragments, variables(info))


def variables(info: Info) -> Mapping[str, Any]:
    """The variables of a request with their defaults, as Python values."""
    return info.variable_values.coerced


class Answer(NamedTuple):
    """The answer to a request."""

    body: bytes
    status: int
    """How HTTP tells what became of it: 200 executed, 400 the request was at fault, 500 or 503 we were."""


class Answering:
    """Answers requests against one schema."""

    def __init__(self, schema: GraphQLSchema, services: Services, *, introspection: bool) -> None:
        """Answer with ``services``; ``introspection`` also tells the schema itself."""
        self._schema, self._services, self._introspection = schema, services, introspection
        self._operations = Operations(schema, introspection=introspection)

    async def answer(self, asked: Asked, viewer: Viewer) -> Answer:
        """Answer what is asked; whatever goes wrong is part of the answer."""
        request_id = secrets.token_hex(8)
        try:
            return await self._answer(asked, viewer, request_id)
        except Exception as error:  # noqa: BLE001  (the one place where an unexpected error becomes an answer)
            message, extensions = errors.told(error, request_id)
            body = _encoded({"errors": [{"message": message, "extensions": extensions}]})
            return Answer(body, 400 if isinstance(error, Refused) else errors.status(extensions["code"]))

    async def _answer(self, asked: Asked, viewer: Viewer, request_id: str) -> Answer:
        operation = self._operations.prepared(asked.query, asked.operation_name)
        if isinstance(operation, list):
            return _refused(operation, request_id)
        context = Context(self._services, viewer, operation)
        executor = Reading.build(
            self._schema,
            operation.document,
            context_value=context,
            raw_variable_values=dict(asked.variables),
            operation_name=asked.operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
            hide_suggestions=not self._introspection,
        )
        if isinstance(executor, list):
            return _refused(executor, request_id)
        coerced = executor.variable_values.coerced
        context.form = operation.form(coerced)
        cost = operation.cost(self._schema, coerced, context.form)
        result: Any = executor.execute_operation()
        if not isinstance(result, ExecutionResult):
            result = await result
        return await self._told(result, context, cost, request_id)

    async def _told(self, result: ExecutionResult, context: Context, cost: int, request_id: str) -> Answer:
        told: dict[str, Any] = {"data": result.data}
        problems = [errors.formatted(error, request_id) for error in result.errors or ()]
        if context.sealing:
            await self._open(context.sealing)
        if problems:
            told["errors"] = problems
        told["extensions"] = {"cost": {"requested": cost, "maximum": COST_MAX}}
        return Answer(_encoded(told), 200)

    async def _open(self, sealing: list[Sealed]) -> None:
        """Open all sealed values of an answer at once; in a thread where keys must be looked up, or there are many."""
        vault, values = self._services.desk.vault, [(sealed.field, sealed.sealed) for sealed in sealing]
        texts = vault.open_held(values) if len(values) <= OPENED_AT_ONCE_MAX else None
        if texts is None:
            texts = await anyio.to_thread.run_sync(vault.open_many, values)
        for sealed, text in zip(sealing, texts, strict=True):
            sealed.text = text


def _refused(found: list[GraphQLError], request_id: str) -> Answer:
    return Answer(_encoded({"errors": [errors.formatted(error, request_id) for error in found]}), 400)


def _clear(value: Any) -> Any:
    if isinstance(value, Sealed):
        return value.text
    raise TypeError(f"{type(value).__name__} does not belong in an answer")


_encoded = msgspec.json.Encoder(enc_hook=_clear).encode
