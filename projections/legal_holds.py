"""The legal holds: what stands against erasing a customer, and what did."""

from datetime import datetime
from uuid import UUID

from domain.entry import Entry
from domain.event import Event
from domain.legal_hold import LegalHold
from projections.engine.model import ReadModel, on


class LegalHolds(
    ReadModel,
    key="legal_hold_id",
    by="stream_id",
    version=1,
    begins=(LegalHold.Placed,),
    indexes=(("customer_id", "placed_at"), ("placed_at", "legal_hold_id")),
):
    """One legal hold on a customer."""

    legal_hold_id: UUID
    """The hold's id."""
    customer_id: UUID | None = None
    reference: str | None = None
    """The matter it is for, such as the number of a claim."""
    reason: str | None = None
    """Why what is recorded must be kept."""
    placed_at: datetime | None = None
    """Since when it runs."""
    released_at: datetime | None = None
    """When it was released; null while it runs."""
    release_reason: str | None = None
    """Why it was no longer needed."""
    version: int = 0
    """The hold's own version, to be given as expectedVersion."""

    @on(LegalHold.Placed)
    def placed(self, e: LegalHold.Placed) -> None:
        """Take over what it is for."""
        self.customer_id, self.reference, self.reason = e.customer_id, e.reference, e.reason
        self.placed_at, self.version = e.occurred_at, e.stream_version

    @on(LegalHold.Released)
    def released(self, e: LegalHold.Released) -> None:
        """Note that it no longer runs."""
        self.released_at, self.release_reason, self.version = e.occurred_at, e.reason, e.stream_version

    @on(Entry.Voided, Entry.Amended)
    def corrected(self, e: Event) -> None:
        """Note the version; the corrected entry itself is folded otherwise."""
        self.version = e.stream_version
