"""Commands: the public methods of aggregates that may record events, or refuse.

A command's signature is its declaration. The first parameter is the :class:`Context`. Of the others, one typed as
an event of the same aggregate is the fact to be recorded, and its fields are the command's input; one typed as an
aggregate is asked for by id and handed over loaded; one typed as a policy receives the version in force.
From this the GraphQL mutation, its input and its payload are derived.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, NamedTuple, TypeVar, get_type_hints
from uuid import UUID

import msgspec

from .text import first_sentence
from .vocabulary import ActorKind, Role

_COMMANDS: dict[str, Command] = {}

Stream = Callable[[Mapping[str, Any]], UUID]
F = TypeVar("F", bound=Callable[..., Any])


class Actor(msgspec.Struct, frozen=True, kw_only=True):
    """Who acts."""

    kind: ActorKind
    id: str
    role: Role | None = None


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a command knows of its circumstances, so that the domain needs no clock and no global."""

    at: datetime
    """Business time of what is recorded."""
    actor: Actor
    """Who acts."""
    command_id: UUID
    """Names the command; doing it twice under one id records it once."""
    causation_id: UUID | None = None
    """The command or entry that led to this one."""
    correlation_id: UUID | None = None
    """What this is part of."""
    source: str | None = None
    """Where an imported fact comes from."""
    external_id: str | None = None
    """The fact's own id in that source."""


class Command(NamedTuple):
    """A command as declared: what it is called, who may give it, and what it asks for."""

    name: str
    aggregate: type[Any]
    method: str
    roles: tuple[Role, ...]
    creates: bool
    stream: Stream | None
    """Gives the stream the command writes to, from what is handed to the method, where it is not asked for by id."""
    doc: str
    parameters: Mapping[str, Any]
    """The types of the parameters after the context, by name."""

    @property
    def asked(self) -> bool:
        """Whether the aggregate it writes to is asked for by id."""
        return not self.creates and self.stream is None


def command(*roles: Role, name: str | None = None, stream: Stream | None = None) -> Callable[[F], F]:
    """Declare a public method as a command that the given roles may send; the admin may send every one.

    The command is called ``method_aggregate`` unless a ``name`` says it better. A class method creates the
    aggregate. With ``stream`` the command writes to the history that function names, given the method's arguments by
    name, and begins it when it is empty.
    """

    def declare(method: F) -> F:
        function: Any = getattr(method, "__func__", method)
        function.declared = (roles, name, stream)
        return method

    return declare


def collect(aggregate: type[Any]) -> None:
    """Enter the commands of an aggregate class; called when the class is defined."""
    for method, attribute in vars(aggregate).items():
        function = getattr(attribute, "__func__", attribute)
        if declared := getattr(function, "declared", None):
            roles, name, stream = declared
            name = name or f"{method}_{aggregate.__name__.lower()}"
            _COMMANDS[name] = Command(
                name=name,
                aggregate=aggregate,
                method=method,
                roles=tuple(dict.fromkeys((*roles, Role.ADMIN))),
                creates=isinstance(attribute, classmethod),
                stream=stream,
                doc=first_sentence(function.__doc__),
                parameters={},
            )


def commands() -> Iterator[Command]:
    """Every declared command with its parameters, by name."""
    return (command_named(name) for name in sorted(_COMMANDS))


def command_named(name: str) -> Command:
    """The command of that name with its parameters; raises ``KeyError`` for an unknown name."""
    found = _COMMANDS[name]
    if not found.parameters:
        declared = vars(found.aggregate)[found.method]
        scope = dict(vars(found.aggregate))
        hints = get_type_hints(getattr(declared, "__func__", declared), localns=scope, include_extras=True)
        given = ("context", "id", "return")
        found = found._replace(parameters={name: hint for name, hint in hints.items() if name not in given})
        _COMMANDS[name] = found
    return found
