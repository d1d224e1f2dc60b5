"""Complaint outcomes: how each complaint was handled, for asking whether its customer stayed."""

from datetime import datetime
from uuid import UUID

from domain.case import Case
from domain.vocabulary import CaseKind, Channel
from projections.engine.model import ReadModel, on


class ComplaintOutcomes(
    ReadModel,
    key="case_id",
    version=2,
    order_by="occurred_at",
    begins=(Case.Opened,),
    indexes=(("customer_id", "opened_at"), ("opened_at", "case_id")),
):
    """The milestones of one case; a complaint where ``kind`` says so."""

    case_id: UUID
    customer_id: UUID | None = None
    kind: CaseKind | None = None
    channel: Channel | None = None
    opened_at: datetime | None = None
    """When the customer complained."""
    acknowledged_at: datetime | None = None
    """When the complaint was first acknowledged."""
    accepted_at: datetime | None = None
    """When a solution was first accepted."""
    rejected_at: datetime | None = None
    """When a solution was first turned down."""
    resolved_at: datetime | None = None
    """When the complaint was first held settled."""
    promised_at: datetime | None = None
    """By when the resolution was promised, by the targets in force at opening."""
    last_occurred_at: datetime | None = None
    """When the last of these milestones, or another step, took place."""

    @on(Case.Opened)
    def opened(self, e: Case.Opened) -> None:
        """Begin the complaint's record."""
        self.customer_id, self.kind, self.channel = e.customer_id, e.kind, e.channel
        self.opened_at, self.promised_at = e.occurred_at, e.resolve_due_at

    @on(Case.Acknowledged)
    def acknowledged(self, e: Case.Acknowledged) -> None:
        """Note the first acknowledgement."""
        self.acknowledged_at = self.acknowledged_at or e.occurred_at

    @on(Case.SolutionAccepted)
    def accepted(self, e: Case.SolutionAccepted) -> None:
        """Note the first acceptance."""
        self.accepted_at = self.accepted_at or e.occurred_at

    @on(Case.SolutionRejected)
    def rejected(self, e: Case.SolutionRejected) -> None:
        """Note the first rejection."""
        self.rejected_at = self.rejected_at or e.occurred_at

    @on(Case.Resolved)
    def resolved(self, e: Case.Resolved) -> None:
        """Note the first resolution."""
        self.resolved_at = self.resolved_at or e.occurred_at
