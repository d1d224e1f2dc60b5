"""Events: past-tense facts with their envelope.

An event class is nested in its aggregate and declares its payload fields and what it assigns::

    class Case(Aggregate):
        class Acknowledged(Event):
            \"\"\"The customer was told that the case is heard.\"\"\"

            channel: Channel

            def apply(self, case: Case) -> None:
                case.acknowledged_at = self.occurred_at

The stored name is the nested name, ``Case.Acknowledged``, never a Python path. Payloads hold no floats, so that
their canonical JSON survives every round trip.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, ClassVar, NamedTuple, Self, dataclass_transform, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from .text import described

NIL = UUID(int=0)
DECIDED = msgspec.Meta(extra={"decided": True})
"""Marks a payload field that the deciding method fills in, not the caller."""
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_EVENTS: dict[str, type[Event]] = {}


def of(field: str) -> msgspec.Meta:
    """Marks a personal field as that of another person: the one whose id stands in ``field`` of the same event."""
    return msgspec.Meta(extra={"of": field})


class UnknownSchema(Exception):
    """An entry has a form that this version of Daybook does not know."""


class EventType(msgspec.StructMeta):
    """Makes each event a frozen, keyword-only struct tagged with its stored name and schema."""

    def __new__(mcls, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> EventType:
        """Create the event class; a payload field must not shadow an envelope field."""
        stored_name = namespace["__qualname__"]
        if shadowed := set(ENVELOPE) & set(namespace.get("__annotations__", ())):
            raise TypeError(f"{stored_name} redefines the envelope field {sorted(shadowed)[0]}")
        tag = f"{stored_name}/{namespace.get('schema', 1)}"
        # The dictionary beside the fields has room for what is neither told nor compared: the older form of an entry.
        return super().__new__(
            mcls, name, bases, namespace, frozen=True, kw_only=True, tag_field="type", tag=tag, dict=True
        )


ENVELOPE: tuple[str, ...] = ()


class Form(NamedTuple):
    """A payload in the form of some schema of its event."""

    schema: int
    payload: bytes
    """As JSON."""


class Amendment(NamedTuple):
    """Some fields of a payload stated anew, as they are declared in some schema of its event."""

    schema: int
    changes: Mapping[str, Any]
    """The fields with their values, in plain values."""


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class Event(msgspec.Struct, metaclass=EventType):
    """A fact with its envelope: what every entry carries whatever it says."""

    schema: ClassVar[int] = 1
    """The payload's schema version; an older one is read through ``upcast_vN_vM``."""
    type_name: ClassVar[str]
    """The stored type name, ``Aggregate.Event``."""
    aggregate: ClassVar[type[Any]]
    """The aggregate class whose history this event is part of."""

    stream_id: UUID = NIL
    """The aggregate's id."""
    stream_version: int = 0
    """The aggregate's version after this event, from 1."""
    position: int = 0
    """The entry's number in the ledger, dense from 1 in commit order; 0 while not yet entered."""
    occurred_at: datetime = EPOCH
    """Business time: when it happened."""
    recorded_at: datetime = EPOCH
    """Ledger time: when it was entered."""
    customer_id: UUID | None = None
    """Whose history this belongs to; null where the customer is unknown or not concerned."""
    case_id: UUID | None = None
    """The case this belongs to, where there is one."""
    actor_kind: str = "system"
    """Who acted: employee, customer, bot, system or import."""
    actor_id: str = ""
    """The actor's id in their own directory."""
    actor_role: str | None = None
    """The role the actor acted in."""
    command_id: UUID = NIL
    """The command that caused the entry; also its idempotency key."""
    causation_id: UUID | None = None
    """The command or entry that led to this one."""
    correlation_id: UUID | None = None
    """What this is part of, an import run for one."""
    source: str | None = None
    """The system an imported fact came from."""
    external_id: str | None = None
    """The fact's own id in that system."""

    @property
    def originator_id(self) -> UUID:
        """The aggregate's id, under the name the eventsourcing library uses."""
        return self.stream_id

    @property
    def originator_version(self) -> int:
        """The aggregate's version, under the name the eventsourcing library uses."""
        return self.stream_version

    @property
    def voids(self) -> int | None:
        """The position of the entry that this one declares void; ``None`` for all but such corrections."""
        return None

    @property
    def amends(self) -> int | None:
        """The position of the entry that this one amends; ``None`` for all but such corrections."""
        return None

    @property
    def older_form(self) -> Form | None:
        """What was entered, where that has an older schema than today's, by whatever amendments were applied to it."""
        return self.__dict__.get("older_form")

    def entered_in(self, form: Form | None) -> Self:
        """The entry itself, which remembers from here on the older form it was entered in."""
        if form:
            self.__dict__["older_form"] = form
        return self

    def amended(self, amendments: Iterable[Amendment]) -> Self:
        """The entry with some fields of its payload stated anew, by amendments in the order in which they were made.

        Each states fields of the form that its event had when it was made, so it is applied to the payload in that
        form, and older forms are brought up as those of entries are. Raises ``msgspec.ValidationError`` where a value
        does not fit, and :class:`UnknownSchema` for an amendment made by a newer Daybook.
        """
        kind = type(self)
        schema, payload = self.older_form or Form(self.schema, msgspec.json.encode(self.payload()))
        told = msgspec.json.decode(payload)
        for made_in, changes in amendments:
            refuse_newer(self.type_name, made_in)
            told, schema = upcast(kind, schema, told, made_in) | dict(changes), max(schema, made_in)
        form = Form(schema, msgspec.json.encode(told)) if schema < self.schema else None
        stated = msgspec.convert(upcast(kind, schema, told) | {"type": self.__struct_config__.tag}, kind)
        # What is personal is never amended, and stays as it is here: sealed, or in clear.
        kept = {field: getattr(self, field) for field in (*ENVELOPE, *personal_fields(kind))}
        return msgspec.structs.replace(stated, **kept).entered_in(form)

    def apply(self, aggregate: Any) -> None:
        """Assign what this event changes; never refuses, since it runs on every replay."""

    def mutate(self, aggregate: Any) -> Any:
        """Evolve ``aggregate`` by this event, or begin it when ``None``; returns it.

        A correction stands in the history it corrects and changes nothing of the aggregate but its version.
        """
        if aggregate is None:
            aggregate = self.aggregate.shell(self)
        if isinstance(aggregate, self.aggregate):
            self.apply(aggregate)
        aggregate.version = self.stream_version
        aggregate.modified_on = self.occurred_at
        return aggregate

    def payload(self) -> dict[str, Any]:
        """The fields this event adds to the envelope."""
        return {field: getattr(self, field) for field in payload_fields(type(self))}


