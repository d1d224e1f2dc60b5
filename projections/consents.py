"""The consents: for which purposes a customer's data may be used, on what basis and to which text."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.customer import Customer
from domain.person import LegalBasis
from projections.engine.model import ReadModel, on


class ConsentPurpose(Struct):
    """One purpose, as it was last granted."""

    purpose: str
    """What for, such as newsletter."""
    basis: LegalBasis
    text_version: str
    """Which version of the text the customer agreed to or was told."""
    granted_at: datetime
    """Since when it may be."""
    ended_at: datetime | None = None
    """When it was withdrawn, or ended since the person was erased; null while it holds."""


class Consents(ReadModel, key="customer_id", version=1, begins=(Customer.ConsentGranted,), order_by="occurred_at"):
    """What a customer's data may be used for, by what had been said at the time."""

    customer_id: UUID
    purposes: list[ConsentPurpose] = []
    """Every purpose there ever was a consent to, in the order of the first."""
    holding: int = 0
    """How many of them hold."""
    last_occurred_at: datetime | None = None
    """When the last of it happened."""

    @on(Customer.ConsentGranted)
    def granted(self, e: Customer.ConsentGranted) -> None:
        """Take over the consent; a new text or basis takes the place of the one before."""
        granted = ConsentPurpose(
            purpose=e.purpose, basis=e.basis, text_version=e.text_version, granted_at=e.occurred_at
        )
        if any(each.purpose == e.purpose for each in self.purposes):
            self.purposes = [granted if each.purpose == e.purpose else each for each in self.purposes]
        else:
            self.purposes = [*self.purposes, granted]
        self._count()

    @on(Customer.ConsentWithdrawn)
    def withdrawn(self, e: Customer.ConsentWithdrawn) -> None:
        """End the consent to the purpose."""
        self._end([each for each in self.purposes if each.purpose == e.purpose], e.occurred_at)

    @on(Customer.Erased)
    def erased(self, e: Customer.Erased) -> None:
        """End every consent: there is nobody left who gave it."""
        self._end(self.purposes, e.occurred_at)

    def _end(self, some: list[ConsentPurpose], at: datetime) -> None:
        for each in some:
            each.ended_at = each.ended_at or at
        self._count()

    def _count(self) -> None:
        self.holding = sum(each.ended_at is None for each in self.purposes)
