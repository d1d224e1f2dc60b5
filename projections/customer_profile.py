"""The customer profile: who a customer is and how to reach them, as last stated."""

from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event, events
from domain.touchpoint import Touchpoint
from domain.vocabulary import ContactKind, CustomerKind, InvalidReason
from projections.engine.model import ReadModel, Sealed, on

CUSTOMER_EVENTS = [event for event in events().values() if event.aggregate is Customer]


class ContactPoint(Struct):
    """A way to reach the customer."""

    contact: str
    """What it is called, such as home or office."""
    kind: ContactKind
    value: Sealed | None
    """The number or address itself; null once the customer was erased."""
    invalid: InvalidReason | None = None
    """Why it no longer works; null while it does."""
    stated_of: UUID | None = None
    """The merged customer it was stated of; null where it was stated of this one."""


class CustomerProfile(
    ReadModel,
    key="customer_id",
    version=5,
    begins=(Customer.Registered,),
    indexes=(("registered_at", "customer_id"), ("reference", "customer_id")),
):
    """A customer as last stated."""

    customer_id: UUID
    kind: CustomerKind | None = None
    name: Sealed | None = None
    """The customer's name or nickname."""
    country: str | None = None
    """The country the customer is served in."""
    reference: str | None = None
    """The customer's number in the system they came from."""
    registered_at: datetime | None = None
    """When the customer became known to us."""
    contact_points: list[ContactPoint] = []
    """Every way to reach the customer, valid or not, in the order it became known."""
    touchpoint_count: int = 0
    """How many contacts there were."""
    case_count: int = 0
    """How many cases were opened."""
    last_touch_at: datetime | None = None
    """When the last contact took place."""
    merged: list[UUID] = []
    """The customers that were merged into this one, whose history is now part of its own."""
    erased_at: datetime | None = None
    """When the person was forgotten; then what was personal is null, and what happened stands."""
    version: int = 0
    """The customer's own version, to be given as expectedVersion."""

    @on(Customer.Registered, own=True)
    def registered(self, e: Customer.Registered) -> None:
        """Take over what was first stated."""
        self.kind, self.name, self.country, self.reference = e.kind, e.name, e.country, e.reference
        self.registered_at = e.occurred_at

    @on(Customer.ProfileChanged, own=True)
    def changed(self, e: Customer.ProfileChanged) -> None:
        """Take over what was corrected."""
        self.kind, self.name = e.kind or self.kind, e.name or self.name
        self.country = e.country or self.country

    @on(Customer.ContactPointAdded)
    def contact_added(self, e: Customer.ContactPointAdded) -> None:
        """Add the contact point."""
        added = ContactPoint(contact=e.contact, kind=e.kind, value=e.value, stated_of=self._other(e))
        self.contact_points = [*self.contact_points, added]

    @on(Customer.ContactPointInvalidated)
    def contact_invalidated(self, e: Customer.ContactPointInvalidated) -> None:
        """Say why the contact point no longer works."""
        for point in self.contact_points:
            if point.contact == e.contact and point.stated_of == self._other(e) and point.invalid is None:
                point.invalid = e.reason

    @on(Touchpoint.Recorded)
    def touched(self, e: Touchpoint.Recorded) -> None:
        """Count the contact."""
        self.touchpoint_count += 1
        self.last_touch_at = max(self.last_touch_at or e.occurred_at, e.occurred_at)

    @on(Case.Opened)
    def case_opened(self, e: Case.Opened) -> None:
        """Count the case."""
        self.case_count += 1

    @on(Customer.Merged)
    def merged_another(self, e: Customer.Merged) -> None:
        """Note the customer that was merged into this one; only merges that are in force are among its entries."""
        if (other := self._other(e)) and other not in self.merged:
            self.merged = [*self.merged, other]

    @on(Customer.Erased, own=True)
    def erased(self, e: Customer.Erased) -> None:
        """Note that the person was forgotten, and forget the number by which another system knows them."""
        self.erased_at, self.reference = e.occurred_at, None

    @on(*CUSTOMER_EVENTS, Entry.Voided, Entry.Amended, own=True)
    def moved(self, e: Event) -> None:
        """Note the customer's version."""
        self.version = e.stream_version

    def _other(self, e: Event) -> UUID | None:
        """The merged customer whose entry this is; ``None`` for the customer's own."""
        return None if e.stream_id == self.customer_id else e.stream_id