ENVELOPE = Event.__struct_fields__


def register(event: type[Event], aggregate: type[Any]) -> None:
    """Enter an event class in the catalogue under its stored name; called by the aggregate that nests it."""
    event.aggregate, event.type_name = aggregate, event.__qualname__
    if _EVENTS.setdefault(event.type_name, event) is not event:
        raise TypeError(f"{event.type_name} is declared twice")
    hints = get_type_hints(event, include_extras=True)
    for field in payload_fields(event):
        if fault := _unfit(hints[field]):
            raise TypeError(f"{event.type_name}.{field} {fault}")


def _unfit(hint: Any) -> str | None:
    """What keeps a type out of a payload: its canonical JSON must survive every round trip, and say what it means."""
    if hint is float:
        return "is a float; use integers with the unit in the name"
    if hint is datetime:
        return "is a time without a zone; use Instant"
    if get_origin(hint) is Annotated:
        kind, *extras = get_args(hint)
        if kind is datetime and any(isinstance(extra, msgspec.Meta) and extra.tz for extra in extras):
            return None
        return _unfit(kind)
    inner = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        inner = tuple(get_type_hints(hint, include_extras=True).values())
    return next(filter(None, map(_unfit, inner)), None)


def events() -> Mapping[str, type[Event]]:
    """The catalogue: every event class by its stored name."""
    return _EVENTS


@cache
def payload_fields(event: type[Event]) -> tuple[str, ...]:
    """The names of the fields an event adds to the envelope, in order of declaration."""
    declared = event.__struct_fields__
    return tuple(field for field in declared if field not in ENVELOPE)


@cache
def input_fields(event: type[Event]) -> tuple[str, ...]:
    """The payload fields a caller gives; the others are decided by the command."""
    hints = get_type_hints(event, include_extras=True)
    return tuple(field for field in payload_fields(event) if not marked(hints[field], "decided"))


@cache
def personal_fields(event: type[Event]) -> tuple[str, ...]:
    """The payload fields of an event that hold personal data."""
    hints = get_type_hints(event, include_extras=True)
    return tuple(field for field in payload_fields(event) if marked(hints[field], "personal"))


def marked(hint: Any, mark: str) -> bool:
    """Whether an annotated type carries the mark, anywhere in it."""
    return any(isinstance(extra, msgspec.Meta) and mark in (extra.extra or ()) for extra in _annotations(hint))


def mark(hint: Any, name: str) -> Any:
    """What an annotated type carries under the name of a mark, anywhere in it; ``None`` where it carries none."""
    extras = (extra.extra or {} for extra in _annotations(hint) if isinstance(extra, msgspec.Meta))
    return next((extra[name] for extra in extras if name in extra), None)


def _annotations(hint: Any) -> Iterator[Any]:
    if get_origin(hint) is Annotated:
        yield from get_args(hint)[1:]
    for argument in get_args(hint):
        yield from _annotations(argument)


def field_doc(event: type[Event], field: str) -> str:
    """One sentence for a field: its own docstring, or else that of its type."""
    return described(event, field)


def refuse_newer(type_name: str, schema: int) -> None:
    """Raise :class:`UnknownSchema` for an entry whose form this version of Daybook does not know."""
    if type_name not in _EVENTS:
        raise UnknownSchema(f"{type_name} was entered by a newer Daybook; upgrade this one.")
    if schema > _EVENTS[type_name].schema:
        raise UnknownSchema(f"{type_name} of schema {schema} was entered by a newer Daybook; upgrade this one.")


def upcast(event: type[Event], schema: int, data: dict[str, Any], to: int | None = None) -> dict[str, Any]:
    """A payload of an older ``schema`` in the form of the current one, or of a schema ``to`` between the two.

    Applies the static methods ``upcast_v1_v2``, ``upcast_v2_v3`` … of the event class; each takes a payload and returns
    one. Raises :class:`UnknownSchema` for a schema newer than the class.
    """
    refuse_newer(event.type_name, schema)
    while schema < (event.schema if to is None else to):
        step: Callable[[dict[str, Any]], dict[str, Any]] = getattr(event, f"upcast_v{schema}_v{schema + 1}")
        data, schema = step(data), schema + 1
    return data
