"""The audit trail: every entry by position, with who did what to whom under which command."""

from datetime import datetime
from uuid import UUID

from domain.vocabulary import ActorKind, EventName, Role
from projections.engine.model import ReadModel


class AuditTrail(
    ReadModel,
    key="position",
    version=3,
    indexes=(("actor_id", "position"), ("type", "position"), ("actor_id", "type", "position")),
    follows_merges=False,
    mirrors_entries=True,
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
