"""Looks: who saw personal data of whom, and what for."""

from datetime import datetime
from uuid import UUID

from domain.look import Look, LookPurpose
from domain.vocabulary import Name, Role
from projections.engine.model import ReadModel, on


class Looks(
    ReadModel,
    key="position",
    version=1,
    indexes=(("customer_id", "position"), ("actor_id", "position"), ("purpose", "position")),
):
    """One person's look at personal data; whoever sees the same again within the hour has looked once."""

    position: int
    customer_id: UUID | None = None
    occurred_at: datetime | None = None
    actor_id: str | None = None
    actor_role: Role | None = None
    purpose: LookPurpose = LookPurpose.ANSWER
    fields: list[Name] = []
    """The personal fields that were opened, by name."""
    taken: Name | None = None
    """What was replayed, explained, exported or proved."""

    @on(Look.Recorded)
    def recorded(self, e: Look.Recorded) -> None:
        """Take the look over."""
        self.customer_id, self.occurred_at = e.customer_id, e.occurred_at
        self.actor_id, self.actor_role = e.actor_id, Role(e.actor_role) if e.actor_role else None
        self.purpose, self.fields, self.taken = e.purpose, e.fields, e.taken
