"""An entry as the subject of a correction: what was entered wrongly is voided by a further entry, never changed."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID, uuid5

from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .event import DECIDED, Event
from .purchase import Purchase
from .remedy import Remedy
from .rule import Rule
from .vocabulary import Name, Role, Text

ENTRIES = UUID("5b7c9b6e-5d0c-4a57-9c51-6cf5e1f3a0a2")
"""Names the streams of corrections, one for each corrected entry."""
MONEY = (Purchase, Remedy)
"""Aggregates whose entries speak of money: voiding one takes a second person."""

ALREADY_VOIDED = Rule("ENTRY_ALREADY_VOIDED", "The entry was voided already.")
NOT_VOIDABLE = Rule("ENTRY_NOT_VOIDABLE", "A correction cannot itself be voided; enter the fact again.")
SECOND_PERSON = Rule("ENTRY_SECOND_PERSON", "You entered this, and it speaks of money; another person must void it.")


class Entry(Aggregate):
    """The corrections of one entry."""

    voided: bool = False

    class Voided(Event):
        """An earlier entry was declared void: it stays on record and no longer counts."""

        voided_position: Annotated[int, DECIDED] = 0
        """The position of the voided entry."""
        voided_type: Annotated[Name, DECIDED] = "-"
        """What kind of entry it was."""
        reason: Text
        """Why it is void."""

        def apply(self, entry: Entry) -> None:
            entry.voided = True

    @command(Role.SUPERVISOR, stream=lambda handed: uuid5(ENTRIES, str(handed["target"].position)))
    def void(self, context: Context, target: Event, fact: Voided) -> None:
        """Declare an earlier entry void, saying why; for money by another person than the one who entered it."""
        ALREADY_VOIDED.refuse_if(self.voided)
        NOT_VOIDABLE.refuse_if(target.aggregate is Entry)
        SECOND_PERSON.refuse_if(target.aggregate in MONEY and target.actor_id == context.actor.id)
        fact = replace(fact, voided_position=target.position, voided_type=target.type_name)
        self.enter(context, fact, customer_id=target.customer_id, case_id=target.case_id)
