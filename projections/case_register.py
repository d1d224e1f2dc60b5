"""The case register: where each case stands, its dates, its handler, its remedies and its outcome."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.case import UNANSWERED, Case
from domain.entry import Entry
from domain.event import Event, events
from domain.remedy import Remedy
from domain.vocabulary import (
    CaseKind,
    CaseState,
    Category,
    Channel,
    ClosingBasis,
    Expectation,
    RemedyKind,
    RemedyState,
    Response,
    Severity,
    SolutionKind,
)
from projections.engine.model import ReadModel, Sealed, on

CASE_EVENTS = [event for event in events().values() if event.aggregate is Case]
REMEDY_STATES: dict[type[Event], RemedyState] = {
    Remedy.Approved: RemedyState.APPROVED,
    Remedy.Refused: RemedyState.REFUSED,
    Remedy.Accepted: RemedyState.ACCEPTED,
    Remedy.Declined: RemedyState.DECLINED,
    Remedy.Fulfilled: RemedyState.FULFILLED,
    Remedy.Failed: RemedyState.FAILED,
    Remedy.Reversed: RemedyState.REVERSED,
}


class CaseRemedy(Struct):
    """One remedy of the case, as it stands."""

    remedy_id: UUID
    """The remedy's id."""
    kind: RemedyKind
    amount_minor: int
    """What it is worth, in minor units."""
    currency: str
    """ISO 4217 currency code."""
    state: RemedyState


