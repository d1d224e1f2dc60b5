"""The input of each command, derived from its declaration, and how what was given becomes the domain's words."""

import dataclasses
from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from typing import Any
from uuid import UUID

from strawberry import UNSET

from domain.command import Command
from domain.event import Event, input_fields
from ledger.input import HANDED, kind_of

from .names import camel, pascal
from .scalars import Long
from .types import Given, input_type, leaves

IDEMPOTENCY_KEY = Given(
    UUID, "Names this command. Sent again with the same input it is not done again, and gives the first answer."
)
OCCURRED_AT = Given(datetime | None, "When it happened; now where it is not given.", UNSET)
EXPECTED_VERSION = Given(int | None, "The version you decided by; where there is a newer one, you are refused.", UNSET)
CIRCUMSTANCES = ("idempotency_key", "occurred_at", "expected_version")


def command_input(command: Command) -> Any:
    """The input type of a command."""
    return input_type(f"{pascal(command.name)}Input", f"What the command needs. {command.doc}", input_of(command))


def input_of(command: Command) -> dict[str, Given]:
    """The fields of a command's input, by their names in Python."""
    found = {"idempotency_key": IDEMPOTENCY_KEY, "occurred_at": OCCURRED_AT}
    if not command.creates:
        found["expected_version"] = EXPECTED_VERSION
    if not command.creates and not command.stream:
        found["id"] = Given(UUID, f"The {command.aggregate.__name__.lower()}'s id.")
    for parameter, hint in command.parameters.items():
        for name, given in _asked(command, parameter, hint):
            assert name not in found, f"{command.name} asks for {name} twice"
            found[name] = given
    return found


def _asked(command: Command, parameter: str, hint: Any) -> Iterator[tuple[str, Given]]:
    """What a caller gives for one parameter: the fields of the fact, an id, a position, or nothing."""
    kind = kind_of(hint)
    if kind is Event:
        yield "position", Given(Long, "The position of the entry.")
    elif issubclass(kind, Event) and kind.aggregate is command.aggregate:
        told = {leaf.field: leaf for leaf in leaves(kind).values()}
        yield from ((field, Given.of(kind, told[field])) for field in input_fields(kind))
    elif kind in HANDED:
        return
    elif kind is hint:
        yield f"{parameter}_id", Given(UUID, f"The {parameter}'s id.")
    else:
        yield f"{parameter}_id", Given(UUID | None, f"The {parameter}'s id, where there is one.", UNSET)


def told(value: Any) -> Any:
    """What an input holds, in plain values by the names the domain uses; what is not given is left out."""
    if dataclasses.is_dataclass(value):
        fields = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
        return {name: told(given) for name, given in fields if given is not None and given is not UNSET}
    if isinstance(value, list):
        return [told(item) for item in value]
    return value.value if isinstance(value, Enum) else value


def pointed(field: str | None) -> str | None:
    """A field of the domain as the input calls it: ``lines[0].amount_minor`` as ``lines[0].amountMinor``."""
    return field and ".".join(map(camel, field.split(".")))
