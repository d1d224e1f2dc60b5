"""The base of all aggregates: decide in public methods, evolve in events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

import msgspec
from eventsourcing.domain import BaseAggregate

from . import command
from .event import Amendment, Event, register
from .rule import Rule

SKEW = timedelta(minutes=1)
"""How far the clocks of those who give commands may differ."""

BEFORE_BEGINNING = Rule(
    "OCCURRED_BEFORE_BEGINNING",
    "occurredAt lies before {begun}, when this began; nothing can have happened in it earlier.",
    field="occurredAt",
)
VOID = Rule("VOID", "The {kind} was declared void; nothing more can be entered in it.")


def standing(history: Sequence[Event]) -> list[Event]:
    """The entries of one history as its corrections leave them: without those declared void, others as amended."""
    void = {entry.voids for entry in history}
    made: dict[int, list[Amendment]] = {}
    for entry in history:
        if entry.amends is not None and entry.position not in void:
            made.setdefault(entry.amends, []).append(entry.amendment)  # type: ignore[attr-defined]
    left = (entry for entry in history if entry.position not in void)
    return [entry.amended(made[entry.position]) if entry.position in made else entry for entry in left]


class Aggregate(BaseAggregate[UUID]):
    """A consistency boundary with one history.

    State is declared as annotated class attributes with defaults. Public methods decide: they may refuse, and
    record events. Events evolve: they only assign. Ids, clock and actor arrive in the context.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Enter the events and commands nested in the class into their catalogues."""
        super().__init_subclass__(**kwargs)
        for value in vars(cls).values():
            if isinstance(value, type) and issubclass(value, Event):
                register(value, cls)
        command.collect(cls)

    @classmethod
    def shell(cls, first: Event) -> Self:
        """A blank instance for the history that ``first`` begins."""
        blank = cls.__new__(cls)
        blank.__base_init__(first.stream_id, first.stream_version, first.occurred_at)
        blank.__init__()  # type: ignore[misc]
        return blank

    @classmethod
    def replay(cls, history: Sequence[Event]) -> Self | None:
        """The aggregate as its history tells it, corrections applied.

        Gives ``None`` where the history holds nothing of such an aggregate; refuses ``VOID`` where the entry that
        began it is void.
        """
        first = next((entry for entry in history if entry.aggregate is cls), None)
        if first is None:
            return None
        own = [entry for entry in standing(history) if entry.aggregate is cls]
        VOID.refuse_if(not own or own[0].stream_version != first.stream_version, kind=cls.__name__)
        found: Self | None = None
        for entry in own:
            found = entry.mutate(found)
        assert found is not None
        found.version = history[-1].stream_version
        return found

    @property
    def subject(self) -> UUID | None:
        """The customer whose history this aggregate belongs to, if known."""
        return getattr(self, "customer_id", None)

    @property
    def matter(self) -> UUID | None:
        """The case this aggregate belongs to, if any."""
        return getattr(self, "case_id", None)

    @classmethod
    def unwritten(cls, id: UUID, version: int = 0) -> Self:
        """The aggregate before its first event, in a stream that stands at ``version`` with entries of others."""
        return cls.shell(Event(stream_id=id, stream_version=version))

    @classmethod
    def begin(
        cls, context: command.Context, id: UUID, event: Event, *, customer_id: UUID | None, case_id: UUID | None = None
    ) -> Self:
        """Start a history with ``event`` and return the new aggregate."""
        entered = _enveloped(event, context, id, 1, customer_id, case_id)
        begun: Self = entered.mutate(None)
        begun.pending_events.append(entered)  # type: ignore[arg-type]
        return begun

    def enter(
        self, context: command.Context, event: Event, *, customer_id: UUID | None = None, case_id: UUID | None = None
    ) -> None:
        """Add ``event`` to the history and evolve by it.

        It belongs to the aggregate's own customer and case, unless ``customer_id`` or ``case_id`` names another.
        """
        BEFORE_BEGINNING.refuse_if(context.at < self.created_on - SKEW, begun=self.created_on)
        customer_id, case_id = customer_id or self.subject, case_id or self.matter
        entered = _enveloped(event, context, self.id, self.version + 1, customer_id, case_id)
        entered.mutate(self)
        self.pending_events.append(entered)  # type: ignore[arg-type]


def _enveloped(
    event: Event, context: command.Context, id: UUID, version: int, customer_id: UUID | None, case_id: UUID | None
) -> Event:
    return msgspec.structs.replace(
        event,
        stream_id=id,
        stream_version=version,
        occurred_at=context.at,
        customer_id=customer_id,
        case_id=case_id,
        actor_kind=context.actor.kind.value,
        actor_id=context.actor.id,
        actor_role=context.actor.role and context.actor.role.value,
        command_id=context.command_id,
        causation_id=context.causation_id,
        correlation_id=context.correlation_id,
        source=context.source,
        external_id=context.external_id,
    )
