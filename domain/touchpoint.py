"""A touchpoint: one contact with a customer, on whatever channel."""

from __future__ import annotations

from typing import Self
from uuid import UUID

from .aggregate import Aggregate
from .case import Case
from .command import Context, command
from .customer import STAFF, Customer
from .event import Event
from .rule import Rule
from .vocabulary import Channel, Direction, Interface, Name, Personal, Seconds

ALREADY_LINKED = Rule("TOUCHPOINT_ALREADY_LINKED", "The touchpoint belongs to the case {case_id} already.")
OTHER_CUSTOMER = Rule(
    "TOUCHPOINT_OTHER_CUSTOMER",
    "The case belongs to the customer {owner}, the touchpoint to another; where the two were merged, name {owner}.",
)


class Touchpoint(Aggregate):
    """One contact, told in full when it is recorded."""

    customer_id: UUID | None = None
    case_id: UUID | None = None

    class Recorded(Event):
        """A contact between a customer and us took place."""

        channel: Channel
        direction: Direction
        purpose: Name
        """What the contact was about."""
        interface: Interface | None = None
        agent_id: Name | None = None
        """Who of us took part."""
        automated: bool = False
        """Whether no human of ours took part."""
        duration_s: Seconds | None = None
        """How long it took, in seconds."""
        summary: Personal | None = None
        """What was said."""

        def apply(self, touchpoint: Touchpoint) -> None:
            touchpoint.customer_id, touchpoint.case_id = self.customer_id, self.case_id

    class LinkedToCase(Event):
        """The contact was found to belong to the case named in the envelope."""

        def apply(self, touchpoint: Touchpoint) -> None:
            touchpoint.case_id = self.case_id

    @command(*STAFF)
    @classmethod
    def record(cls, context: Context, id: UUID, customer: Customer, case: Case | None, fact: Recorded) -> Self:
        """Record a contact with a customer, and the case it belongs to where there is one."""
        OTHER_CUSTOMER.refuse_if(case and case.customer_id not in (None, customer.id), owner=case and case.customer_id)
        return cls.begin(context, id, fact, customer_id=customer.id, case_id=case.id if case else None)

    @command(*STAFF, name="link_touchpoint_to_case")
    def link_to_case(self, context: Context, case: Case, fact: LinkedToCase) -> None:
        """Say which case a contact belongs to."""
        ALREADY_LINKED.refuse_if(self.case_id == case.id, case_id=case.id)
        known = {self.customer_id, case.customer_id} - {None}
        OTHER_CUSTOMER.refuse_if(len(known) > 1, owner=case.customer_id)
        self.enter(context, fact, case_id=case.id)
