"""The customer history: every entry of a customer, newest first."""

from datetime import datetime
from typing import Any
from uuid import UUID

from domain.entry import Entry
from domain.event import Event
from domain.vocabulary import ActorKind, Role
from projections.engine.model import ReadModel, on


class CustomerHistory(
    ReadModel, key="position", version=2, indexes=(("customer_id", "position"), ("case_id", "position"))
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

    @on(Event)
    def entered(self, e: Event) -> None:
        """Take the entry over as it is."""
        self.customer_id, self.case_id, self.type = e.customer_id, e.case_id, e.type_name
        self.occurred_at, self.recorded_at = e.occurred_at, e.recorded_at
        self.actor_kind = ActorKind(e.actor_kind)
        self.actor_id, self.actor_role = e.actor_id, Role(e.actor_role) if e.actor_role else None
        self.data = e.payload()

    @on(Entry.Voided, amends="voided_position")
    def voided(self, e: Entry.Voided) -> None:
        """Mark the entry that was declared void."""
        self.voided_by = e.position

    @on(Entry.Amended, amends="amended_position")
    def amended(self, e: Entry.Amended) -> None:
        """Mark the entry that was amended."""
        self.amended_by = e.position
