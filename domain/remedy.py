"""A remedy: what is given to make good, within authority or with approval, and fulfilled once."""

from __future__ import annotations

from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta
from msgspec.structs import replace

from .aggregate import Aggregate
from .case import HANDLERS, Case
from .command import Context, command
from .event import DECIDED, Event
from .policy import RemedyAuthority
from .rule import Rule
from .vocabulary import (
    AMOUNT_MAX,
    WEIGHED,
    AmountMinor,
    Currency,
    PolicyVersion,
    Reference,
    RemedyKind,
    RemedyState,
    Role,
    Text,
)

Given = Annotated[
    int,
    Meta(ge=0, le=AMOUNT_MAX, description="What the remedy is worth, in minor units; never negative.", extra=WEIGHED),
]

NO_AUTHORITY = Rule(
    "REMEDY_NO_AUTHORITY_PUBLISHED", "No remedy authority is in force; an admin must publish one first."
)
ABOVE_AUTHORITY = Rule(
    "REMEDY_ABOVE_AUTHORITY",
    "The amount {amount} {currency} is above the {limit} the role {role} may settle; request an approval.",
    field="amountMinor",
)
OWN_REQUEST = Rule("REMEDY_OWN_REQUEST", "You requested this remedy; another person must decide on it.")
WRONG_STATE = Rule("REMEDY_WRONG_STATE", "The remedy is {state}; this is possible only when it is {needed}.")
ALREADY_FULFILLED = Rule("REMEDY_ALREADY_FULFILLED", "The remedy was fulfilled already; it is done once.")


