"""Given what happened, when a command is given, then exactly this is recorded, or it is refused and nothing is."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from msgspec.structs import replace

import domain.catalogue  # noqa: F401  (fills the catalogues)
from domain.aggregate import Aggregate
from domain.command import Context
from domain.customer import Customer
from domain.event import NIL, Event
from domain.rule import Refused
from domain.vocabulary import Role
from tests.conftest import acting

NOON = datetime(2024, 3, 1, 12, tzinfo=UTC)
"""When commands are given, unless a test says otherwise; what was given before happened in the hours before."""
STREAM = uuid5(NIL, "the aggregate under test")
CUSTOMER = uuid5(NIL, "the customer")
CASE = uuid5(NIL, "the case")


def history(
    *facts: Event,
    stream_id: UUID = STREAM,
    customer_id: UUID | None = CUSTOMER,
    case_id: UUID | None = None,
    by: str = "ann",
) -> tuple[Event, ...]:
    """The facts as entries of one stream, an hour apart, the last one an hour before noon."""
    entries = []
    for version, fact in enumerate(facts, 1):
        entries.append(
            replace(
                fact,
                stream_id=stream_id,
                stream_version=version,
                position=fact.position or 100 + version,
                customer_id=fact.customer_id or customer_id,
                case_id=fact.case_id or case_id,
                actor_kind="employee",
                actor_id=fact.actor_id or by,
                occurred_at=NOON - timedelta(hours=len(facts) - version + 1),
            )
        )
    return tuple(entries)


def aggregate(kind: type[Aggregate], *facts: Event, **envelope: Any) -> Any:
    """An aggregate with that history, to be handed to a command."""
    found = kind.replay(history(*facts, **envelope))
    assert found is not None
    return found


def a_customer(id: UUID = CUSTOMER) -> Customer:
    """A customer known to us."""
    customer: Customer = aggregate(Customer, Customer.Registered(), stream_id=id, customer_id=id)
    return customer


def by(actor: str = "ann", role: Role = Role.AGENT, at: datetime = NOON) -> Context:
    """The circumstances of a command."""
    return acting(role, actor, at)


def given(*facts: Event, **envelope: Any) -> Given:
    """The history of the aggregate under test."""
    return Given(history(*facts, **envelope))


class Given:
    """What happened before."""

    def __init__(self, entries: tuple[Event, ...]) -> None:
        self.entries = entries

    def when(self, command: Callable[..., Any], *arguments: Any, context: Context | None = None) -> Outcome:
        """Give a command: a public method of the aggregate, with what it is handed after the context."""
        context = context or by()
        kind = getattr(command, "__self__", None)
        if isinstance(kind, type):
            return Outcome(self.entries, context, None, lambda: command(context, STREAM, *arguments))
        owner = _owner(command)
        found = owner.replay(self.entries) or owner.unwritten(STREAM, len(self.entries))
        return Outcome(self.entries, context, found, lambda: command(found, context, *arguments))


class Outcome:
    """What came of the command."""

    def __init__(self, before: tuple[Event, ...], context: Context, found: Any, command: Callable[[], Any]) -> None:
        self.before, self.context, self.aggregate = before, context, found
        self.state = _state(found)
        self.refused: Refused | None = None
        try:
            begun = command()
        except Refused as refused:
            self.refused = refused
        else:
            self.aggregate = found or begun

    def then(self, *facts: Event, customer_id: UUID | None = CUSTOMER, case_id: UUID | None = None) -> Any:
        """Exactly these facts were recorded, enveloped as the command's; gives the aggregate as it is now.

        Replaying them on top of what was given makes the very same aggregate.
        """
        assert self.refused is None, f"refused with {self.refused.code}: {self.refused}"
        recorded = tuple(self.aggregate.pending_events)
        assert recorded == tuple(
            replace(
                fact,
                stream_id=STREAM,
                stream_version=len(self.before) + number,
                customer_id=customer_id,
                case_id=case_id,
                occurred_at=self.context.at,
                actor_kind=self.context.actor.kind.value,
                actor_id=self.context.actor.id,
                actor_role=self.context.actor.role and self.context.actor.role.value,
                command_id=self.context.command_id,
            )
            for number, fact in enumerate(facts, 1)
        )
        assert _state(type(self.aggregate).replay((*self.before, *recorded))) == _state(self.aggregate)
        return self.aggregate

    def then_refused(self, code: str, *, field: str | None = None, **values: object) -> Refused:
        """The command was refused with this code, field and values; nothing was recorded and nothing changed."""
        assert self.refused is not None, f"not refused; recorded {self.aggregate.pending_events}"
        assert (self.refused.code, self.refused.field) == (code, field)
        assert values.items() <= self.refused.values.items(), self.refused.values
        if self.aggregate is not None:
            assert self.aggregate.pending_events == []
            assert _state(self.aggregate) == self.state
        return self.refused


def _owner(command: Callable[..., Any]) -> Any:
    return getattr(sys.modules[command.__module__], command.__qualname__.split(".")[0])


def _state(found: Any) -> dict[str, Any] | None:
    """Everything an aggregate holds, by value, save for what it has yet to write, and when it was made."""
    if found is None:
        return None
    kept = {name: value for name, value in vars(found).items() if name not in ("_pending_events", "_created_on")}
    return {name: value.copy() if hasattr(value, "copy") else value for name, value in kept.items()}
