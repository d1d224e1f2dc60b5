"""The remedies: what was offered to make good, who allowed it, and whether it was given."""

from datetime import datetime
from uuid import UUID

from domain.entry import Entry
from domain.event import Event
from domain.remedy import Remedy
from domain.vocabulary import RemedyKind, RemedyState
from projections.engine.model import ReadModel, on


class Remedies(
    ReadModel,
    key="remedy_id",
    by="stream_id",
    version=2,
    begins=(Remedy.Offered, Remedy.ApprovalRequested),
    indexes=(("customer_id", "remedy_id"), ("case_id", "remedy_id")),
):
    """One remedy as it stands."""

    remedy_id: UUID
    """The remedy's id."""
    customer_id: UUID | None = None
    case_id: UUID | None = None
    kind: RemedyKind | None = None
    amount_minor: int = 0
    """What it is worth, in minor units."""
    currency: str | None = None
    """ISO 4217 currency code."""
    state: RemedyState | None = None
    approved: bool = False
    """Whether it was approved by another person."""
    limit_version: int | None = None
    """The version of the remedy authority it was offered or approved under."""
    requested_at: datetime | None = None
    """When leave was asked to offer it."""
    offered_at: datetime | None = None
    """When it was offered."""
    fulfilled_at: datetime | None = None
    """When the customer got it."""
    reversed_at: datetime | None = None
    """When it was taken back."""
    version: int = 0
    """The remedy's own version, to be given as expectedVersion."""

    @on(Remedy.ApprovalRequested)
    def requested(self, e: Remedy.ApprovalRequested) -> None:
        """Note the request."""
        self.customer_id, self.case_id, self.requested_at = e.customer_id, e.case_id, e.occurred_at
        self.kind, self.amount_minor, self.currency = e.kind, e.amount_minor, e.currency
        self._move(RemedyState.AWAITING_APPROVAL, e.stream_version)

    @on(Remedy.Approved)
    def allowed(self, e: Remedy.Approved) -> None:
        """Note the approval."""
        self.approved, self.limit_version = True, e.limit_version
        self._move(RemedyState.APPROVED, e.stream_version)

    @on(Remedy.Refused)
    def refused(self, e: Remedy.Refused) -> None:
        """Note the refusal."""
        self._move(RemedyState.REFUSED, e.stream_version)

    @on(Remedy.Offered)
    def offered(self, e: Remedy.Offered) -> None:
        """Note the offer."""
        self.customer_id, self.case_id, self.offered_at = e.customer_id, e.case_id, e.occurred_at
        self.kind, self.amount_minor, self.currency = e.kind, e.amount_minor, e.currency
        self.limit_version = e.limit_version or self.limit_version
        self._move(RemedyState.OFFERED, e.stream_version)

    @on(Remedy.Accepted)
    def accepted(self, e: Remedy.Accepted) -> None:
        """Note the acceptance."""
        self._move(RemedyState.ACCEPTED, e.stream_version)

    @on(Remedy.Declined)
    def declined(self, e: Remedy.Declined) -> None:
        """Note the customer's no."""
        self._move(RemedyState.DECLINED, e.stream_version)

    @on(Remedy.Fulfilled)
    def fulfilled(self, e: Remedy.Fulfilled) -> None:
        """Note the fulfilment."""
        self.fulfilled_at = e.occurred_at
        self._move(RemedyState.FULFILLED, e.stream_version)

    @on(Remedy.Failed)
    def failed(self, e: Remedy.Failed) -> None:
        """Note the failure."""
        self._move(RemedyState.FAILED, e.stream_version)

    @on(Remedy.Reversed)
    def taken_back(self, e: Remedy.Reversed) -> None:
        """Note that it was taken back."""
        self.reversed_at = e.occurred_at
        self._move(RemedyState.REVERSED, e.stream_version)

    @on(Entry.Voided, Entry.Amended)
    def corrected(self, e: Event) -> None:
        """Note the version; the corrected entry itself is folded otherwise."""
        self.version = e.stream_version

    def _move(self, state: RemedyState, version: int) -> None:
        self.state, self.version = state, version
