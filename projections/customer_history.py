"""The customer history: every entry of a customer, newest first; who looked at it is in the audit trail."""

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.look import Look
from domain.vocabulary import ActorKind, Role
from projections.engine.model import ReadModel


class CustomerHistory(
    ReadModel,
    key="position",
    version=3,
    indexes=(("customer_id", "position"), ("case_id", "position")),
    mirrors_entries=True,
    passes_over=(Look.Recorded,),
):
    """One entry in a customer's history, as it was entered."""

    position: int
    customer_id: UUID | None = None
    case_id: UUID | None = None
    type: str = ""
    """What happened, such as Case.Opened."""
    occurred_at: datetime | None = None
    recorded_at: datetime | None = None
    actor_kind: ActorKind | None = None
    actor_id: str | None = None
    actor_role: Role | None = None
    data: dict[str, Any] = {}
    """The entry's own fields; personal ones only for roles that may see them."""
    voided_by: int | None = None
    """The position of the entry that declared this one void."""
    amended_by: int | None = None
    """The position of the last entry that stated some fields of this one anew; ``data`` is as it was entered."""