class CaseRegister(
    ReadModel,
    key="case_id",
    version=3,
    begins=(Case.Opened,),
    indexes=(
        ("customer_id", "opened_at"),
        ("state", "opened_at", "case_id"),
        ("customer_id", "state", "opened_at", "case_id"),
        ("opened_at", "case_id"),
    ),
):
    """One case as it stands."""

    case_id: UUID
    customer_id: UUID | None = None
    reference: str | None = None
    """A readable reference the customer can quote."""
    kind: CaseKind | None = None
    state: CaseState = CaseState.OPEN
    channel: Channel | None = None
    description: Sealed | None = None
    """What the customer said, in their own words."""
    category: Category | None = None
    subcategory: str | None = None
    """A finer class within the category."""
    severity: Severity | None = None
    handler: str | None = None
    """Who is responsible for the case."""
    department: str | None = None
    """The handler's department."""
    assignments: int = 0
    """How often the case was given to somebody."""
    product: str | None = None
    """The product or service it is about."""
    referred_to: str | None = None
    """The body or company the case was last passed to."""
    referred_at: datetime | None = None
    """When it was passed on."""
    response: Response | None = None
    """What that body last answered."""
    timely: bool | None = None
    """Whether that answer came in the time allowed."""
    opened_at: datetime | None = None
    """When the customer told us."""
    acknowledged_at: datetime | None = None
    """When the customer was told that the case is heard."""
    acknowledge_due_at: datetime | None = None
    """When the acknowledgement was due by the targets in force at opening."""
    facts_confirmed_at: datetime | None = None
    """When the customer last confirmed our understanding."""
    proposals: int = 0
    """How many solutions were proposed."""
    proposal_kind: SolutionKind | None = None
    """The kind of the last proposal."""
    accepted_at: datetime | None = None
    """When the customer took a solution."""
    expectation: Expectation | None = None
    rejections: int = 0
    """How often the customer turned a solution down."""
    resolved_at: datetime | None = None
    """When the case was last held settled; null while it is open or reopened."""
    resolve_due_at: datetime | None = None
    """When the resolution was promised by the targets in force at opening."""
    resolution: str | None = None
    """The resolution code."""
    confirmed_at: datetime | None = None
    """When the customer confirmed the settlement."""
    closed_at: datetime | None = None
    """When the case was last closed; null while it is not."""
    closing_basis: ClosingBasis | None = None
    reopenings: int = 0
    """How often the case was reopened."""
    reopen_until: datetime | None = None
    """Until when a settled case can be reopened."""
    policy_version: int | None = None
    """The version of the service targets the case is held to."""
    remedies: list[CaseRemedy] = []
    """The remedies of the case, in the order they came up."""
    version: int = 0
    """The case's own version, to be given as expectedVersion."""
    last_at: datetime | None = None
    """When something last happened in the case."""

    @on(Case.Opened)
    def opened(self, e: Case.Opened) -> None:
        """Register the case."""
        self.customer_id, self.reference, self.kind, self.channel = e.customer_id, e.reference, e.kind, e.channel
        self.description, self.opened_at, self.policy_version = e.description, e.occurred_at, e.policy_version
        self.product = e.product
        self.acknowledge_due_at, self.resolve_due_at = e.acknowledge_due_at, e.resolve_due_at

    @on(Case.Acknowledged)
    def acknowledged(self, e: Case.Acknowledged) -> None:
        """Note the acknowledgement."""
        self.acknowledged_at, self.state = e.occurred_at, CaseState.ACKNOWLEDGED

    @on(Case.Classified, Case.Reclassified)
    def classified(self, e: Case.Classified | Case.Reclassified) -> None:
        """Take over the class."""
        self.category, self.subcategory, self.severity = e.category, e.subcategory, e.severity or self.severity

    @on(Case.Assigned)
    def assigned(self, e: Case.Assigned) -> None:
        """Take over who is responsible."""
        self.handler, self.department, self.assignments = e.handler, e.department, self.assignments + 1
        if self.state is CaseState.ACKNOWLEDGED:
            self.state = CaseState.IN_PROGRESS

    @on(Case.FactsConfirmed)
    def facts_confirmed(self, e: Case.FactsConfirmed) -> None:
        """Note the confirmation."""
        self.facts_confirmed_at, self.state = e.occurred_at, CaseState.IN_PROGRESS

    @on(Case.Referred)
    def referred(self, e: Case.Referred) -> None:
        """Note to whom the case was passed."""
        self.referred_to, self.referred_at, self.state = e.to, e.occurred_at, CaseState.WAITING_THIRD_PARTY

    @on(Case.Responded)
    def responded(self, e: Case.Responded) -> None:
        """Take over the answer of the body the case was passed to."""
        self.response, self.timely = e.response, e.timely
        if e.response not in UNANSWERED:
            self.state = CaseState.IN_PROGRESS

    @on(Case.SolutionProposed)
    def proposed(self, e: Case.SolutionProposed) -> None:
        """Count the proposal."""
        self.proposals, self.proposal_kind, self.state = e.number, e.kind, CaseState.WAITING_CUSTOMER

    @on(Case.SolutionAccepted)
    def accepted(self, e: Case.SolutionAccepted) -> None:
        """Note the acceptance."""
        self.accepted_at, self.expectation, self.state = e.occurred_at, e.expectation, CaseState.IN_PROGRESS

    @on(Case.SolutionRejected)
    def rejected(self, e: Case.SolutionRejected) -> None:
        """Count the rejection."""
        self.rejections, self.state = self.rejections + 1, CaseState.IN_PROGRESS

    @on(Case.Resolved)
    def resolved(self, e: Case.Resolved) -> None:
        """Note the resolution."""
        self.resolved_at, self.resolution, self.state = e.occurred_at, e.resolution, CaseState.RESOLVED
        self.reopen_until = e.reopen_until

    @on(Case.ClosureConfirmed)
    def confirmed(self, e: Case.ClosureConfirmed) -> None:
        """Note the customer's confirmation."""
        self.confirmed_at = e.occurred_at

    @on(Case.Closed)
    def closed(self, e: Case.Closed) -> None:
        """Note the close and its basis."""
        self.closed_at, self.closing_basis, self.state = e.occurred_at, e.basis, CaseState.CLOSED
        self.reopen_until = e.reopen_until

    @on(Case.Reopened)
    def reopened(self, e: Case.Reopened) -> None:
        """Take the case up again."""
        self.resolved_at = self.closed_at = self.confirmed_at = self.reopen_until = None
        self.closing_basis, self.reopenings, self.state = None, self.reopenings + 1, CaseState.IN_PROGRESS

    @on(*CASE_EVENTS, Entry.Voided, Entry.Amended, own=True)
    def moved(self, e: Event) -> None:
        """Note the case's version and when something last happened."""
        self.version, self.last_at = e.stream_version, max(self.last_at or e.occurred_at, e.occurred_at)

    @on(Remedy.Offered, Remedy.ApprovalRequested)
    def remedy_came_up(self, e: Remedy.Offered | Remedy.ApprovalRequested) -> None:
        """Add the remedy, or take over that an approved one was offered."""
        asked = isinstance(e, Remedy.ApprovalRequested)
        state = RemedyState.AWAITING_APPROVAL if asked else RemedyState.OFFERED
        if not self._move_remedy(e.stream_id, state):
            remedy = CaseRemedy(
                remedy_id=e.stream_id, kind=e.kind, amount_minor=e.amount_minor, currency=e.currency, state=state
            )
            self.remedies = [*self.remedies, remedy]

    @on(*REMEDY_STATES)
    def remedy_moved(self, e: Event) -> None:
        """Take over where the remedy stands."""
        self._move_remedy(e.stream_id, REMEDY_STATES[type(e)])

    def _move_remedy(self, remedy_id: UUID, state: RemedyState) -> bool:
        for remedy in self.remedies:
            if remedy.remedy_id == remedy_id:
                remedy.state = state
                return True
        return False
