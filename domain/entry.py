"""An entry as the subject of a correction: what was entered wrongly is voided by a further entry, never changed."""

from __future__ import annotations

from dataclasses import field
from typing import Annotated

from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .event import DECIDED, Event
from .policy import Policy
from .purchase import Purchase
from .remedy import Remedy
from .rule import Rule
from .vocabulary import Name, Role, Text

MONEY = (Purchase, Remedy)
"""Aggregates whose entries speak of money: voiding one takes a second person."""

ALREADY_VOIDED = Rule("ENTRY_ALREADY_VOIDED", "The entry was voided already.")
NOT_VOIDABLE = Rule("ENTRY_NOT_VOIDABLE", "A correction cannot itself be voided; enter the fact again.")
POLICY_NOT_VOIDABLE = Rule(
    "ENTRY_POLICY_NOT_VOIDABLE", "A policy that was in force stays on record; publish the next version instead."
)
SECOND_PERSON = Rule("ENTRY_SECOND_PERSON", "You entered this, and it speaks of money; another person must void it.")


class Entry(Aggregate):
    """The corrections of one history; they stand in the very stream they correct."""

    voided: set[int] = field(default_factory=set)

    class Voided(Event):
        """An earlier entry was declared void: it stays on record and no longer counts."""

        voided_position: Annotated[int, DECIDED] = 0
        """The position of the voided entry."""
        voided_type: Annotated[Name, DECIDED] = "-"
        """What kind of entry it was."""
        reason: Text
        """Why it is void."""

        @property
        def voids(self) -> int:
            """The position of the voided entry."""
            return self.voided_position

        def apply(self, entry: Entry) -> None:
            entry.voided.add(self.voided_position)

    @command(Role.SUPERVISOR, stream=lambda handed: handed["target"].stream_id)
    def void(self, context: Context, target: Event, fact: Voided) -> None:
        """Declare an earlier entry void, saying why; for money by another person than the one who entered it."""
        ALREADY_VOIDED.refuse_if(target.position in self.voided)
        NOT_VOIDABLE.refuse_if(target.aggregate is Entry)
        POLICY_NOT_VOIDABLE.refuse_if(target.aggregate is Policy)
        SECOND_PERSON.refuse_if(target.aggregate in MONEY and target.actor_id == context.actor.id)
        fact = replace(fact, voided_position=target.position, voided_type=target.type_name)
        self.enter(context, fact, customer_id=target.customer_id, case_id=target.case_id)
