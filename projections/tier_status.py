"""The tier status: which tier a customer holds, since when, by which policy and inputs."""

from datetime import datetime
from uuid import UUID

from domain.customer import Customer
from domain.tier import TierInputs
from domain.vocabulary import Tier
from projections.engine.model import ReadModel, on


class TierStatus(ReadModel, key="customer_id", version=2, indexes=(("tier", "customer_id"),)):
    """A customer's tier and what it rests on."""

    customer_id: UUID
    tier: Tier | None = None
    since: datetime | None = None
    """Since when the customer holds the tier."""
    previous: Tier | None = None
    """The tier before this one."""
    changes: int = 0
    """How often the tier changed, the first one counted."""
    policy_version: int | None = None
    """The version of the tier rule of the last review that assigned a tier."""
    reason: str | None = None
    """Which clause of the rule decided, or why the tier was overridden."""
    currency: str | None = None
    """ISO 4217 currency code of the inputs' amounts."""
    inputs: TierInputs | None = None
    """The figures the last review judged by."""
    override_until: datetime | None = None
    """Until when a tier set by hand holds; null for a tier by rule."""

    @on(Customer.TierAssigned, own=True)
    def assigned(self, e: Customer.TierAssigned) -> None:
        """Take over the result of the review and its inputs."""
        self._move(e.tier, e.occurred_at)
        self.policy_version, self.reason, self.override_until = e.policy_version, e.reason, None
        self.currency, self.inputs = e.currency, e.inputs

    @on(Customer.TierOverridden, own=True)
    def overridden(self, e: Customer.TierOverridden) -> None:
        """Take over what a person set, and until when."""
        self._move(e.tier, e.occurred_at)
        self.reason, self.override_until = e.reason, e.expires_at

    def _move(self, tier: Tier, at: datetime) -> None:
        self.previous, self.tier, self.since = self.tier, tier, at
        self.changes += 1