class Remedy(Aggregate):
    """One remedy for one case."""

    customer_id: UUID | None = None
    case_id: UUID | None = None
    state: RemedyState = RemedyState.OFFERED
    kind: RemedyKind = RemedyKind.APOLOGY_ONLY
    amount_minor: int = 0
    currency: str = ""
    requested_by: str = ""

    class Offered(Event):
        """A remedy was offered to the customer."""

        kind: RemedyKind
        amount_minor: Given
        currency: Currency
        limit_version: Annotated[PolicyVersion | None, DECIDED] = None
        """The version of the remedy authority the offer was judged by."""
        approved: Annotated[bool, DECIDED] = False
        """Whether the offer was approved beforehand, being above the offerer's authority."""

        def apply(self, remedy: Remedy) -> None:
            remedy.customer_id, remedy.case_id = self.customer_id, self.case_id
            remedy.kind, remedy.amount_minor, remedy.currency = self.kind, self.amount_minor, self.currency
            remedy.state = RemedyState.OFFERED

    class ApprovalRequested(Event):
        """Leave was asked to offer a remedy above one's own authority."""

        kind: RemedyKind
        amount_minor: Given
        currency: Currency
        reason: Text
        """Why this much is due."""

        def apply(self, remedy: Remedy) -> None:
            remedy.customer_id, remedy.case_id = self.customer_id, self.case_id
            remedy.kind, remedy.amount_minor, remedy.currency = self.kind, self.amount_minor, self.currency
            remedy.requested_by, remedy.state = self.actor_id, RemedyState.AWAITING_APPROVAL

    class Approved(Event):
        """Another person allowed the remedy."""

        limit_version: Annotated[PolicyVersion | None, DECIDED] = None
        """The version of the remedy authority the approver acted under."""
        note: Text | None = None
        """What the approver adds."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.APPROVED

    class Refused(Event):
        """Another person did not allow the remedy."""

        reason: Text
        """Why not."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.REFUSED

    class Accepted(Event):
        """The customer took the offer."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.ACCEPTED

    class Declined(Event):
        """The customer turned the offer down."""

        reason: Text | None = None
        """Why, as far as known."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.DECLINED

    class Fulfilled(Event):
        """The customer got what was offered."""

        reference: Reference | None = None
        """Where it can be found: a payment, a parcel, a voucher number."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.FULFILLED

    class Failed(Event):
        """Fulfilment was tried and did not succeed; it can be tried again."""

        reason: Text
        """What went wrong."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.FAILED

    class Reversed(Event):
        """A fulfilled remedy was taken back."""

        reason: Text
        """Why it was taken back."""

        def apply(self, remedy: Remedy) -> None:
            remedy.state = RemedyState.REVERSED

    @command(*HANDLERS)
    @classmethod
    def offer(cls, context: Context, id: UUID, case: Case, fact: Offered, authority: RemedyAuthority | None) -> Self:
        """Offer a remedy within one's own authority."""
        version = _within_authority(context, fact.amount_minor, fact.currency, authority)
        offered = replace(fact, limit_version=version)
        return cls.begin(context, id, offered, customer_id=case.customer_id, case_id=case.id)

    @command(*HANDLERS, name="request_remedy_approval")
    @classmethod
    def request_approval(cls, context: Context, id: UUID, case: Case, fact: ApprovalRequested) -> Self:
        """Ask another person for leave to offer a remedy above one's own authority."""
        return cls.begin(context, id, fact, customer_id=case.customer_id, case_id=case.id)

    @command(Role.SUPERVISOR)
    def approve(self, context: Context, fact: Approved, authority: RemedyAuthority | None) -> None:
        """Allow a requested remedy, as another person than the one who asked, within one's own authority."""
        self._refuse_unless(RemedyState.AWAITING_APPROVAL)
        OWN_REQUEST.refuse_if(context.actor.id == self.requested_by)
        version = _within_authority(context, self.amount_minor, self.currency, authority)
        self.enter(context, replace(fact, limit_version=version))

    @command(Role.SUPERVISOR)
    def refuse(self, context: Context, fact: Refused) -> None:
        """Do not allow a requested remedy."""
        self._refuse_unless(RemedyState.AWAITING_APPROVAL)
        OWN_REQUEST.refuse_if(context.actor.id == self.requested_by)
        self.enter(context, fact)

    @command(*HANDLERS, name="offer_approved_remedy")
    def offer_approved(self, context: Context) -> None:
        """Offer the remedy that was approved, as it was approved."""
        self._refuse_unless(RemedyState.APPROVED)
        self.enter(
            context,
            Remedy.Offered(kind=self.kind, amount_minor=self.amount_minor, currency=self.currency, approved=True),
        )

    @command(*HANDLERS)
    def accept(self, context: Context, fact: Accepted) -> None:
        """Record that the customer took the offer."""
        self._refuse_unless(RemedyState.OFFERED)
        self.enter(context, fact)

    @command(*HANDLERS)
    def decline(self, context: Context, fact: Declined) -> None:
        """Record that the customer turned the offer down."""
        self._refuse_unless(RemedyState.OFFERED)
        self.enter(context, fact)

    @command(*HANDLERS)
    def fulfil(self, context: Context, fact: Fulfilled) -> None:
        """Record that the customer got what was offered; once."""
        ALREADY_FULFILLED.refuse_if(self.state is RemedyState.FULFILLED)
        self._refuse_unless(RemedyState.ACCEPTED, RemedyState.FAILED)
        self.enter(context, fact)

    @command(*HANDLERS)
    def fail(self, context: Context, fact: Failed) -> None:
        """Record that fulfilment did not succeed."""
        self._refuse_unless(RemedyState.ACCEPTED)
        self.enter(context, fact)

    @command(Role.SUPERVISOR)
    def reverse(self, context: Context, fact: Reversed) -> None:
        """Take a fulfilled remedy back."""
        self._refuse_unless(RemedyState.FULFILLED)
        self.enter(context, fact)

    def _refuse_unless(self, *needed: RemedyState) -> None:
        WRONG_STATE.refuse_if(self.state not in needed, state=self.state, needed=" or ".join(needed))


def _within_authority(
    context: Context, amount_minor: AmountMinor, currency: str, authority: RemedyAuthority | None
) -> int | None:
    """The authority's version if the actor's role may settle the amount alone; refuses otherwise."""
    if authority is None:
        NO_AUTHORITY.refuse_if(amount_minor > 0)
        return None
    limit = authority.limit(context.actor.role, currency)
    ABOVE_AUTHORITY.refuse_if(
        amount_minor > limit, amount=amount_minor, currency=currency, limit=limit, role=context.actor.role
    )
    return authority.version
