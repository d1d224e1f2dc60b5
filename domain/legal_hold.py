"""A legal hold: what is recorded of a customer is needed in a dispute or inquiry, and may not be destroyed."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from .aggregate import Aggregate
from .command import Context, command
from .customer import Customer
from .event import Event
from .person import ERASED
from .rule import Rule
from .vocabulary import Reference, Role, Text

KEEPERS = (Role.SUPERVISOR, Role.AUDITOR)

RELEASED = Rule("LEGAL_HOLD_RELEASED", "The legal hold was released already; place a new one where it is needed again.")


class LegalHold(Aggregate):
    """One hold on what is recorded of one customer; several may run at once, and each is released by itself."""

    customer_id: UUID | None = None
    released: bool = False

    class Placed(Event):
        """Someone with a right to it asked that nothing recorded of the customer be destroyed."""

        reference: Reference
        """The matter it is for, such as the number of a claim; told to whoever asks for an erasure meanwhile."""
        reason: Text
        """Why it must be kept; without personal data."""

        def apply(self, hold: LegalHold) -> None:
            hold.customer_id = self.customer_id

    class Released(Event):
        """The matter is over; the hold no longer stands against an erasure."""

        reason: Text
        """Why it is no longer needed; without personal data."""

        def apply(self, hold: LegalHold) -> None:
            hold.released = True

    @command(*KEEPERS, name="place_legal_hold")
    @classmethod
    def place(cls, context: Context, id: UUID, customer: Customer, fact: Placed) -> Self:
        """Place a legal hold on a customer; until it is released the customer cannot be erased."""
        ERASED.refuse_if(customer.erased_at)
        return cls.begin(context, id, fact, customer_id=customer.id)

    @command(*KEEPERS, name="release_legal_hold")
    def release(self, context: Context, fact: Released) -> None:
        """Release a legal hold, saying why."""
        RELEASED.refuse_if(self.released)
        self.enter(context, fact)
