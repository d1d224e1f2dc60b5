"""A mutation for each command of the domain: what comes in, what is done, and what comes back.

A rule that refuses is no error of GraphQL's: it comes back in ``userErrors`` with its code, and nothing was recorded.
"""

import re
import sys
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from enum import Enum
from functools import cache
from typing import Any, NamedTuple
from uuid import UUID

import anyio.to_thread
import strawberry
from strawberry.types.field import StrawberryField

from domain import catalogue  # noqa: F401  (imports every module of the domain)
from domain.command import Command, commands
from domain.command import Context as Circumstances
from domain.customer import Customer
from domain.rule import Refused, Rule

from . import access
from .books import books
from .inputs import CIRCUMSTANCES, command_input, pointed, told
from .names import camel, pascal, uncapital
from .persons import receipt_field
from .plan import KEY
from .reading import STALE
from .request import Context, Ready
from .rows import row_type
from .scalars import Long
from .types import object_type

COMMAND_COST = 10
"""Why: a command reads what it decides on and takes part in a commit."""
PAYLOAD_S_MAX = 2.0
"""Why: a projector that is well is there in a tenth of it; a caller would rather have the answer without the object."""
ENTRY = "customer_history"
"""The read model that shows any one entry by its position."""


class UserError(NamedTuple):
    """Why a command was refused."""

    code: str
    field: str | None
    message: str


class Outcome(NamedTuple):
    """What became of a command."""

    id: UUID | None = None
    version: int | None = None
    position: int | None = None
    repeated: bool = False
    user_errors: Iterable[UserError] = ()


class Shown(NamedTuple):
    """An object of a payload: a row of a book, and what of the entry names it."""

    book: str
    by: str
    """``id`` of what was written to, ``position``, or a column of the entry."""
    doc: str


def mutations() -> list[StrawberryField]:
    """A mutation for each command."""
    return [_mutation(command) for command in commands()]


def rules() -> list[Rule]:
    """The rules of the domain, by code."""
    modules = [module for name, module in sys.modules.items() if name.startswith("domain.")]
    found = {value.code: value for module in modules for value in vars(module).values() if isinstance(value, Rule)}
    return [found[code] for code in sorted(found)]


@cache
def user_error() -> Any:
    """The type of a refusal, with the code of every rule."""
    values = {each.code: strawberry.enum_value(each.code, description=each.sentence) for each in rules()}
    said = "Why a command was refused: the code of a rule, stable and meant for programs."
    made: Any = Enum("UserErrorCode", values)  # type: ignore[misc]
    codes = strawberry.enum(made, name="UserErrorCode", description=said)
    return object_type(
        "UserError",
        "Why a command was refused; nothing was recorded.",
        {
            "code": (codes, "The rule that refused."),
            "field": (str | None, "The field of the input at fault, where there is one."),
            "message": (str, "A sentence for people that says what to do."),
        },
    )


def _mutation(command: Command) -> StrawberryField:
    taken, given_back = command_input(command), _payload(command)

    async def resolve(info: strawberry.Info, input: Any) -> Outcome:
        return await _done(info.context, command, told(input))

    resolve.__annotations__ |= {"input": taken, "return": given_back}
    doc = f"{command.doc} For: {access.listed(command.roles)}."
    field = strawberry.field(resolve, name=camel(command.name), description=doc, metadata={"cost": COMMAND_COST})
    field.python_name = camel(command.name)
    field.arguments[0].description = "What the command needs."
    return field


async def _done(context: Context, command: Command, given: dict[str, Any]) -> Outcome:
    """Do the command; a refusal is an outcome, anything else that fails is an error."""
    key, occurred_at, expected = (given.pop(name, None) for name in CIRCUMSTANCES)
    ledger = context.services.desk.ledger
    circumstances = Circumstances(at=occurred_at or datetime.now(UTC), actor=context.actor, command_id=key)

    def execute() -> Outcome:
        done = ledger.execute(command.name, given, circumstances, expected_version=expected)
        return Outcome(done.stream_id, done.version, done.position, done.repeated)

    try:
        return await anyio.to_thread.run_sync(execute, limiter=context.services.commands)
    except Refused as refused:
        return Outcome(user_errors=[UserError(refused.code, pointed(refused.field), _message(refused))])


def _message(refused: Refused) -> str:
    """What a refusal says, with fields and commands called as they are here."""
    message = str(refused)
    if refused.field:
        message = message.replace(refused.field, pointed(refused.field) or "")
    return re.sub(r"\b[a-z]+(?:_[a-z]+)+\b", lambda found: _commands().get(found[0], found[0]), message)


@cache
def _commands() -> Mapping[str, str]:
    """What the commands are called here, by their names in the domain."""
    return {command.name: camel(command.name) for command in commands()}


def _payload(command: Command) -> Any:
    """The payload type of a command, with the objects it changed or concerns."""
    fields = {
        "id": (UUID | None, f"The {command.aggregate.__name__.lower()} written to; null where nothing was recorded."),
        "version": (int | None, "Its version after the command, to be given as expectedVersion next time."),
        "position": (Long | None, "The position of the entry, to be given as atLeast to read what you wrote."),
        "repeated": (bool, "Whether it had been done before, and this is the first answer again."),
        "user_errors": (list[user_error()], "Why it was refused; empty where it was done."),  # type: ignore[misc]
    }
    made = object_type(f"{pascal(command.name)}Payload", f"What came of the command. {command.doc}", fields)
    definition = made.__strawberry_definition__
    definition.fields.extend(_object(name, shown) for name, shown in _shown(command).items())
    if Customer.Erased in command.parameters.values():
        definition.fields.append(receipt_field())
    return made


def _shown(command: Command) -> Mapping[str, Shown]:
    """The objects of a command's payload by their GraphQL names."""
    aggregate = command.aggregate
    found: dict[str, Shown] = {}
    for book in books().values():
        name = uncapital(book.title)
        if book.key == f"{aggregate.__name__.lower()}_id" and (book.is_hub or book.model.spec.by == "stream_id"):
            found[name] = Shown(book.name, "id", f"The {name} as it now stands")
        elif book.is_hub and hasattr(aggregate, book.key):
            found[name] = Shown(book.name, book.key, f"The {name} it concerns, as it now stands")
    return found | {"entry": Shown(ENTRY, "position", "The entry that was recorded")}


def _object(name: str, shown: Shown) -> StrawberryField:
    async def resolve(info: strawberry.Info, root: Any) -> Ready | None:
        return await _row(info, shown, root)

    resolve.__annotations__ |= {"return": row_type(shown.book) | None}
    late = "null where nothing was recorded, or where the read model did not get there in time: ask again with atLeast"
    field = strawberry.field(resolve, name=name, description=f"{shown.doc}; {late}.")
    field.python_name = name
    return field


async def _row(info: strawberry.Info, shown: Shown, outcome: Outcome) -> Ready | None:
    if outcome.position is None:
        return None
    context: Context = info.context
    key = getattr(outcome, shown.by, None)
    if key is None:
        asked = f"SELECT {shown.by} FROM ledger.entries WHERE position = %s"  # noqa: S608  (a column of ours)
        key = await context.services.reader.value(asked, (outcome.position,))
    try:
        return await context.row(
            info._raw_info, shown.book, {KEY: key}, at_least=outcome.position, wait_s=PAYLOAD_S_MAX
        )
    except Refused as refused:
        if refused.code != STALE.code:
            raise
        return None
