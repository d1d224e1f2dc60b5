"""What comes in with a command: checked, and refused with the field at fault where it cannot be kept."""

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Any, NoReturn, get_args
from uuid import UUID

import msgspec
from msgspec.structs import replace

from domain.command import Command, Context, command_named
from domain.event import Event, input_fields, personal_fields
from domain.misfit import Misfit
from domain.person import Person
from domain.policy import POLICY_STREAMS
from domain.rule import INVALID_INPUT, Refused
from domain.vocabulary import NAME_MAX, REFERENCE_MAX, TEXT_MAX

from . import canonical

POSITION_MAX = 2**63 - 1
"""Why: the largest number a position's column holds."""
NUL_SEEMS = rb"\u0000"
NUL = re.compile(rb"(?<!\\)(?:\\\\)*\\u0000")
"""A NUL character in JSON, and not the six letters that look like one."""

HANDED = {*POLICY_STREAMS, Person}
"""What a command is handed without being asked for it."""

Given = Mapping[str, Any]
"""A command's input: snake_case names to plain values."""


def named(name: str) -> Command:
    """The command of that name; refuses ``INVALID_INPUT`` where there is none."""
    try:
        return command_named(name)
    except KeyError:
        refuse(f"There is no command called {name}.")


def refuse(problem: str, field: str | None = None) -> NoReturn:
    """Refuse ``INVALID_INPUT``, naming the field at fault."""
    raise Refused(INVALID_INPUT.code, problem, field)


def told(command: Command, given: Given, context: Context) -> bytes:
    """The canonical bytes of a command's input, by which it is known again.

    Refuses ``INVALID_INPUT`` for an unknown field, and for text that cannot be kept.
    """
    if unknown := given.keys() - _fields(command.name):
        field = min(unknown)
        refuse(f"{command.name} takes no {field}.", field)
    for field, text, most in (
        ("actor", context.actor.id, NAME_MAX),
        ("source", context.source, REFERENCE_MAX),
        ("external_id", context.external_id, REFERENCE_MAX),
    ):
        if text is not None and not (text.strip() and len(text) <= most):
            refuse(f"{field} must have 1 to {most} characters, and not only blanks.", field)
    values = {field: value for field, value in given.items() if value is not None}
    try:
        encoded = canonical.encode([command.name, context.actor.id, context.source, context.external_id, values])
    except UnicodeEncodeError:
        refuse("The text holds half a character (a lone surrogate); send valid Unicode.")
    if NUL_SEEMS in encoded and NUL.search(encoded):
        refuse("The text holds a NUL character; remove it.")
    return encoded


@cache
def _fields(name: str) -> frozenset[str]:
    """The names of everything a command may be given."""
    command = command_named(name)
    fields = {"id"} if command.asked else set()
    for parameter, hint in command.parameters.items():
        kind = kind_of(hint)
        if kind is Event:
            fields.add("position")
        elif issubclass(kind, Event) and kind.aggregate is command.aggregate:
            fields.update(input_fields(kind))
        elif kind not in HANDED:
            fields.add(f"{parameter}_id")
    return frozenset(fields)


@cache
def kind_of(hint: Any) -> type[Any]:
    """The class a parameter takes, whether or not it may be left out."""
    kinds = [part for part in get_args(hint) if isinstance(part, type) and part is not type(None)]
    kind: type[Any] = kinds[0] if kinds else hint
    return kind


def fact(kind: type[Event], given: Given) -> Event:
    """The event that input describes, its times in UTC; refuses ``INVALID_INPUT`` where a value does not fit."""
    fields = {field: given[field] for field in input_fields(kind) if given.get(field) is not None}
    if blank := next(_blank(fields), None):
        needed = any(each.required for each in msgspec.structs.fields(kind) if each.name == blank)
        refuse(f"{blank} is blank; fill it in{'' if needed else ', or leave it out'}.", blank)
    try:
        built: Event = msgspec.convert(fields | {"type": kind.__struct_config__.tag}, kind)
    except msgspec.ValidationError as error:
        misfit = Misfit.of(error)
        refuse(f"{misfit.sentence}.", misfit.path or None)
    for field in personal_fields(kind):
        if (length := len(getattr(built, field) or "")) > TEXT_MAX:
            refuse(f"{field} has {length} characters; at most {TEXT_MAX} are kept.", field)
    times = {field: value for field in fields if isinstance(value := getattr(built, field), datetime)}
    return replace(built, **{field: utc(value, field) for field, value in times.items()}) if times else built


def _blank(value: Any, path: str = "") -> Iterator[str]:
    """Where in an input there is text without a character to read, which no field of text is for."""
    match value:
        case str() if not value.strip():
            yield path
        case dict():
            for name, part in value.items():
                yield from _blank(part, f"{path}.{name}" if path else str(name))
        case list():
            for number, part in enumerate(value):
                yield from _blank(part, f"{path}[{number}]")


def identifier(given: Given, name: str) -> UUID:
    """The UUID given under a name; refuses ``INVALID_INPUT`` where it is none."""
    value = given.get(name)
    try:
        return value if isinstance(value, UUID) else UUID(str(value))
    except ValueError:
        refuse(f"{name} must be a UUID.", name)


def position(given: Given) -> int:
    """The position given; refuses ``INVALID_INPUT`` where it is none."""
    value = given.get("position")
    if isinstance(value, str) and value.isascii() and value.isdigit():
        value = int(value[:20])
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value <= POSITION_MAX:
        refuse("position must be an entry's number, from 1.", "position")
    return value


def utc(at: datetime, field: str) -> datetime:
    """An instant in UTC; refuses ``INVALID_INPUT`` without a time zone, and outside the years 1 to 9999."""
    if at.tzinfo is UTC:
        return at
    if at.tzinfo is None:
        refuse(f"{field} needs a time zone.", field)
    try:
        return at.astimezone(UTC)
    except OverflowError:
        refuse(f"{field} lies outside the years 1 to 9999.", field)
