"""The audit trail: every entry by position, with who did what to whom under which command."""

from datetime import datetime
from uuid import UUID

from domain.entry import Entry
from domain.event import Event
from domain.vocabulary import ActorKind, EventName, Role
from projections.engine.model import ReadModel, on


class AuditTrail(
    ReadModel,
    key="position",
    version=3,
    indexes=(("actor_id", "position"), ("type", "position"), ("actor_id", "type", "position")),
    follows_merges=False,
):
    """One entry as an auditor sees it: its envelope as it was entered, without what it says."""

    position: int
    stream_id: UUID | None = None
    stream_version: int = 0
    type: EventName = ""
    customer_id: UUID | None = None
    case_id: UUID | None = None
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    actor_kind: ActorKind | None = None
    actor_id: str | None = None
    actor_role: Role | None = None
    command_id: UUID | None = None
    causation_id: UUID | None = None
    correlation_id: UUID | None = None
    source: str | None = None
    external_id: str | None = None
    voided_by: int | None = None
    """The position of the entry that declared this one void."""
    amended_by: int | None = None
    """The position of the last entry that stated some fields of this one anew."""

    @on(Event)
    def entered(self, e: Event) -> None:
        """Take the envelope over as it is."""
        self.stream_id, self.stream_version, self.type = e.stream_id, e.stream_version, e.type_name
        self.customer_id, self.case_id = e.customer_id, e.case_id
        self.occurred_at, self.recorded_at = e.occurred_at, e.recorded_at
        self.actor_kind = ActorKind(e.actor_kind)
        self.actor_id, self.actor_role = e.actor_id, Role(e.actor_role) if e.actor_role else None
        self.command_id, self.causation_id, self.correlation_id = e.command_id, e.causation_id, e.correlation_id
        self.source, self.external_id = e.source, e.external_id

    @on(Entry.Voided, amends="voided_position")
    def voided(self, e: Entry.Voided) -> None:
        """Mark the entry that was declared void."""
        self.voided_by = e.position

    @on(Entry.Amended, amends="amended_position")
    def amended(self, e: Entry.Amended) -> None:
        """Mark the entry that was amended."""
        self.amended_by = e.position
