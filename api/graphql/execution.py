"""Answers a request: prepared once for each text, then executed by graphql-core over Strawberry's schema.

An operation that asks the books and nothing else is answered without the executor, by the statements planned for it.
In any other, what is read from the books comes back from its resolver ready, in one piece, and graphql-core executes
the rest.
"""

import secrets
from collections.abc import Mapping
from typing import Any, NamedTuple, cast

import msgspec
import psycopg
from graphql import ExecutionResult, Executor, GraphQLError, GraphQLSchema
from graphql.execution.values import get_variable_values
from strawberry.execution import optimized_is_awaitable

from domain.rule import Refused
from ledger.database import DatabaseUnavailable
from ledger.vault import VaultError

from ..auth import Viewer
from . import errors
from .limits import COST_MAX
from .operations import Operations
from .request import Context, Ready, Services
from .shape import Sealed


class Reading(Executor[Any]):
    """Executes as graphql-core does, and takes what is ready as it is."""

    def complete_value(self, return_type: Any, details: Any, info: Any, path: Any, result: Any, context: Any) -> Any:
        """Complete a value unless it is ready."""
        if type(result) is Ready:
            return result.value
        return super().complete_value(return_type, details, info, path, result, context)


class Asked(NamedTuple):
    """What a request asks."""

    query: str
    operation_name: str | None
    variables: Mapping[str, Any]


class Answer(NamedTuple):
    """The answer to a request."""

    body: bytes
    status: int
    """How HTTP tells what became of it: 200 executed, 400 the request was at fault, 500 or 503 we were."""


class Answering:
    """Answers requests against one schema."""

    def __init__(self, schema: GraphQLSchema, services: Services, *, introspection: bool) -> None:
        """Answer with ``services``; ``introspection`` also tells the schema itself."""
        self._schema, self._services, self._hidden = schema, services, not introspection
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
        definitions = operation.node.variable_definitions or ()
        given = get_variable_values(self._schema, definitions, dict(asked.variables), hide_suggestions=self._hidden)
        if isinstance(given, list):
            return _refused(given, request_id)
        context = Context(self._services, viewer, operation, given.coerced)
        cost = operation.cost(self._schema, given.coerced, context.form)
        try:
            asked_of_books = context.direct(self._schema)
        except Refused:
            # The executor comes upon it again, and tells it with its place.
            asked_of_books = None
        result = await (context.read(asked_of_books) if asked_of_books else self._executed(asked, context))
        told: dict[str, Any] = {"data": result.data}
        problems = [errors.formatted(error, request_id) for error in result.errors or ()]
        try:
            await context.open()
        except (VaultError, psycopg.Error, DatabaseUnavailable) as error:
            # What was done and read stands all the same; only the personal texts stay null.
            message, extensions = errors.told(error, request_id)
            problems.append({"message": message, "extensions": extensions})
        if problems:
            told["errors"] = problems
        told["extensions"] = {"cost": {"requested": cost, "maximum": COST_MAX}}
        return Answer(_encoded(told), 200)

    async def _executed(self, asked: Asked, context: Context) -> ExecutionResult:
        executor = Reading.build(
            self._schema,
            context.operation.document,
            context_value=context,
            raw_variable_values=dict(asked.variables),
            operation_name=asked.operation_name,
            is_awaitable=cast(Any, optimized_is_awaitable),
            hide_suggestions=self._hidden,
        )
        assert not isinstance(executor, list), "the variables were found to fit"
        result: Any = executor.execute_operation()
        return cast(ExecutionResult, result if isinstance(result, ExecutionResult) else await result)


def _refused(found: list[GraphQLError], request_id: str) -> Answer:
    return Answer(_encoded({"errors": [errors.formatted(error, request_id) for error in found]}), 400)


def _clear(value: Any) -> Any:
    if isinstance(value, Sealed):
        return value.text
    raise TypeError(f"{type(value).__name__} does not belong in an answer")


_encoded = msgspec.json.Encoder(enc_hook=_clear).encode
