"""A case: a complaint, request, suggestion or compliment, from first word to confirmed close."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Self
from uuid import UUID

from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .customer import Customer
from .event import DECIDED, Event
from .policy import ServiceTargets
from .rule import Rule
from .vocabulary import (
    CaseKind,
    CaseState,
    Category,
    Channel,
    ClosingBasis,
    Expectation,
    Instant,
    Interface,
    Name,
    Personal,
    PolicyVersion,
    Reference,
    Response,
    Role,
    Severity,
    SolutionKind,
    Text,
)

HANDLERS = (Role.AGENT, Role.SUPERVISOR)

ALREADY_ACKNOWLEDGED = Rule("CASE_ALREADY_ACKNOWLEDGED", "The case was already acknowledged; it is done once.")
NOT_ACKNOWLEDGED = Rule("CASE_NOT_ACKNOWLEDGED", "Acknowledge the case to the customer first.")
NOT_CLASSIFIED = Rule("CASE_NOT_CLASSIFIED", "The case has no category yet; classify it first.")
ALREADY_CLASSIFIED = Rule("CASE_ALREADY_CLASSIFIED", "The case has a category; reclassify it with a reason.")
NOT_REFERRED = Rule("CASE_NOT_REFERRED", "The case was referred to nobody; refer it before recording an answer.")
FACTS_NOT_CONFIRMED = Rule(
    "CASE_FACTS_NOT_CONFIRMED", "Confirm the facts with the customer before proposing a solution."
)
NO_OPEN_PROPOSAL = Rule("CASE_NO_OPEN_PROPOSAL", "There is no proposed solution waiting for the customer's answer.")
PROPOSAL_OPEN = Rule("CASE_PROPOSAL_OPEN", "A proposed solution still waits for the customer's answer.")
SETTLED = Rule("CASE_SETTLED", "The case is {state}; reopen it first.")
NOT_RESOLVED = Rule("CASE_NOT_RESOLVED", "The case is {state}; only a resolved case can be confirmed.")
NOT_SETTLED = Rule("CASE_NOT_SETTLED", "The case is {state}; only a resolved or closed case can be reopened.")
ALREADY_CLOSED = Rule("CASE_ALREADY_CLOSED", "The case is closed already.")
CLOSED_WITHOUT_BASIS = Rule(
    "CASE_CLOSED_WITHOUT_BASIS",
    "The basis customer_confirmed needs the customer's confirmation; record it, or name another basis.",
    field="basis",
)
CLOSED_UNRESOLVED = Rule(
    "CASE_CLOSED_UNRESOLVED", "Only a withdrawn or out-of-scope case is closed without being resolved.", field="basis"
)
REOPEN_WINDOW_PASSED = Rule(
    "CASE_REOPEN_WINDOW_PASSED", "The case could be reopened until {until}; open a new case instead."
)
UNANSWERED = frozenset({Response.IN_PROGRESS, Response.UNTIMELY})
"""Responses after which the customer still waits for the answer itself."""
CLOSABLE_UNRESOLVED = frozenset({ClosingBasis.WITHDRAWN, ClosingBasis.OUT_OF_SCOPE})


class Case(Aggregate):
    """One matter of one customer, from opening to close, with everything that was promised and proposed."""

    customer_id: UUID | None = None
    kind: CaseKind = CaseKind.COMPLAINT
    state: CaseState = CaseState.OPEN
    category: Category | None = None
    handler: str | None = None
    acknowledged_at: datetime | None = None
    facts_confirmed: bool = False
    referred: bool = False
    proposals: int = 0
    proposal_open: bool = False
    confirmed: bool = False
    reopen_until: datetime | None = None

    class Opened(Event):
        """A customer told us something that we must answer."""

        kind: CaseKind
        channel: Channel
        description: Personal | None = None
        """What the customer said, in their own words."""
        interface: Interface | None = None
        remedy_sought: Text | None = None
        """What the customer asks for."""
        incident_place: Text | None = None
        """Where it happened, where that matters."""
        product: Name | None = None
        """The product or service it is about, by the name we sell it under."""
        reference: Reference | None = None
        """A readable reference the customer can quote."""
        policy_version: Annotated[PolicyVersion | None, DECIDED] = None
        """The version of the service targets this case is held to; null when none was in force."""
        acknowledge_due_at: Annotated[Instant | None, DECIDED] = None
        """When the acknowledgement is due by those targets."""
        resolve_due_at: Annotated[Instant | None, DECIDED] = None
        """When the resolution is promised by those targets."""

        def apply(self, case: Case) -> None:
            case.customer_id, case.kind = self.customer_id, self.kind

    class Acknowledged(Event):
        """The customer was told, for the first time, that the case is heard."""

        channel: Channel
        thanked: bool = False
        """Whether the customer was thanked for speaking up."""
        text_version: Reference | None = None
        """Which standard text was used."""

        def apply(self, case: Case) -> None:
            case.acknowledged_at, case.state = self.occurred_at, CaseState.ACKNOWLEDGED

    class Classified(Event):
        """The case was put in its one main category."""

        category: Category
        subcategory: Name | None = None
        """A finer class within the category."""
        severity: Severity | None = None
        taxonomy_version: PolicyVersion | None = None
        """The version of the taxonomy the subcategory is from."""

        def apply(self, case: Case) -> None:
            case.category = self.category

    class Reclassified(Event):
        """The case was moved to another category; the former one stays in its history."""

        category: Category
        subcategory: Name | None = None
        """A finer class within the category."""
        severity: Severity | None = None
        reason: Text
        """Why the class was wrong."""

        def apply(self, case: Case) -> None:
            case.category = self.category

    class Assigned(Event):
        """A person became responsible for the case."""

        handler: Name
        """The handler's id."""
        department: Name | None = None
        """The handler's department."""

        def apply(self, case: Case) -> None:
            case.handler = self.handler
            if case.state is CaseState.ACKNOWLEDGED:
                case.state = CaseState.IN_PROGRESS

    class FactsConfirmed(Event):
        """The facts were restated to the customer and confirmed."""

        restatement: Personal
        """The matter in our words, as the customer confirmed it."""
        steps_tried: list[Text] = []
        """What the customer has already tried."""

        def apply(self, case: Case) -> None:
            case.facts_confirmed = True
            case.state = CaseState.IN_PROGRESS

    class Referred(Event):
        """The case was passed to another body or company to answer."""

        to: Name
        """Who is to answer."""
        reason: Text | None = None
        """Why it was passed on."""

        def apply(self, case: Case) -> None:
            case.referred, case.state = True, CaseState.WAITING_THIRD_PARTY

    class Responded(Event):
        """The body the case was referred to answered, or let the time for it pass."""

        response: Response
        timely: bool | None = None
        """Whether the answer came in the time allowed; null where that is not known."""

        def apply(self, case: Case) -> None:
            if self.response not in UNANSWERED:
                case.state = CaseState.IN_PROGRESS

    class SolutionProposed(Event):
        """A way to settle the matter was put to the customer."""

        number: Annotated[int, DECIDED] = 0
        """Which proposal in this case, from 1."""
        kind: SolutionKind
        text: Personal | None = None
        """The proposal as put to the customer."""

        def apply(self, case: Case) -> None:
            case.proposals, case.proposal_open = self.number, True
            case.state = CaseState.WAITING_CUSTOMER

    class SolutionAccepted(Event):
        """The customer took the proposed solution."""

        number: Annotated[int, DECIDED] = 0
        """Which proposal, from 1."""
        expectation: Expectation | None = None

        def apply(self, case: Case) -> None:
            case.proposal_open = False
            case.state = CaseState.IN_PROGRESS

    class SolutionRejected(Event):
        """The customer turned the proposed solution down."""

        number: Annotated[int, DECIDED] = 0
        """Which proposal, from 1."""
        reason: Personal | None = None
        """Why, in the customer's words."""

        def apply(self, case: Case) -> None:
            case.proposal_open = False
            case.state = CaseState.IN_PROGRESS

    class Resolved(Event):
        """We hold the matter settled; the customer has not yet said so."""

        resolution: Name
        """A resolution code."""
        note: Personal | None = None
        """What settled it."""
        policy_version: Annotated[PolicyVersion | None, DECIDED] = None
        reopen_until: Annotated[Instant | None, DECIDED] = None
        """Until when the case can be reopened; null means without limit."""

        def apply(self, case: Case) -> None:
            case.state, case.proposal_open = CaseState.RESOLVED, False
            case.reopen_until = self.reopen_until

    class ClosureConfirmed(Event):
        """The customer confirmed that the matter is settled."""

        channel: Channel

        def apply(self, case: Case) -> None:
            case.confirmed = True

    class Closed(Event):
        """The case was closed, on a stated basis."""

        basis: ClosingBasis
        note: Personal | None = None
        """What is to be known about the close."""
        policy_version: Annotated[PolicyVersion | None, DECIDED] = None
        reopen_until: Annotated[Instant | None, DECIDED] = None
        """Until when the case can be reopened; null means without limit."""

        def apply(self, case: Case) -> None:
            case.state, case.proposal_open = CaseState.CLOSED, False
            case.reopen_until = self.reopen_until

    class Reopened(Event):
        """A resolved or closed case was taken up again."""

        reason: Personal
        """Why the matter was not settled after all."""

        def apply(self, case: Case) -> None:
            case.state, case.confirmed = CaseState.IN_PROGRESS, False
            case.reopen_until = None

    @property
    def matter(self) -> UUID:
        """A case belongs to itself."""
        return self.id

    @command(*HANDLERS)
    @classmethod
    def open(cls, context: Context, id: UUID, customer: Customer, fact: Opened, targets: ServiceTargets | None) -> Self:
        """Register what a customer tells us, and start the clocks of the targets in force."""
        if targets:
            fact = replace(
                fact,
                policy_version=targets.version,
                acknowledge_due_at=context.at + timedelta(seconds=targets.acknowledge_within_s),
                resolve_due_at=context.at + timedelta(seconds=targets.resolve_within_s),
            )
        return cls.begin(context, id, fact, customer_id=customer.id, case_id=id)

    @command(*HANDLERS)
    def acknowledge(self, context: Context, fact: Acknowledged) -> None:
        """Tell the customer that the case is heard; comes before any resolution, and once."""
        ALREADY_ACKNOWLEDGED.refuse_if(self.acknowledged_at)
        self._refuse_if_settled()
        self.enter(context, fact)

    @command(*HANDLERS)
    def classify(self, context: Context, fact: Classified) -> None:
        """Put the case in its main category for the first time."""
        ALREADY_CLASSIFIED.refuse_if(self.category)
        self._refuse_if_settled()
        self.enter(context, fact)

    @command(*HANDLERS)
    def reclassify(self, context: Context, fact: Reclassified) -> None:
        """Move the case to another category, saying why."""
        NOT_CLASSIFIED.refuse_if(self.category is None)
        self._refuse_if_settled()
        self.enter(context, fact)

    @command(*HANDLERS)
    def assign(self, context: Context, fact: Assigned) -> None:
        """Make a person responsible for the case."""
        self._refuse_if_settled()
        self.enter(context, fact)

    @command(*HANDLERS, name="confirm_case_facts")
    def confirm_facts(self, context: Context, fact: FactsConfirmed) -> None:
        """Record that the customer confirmed our understanding of the matter."""
        self._refuse_if_settled()
        NOT_ACKNOWLEDGED.refuse_if(self.acknowledged_at is None)
        self.enter(context, fact)

    @command(*HANDLERS)
    def refer(self, context: Context, fact: Referred) -> None:
        """Pass the case to another body to answer."""
        self._refuse_if_settled()
        self.enter(context, fact)

    @command(*HANDLERS, name="record_case_response")
    def record_response(self, context: Context, fact: Responded) -> None:
        """Record what the body that the case was referred to answered."""
        self._refuse_if_settled()
        NOT_REFERRED.refuse_if(not self.referred)
        self.enter(context, fact)

    @command(*HANDLERS, name="propose_solution")
    def propose(self, context: Context, fact: SolutionProposed) -> None:
        """Put a solution to the customer; the facts must have been confirmed."""
        self._refuse_if_settled()
        FACTS_NOT_CONFIRMED.refuse_if(not self.facts_confirmed)
        PROPOSAL_OPEN.refuse_if(self.proposal_open)
        self.enter(context, replace(fact, number=self.proposals + 1))

    @command(*HANDLERS, name="accept_solution")
    def accept(self, context: Context, fact: SolutionAccepted) -> None:
        """Record that the customer took the proposed solution."""
        NO_OPEN_PROPOSAL.refuse_if(not self.proposal_open)
        self.enter(context, replace(fact, number=self.proposals))

    @command(*HANDLERS, name="reject_solution")
    def reject(self, context: Context, fact: SolutionRejected) -> None:
        """Record that the customer turned the proposed solution down."""
        NO_OPEN_PROPOSAL.refuse_if(not self.proposal_open)
        self.enter(context, replace(fact, number=self.proposals))

    @command(*HANDLERS)
    def resolve(self, context: Context, fact: Resolved, targets: ServiceTargets | None) -> None:
        """Hold the matter settled; it must have been acknowledged, and no proposal may wait for an answer."""
        self._refuse_if_settled()
        NOT_ACKNOWLEDGED.refuse_if(self.acknowledged_at is None)
        PROPOSAL_OPEN.refuse_if(self.proposal_open)
        self.enter(context, _with_window(fact, context.at, targets))

    @command(*HANDLERS, name="confirm_case_closure")
    def confirm_closure(self, context: Context, fact: ClosureConfirmed) -> None:
        """Record that the customer confirmed the matter as settled."""
        NOT_RESOLVED.refuse_if(self.state is not CaseState.RESOLVED, state=self.state)
        self.enter(context, fact)

    @command(*HANDLERS)
    def close(self, context: Context, fact: Closed, targets: ServiceTargets | None) -> None:
        """Close the case on a basis; the basis customer_confirmed needs that confirmation on record."""
        ALREADY_CLOSED.refuse_if(self.state is CaseState.CLOSED)
        CLOSED_WITHOUT_BASIS.refuse_if(fact.basis is ClosingBasis.CUSTOMER_CONFIRMED and not self.confirmed)
        CLOSED_UNRESOLVED.refuse_if(self.state is not CaseState.RESOLVED and fact.basis not in CLOSABLE_UNRESOLVED)
        self.enter(context, _with_window(fact, context.at, targets))

    @command(*HANDLERS)
    def reopen(self, context: Context, fact: Reopened) -> None:
        """Take a resolved or closed case up again, inside the window it was given."""
        NOT_SETTLED.refuse_if(self.state not in (CaseState.RESOLVED, CaseState.CLOSED), state=self.state)
        late = self.reopen_until is not None and context.at > self.reopen_until
        REOPEN_WINDOW_PASSED.refuse_if(late, until=self.reopen_until)
        self.enter(context, fact)

    def _refuse_if_settled(self) -> None:
        SETTLED.refuse_if(self.state in (CaseState.RESOLVED, CaseState.CLOSED), state=self.state)


def _with_window(fact: Event, at: datetime, targets: ServiceTargets | None) -> Event:
    window = targets and {"policy_version": targets.version, "reopen_until": targets.reopen_until(at)}
    return replace(fact, **window or {})
