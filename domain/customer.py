"""A customer: who they are, how to reach them, and which tier they hold."""

from __future__ import annotations

from dataclasses import field
from datetime import datetime
from typing import Annotated, Self
from uuid import UUID

from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .event import DECIDED, NIL, Event, of
from .person import ERASED, LegalBasis, Person, RelationshipPart
from .policy import RetentionPeriods
from .rule import Rule
from .tier import TierInputs
from .vocabulary import (
    ContactKind,
    Currency,
    CustomerId,
    CustomerKind,
    Instant,
    InvalidReason,
    Name,
    Personal,
    PolicyVersion,
    Reference,
    Role,
    Text,
    Tier,
)

STAFF = (Role.AGENT, Role.SUPERVISOR)

CONTACT_EXISTS = Rule("CUSTOMER_CONTACT_EXISTS", "The contact point {contact} exists; give the new one another name.")
CONTACT_UNKNOWN = Rule("CUSTOMER_CONTACT_UNKNOWN", "The customer has no valid contact point called {contact}.")
CONTACTS_FULL = Rule("CUSTOMER_CONTACTS_FULL", "The customer has {most} contact points; invalidate one first.")
NOTHING_CHANGES = Rule("CUSTOMER_NOTHING_CHANGES", "The profile already says so; nothing was recorded.")
TIER_UNCHANGED = Rule("CUSTOMER_TIER_UNCHANGED", "The customer holds the tier {tier} already.")
OVERRIDE_HOLDS = Rule("CUSTOMER_OVERRIDE_HOLDS", "The tier was set by hand and holds until {until}.")
OVERRIDE_EXPIRED = Rule("CUSTOMER_OVERRIDE_EXPIRED", "An override must end after it begins.", field="expiresAt")
MERGED_WITH_SELF = Rule("CUSTOMER_MERGED_WITH_SELF", "A customer cannot be merged into itself.", field="survivorId")
ALREADY_MERGED = Rule("CUSTOMER_ALREADY_MERGED", "The customer was merged into {survivor} already; unmerge it first.")
SURVIVOR_MERGED = Rule(
    "CUSTOMER_SURVIVOR_MERGED", "The survivor was itself merged into {survivor}; name that one.", field="survivorId"
)
NOT_MERGED = Rule("CUSTOMER_NOT_MERGED", "The customer is not merged into another.")
RELATED_TO_SELF = Rule("CUSTOMER_RELATED_TO_SELF", "A customer has no part in its own business.", field="personId")
ALREADY_RELATED = Rule("CUSTOMER_ALREADY_RELATED", "This person was declared {part} of the customer already.")
CONSENT_HOLDS = Rule("CONSENT_HOLDS", "Consent to {purpose} was given already, on this basis and to this text.")
NO_CONSENT = Rule("CONSENT_NOT_GRANTED", "No consent to {purpose} holds that could be withdrawn.", field="purpose")
ALREADY_ERASED = Rule("CUSTOMER_ALREADY_ERASED", "The customer was erased on {at}; there is nothing left to destroy.")
ERASE_SURVIVOR = Rule(
    "CUSTOMER_ERASE_SURVIVOR",
    "The customer was merged into {survivor}; erase that one, which forgets both, or unmerge them first.",
)

CONTACTS_MAX = 50
"""Why: more contact points than any real customer has; a list to be read at one glance."""


class Customer(Aggregate):
    """One party: a person, a business, a partner or a colleague."""

    name: str | None = None
    kind: CustomerKind = CustomerKind.PERSON
    country: str | None = None
    contacts: set[str] = field(default_factory=set)
    tier: Tier | None = None
    override_until: datetime | None = None
    merged_into: UUID | None = None
    related: set[tuple[UUID, RelationshipPart]] = field(default_factory=set)
    consents: dict[str, tuple[LegalBasis, str]] = field(default_factory=dict)
    erased_at: datetime | None = None

    class Registered(Event):
        """A customer became known to us."""

        kind: CustomerKind = CustomerKind.PERSON
        name: Personal | None = None
        """The customer's name, or a nickname."""
        country: Name | None = None
        """The country the customer is served in."""
        reference: Reference | None = None
        """The customer's number in the system they came from."""

        def apply(self, customer: Customer) -> None:
            customer.kind, customer.name, customer.country = self.kind, self.name, self.country

    class ProfileChanged(Event):
        """The customer's name, kind or country was corrected."""

        kind: CustomerKind | None = None
        name: Personal | None = None
        """The new name; null leaves it."""
        country: Name | None = None
        """The new country; null leaves it."""

        def apply(self, customer: Customer) -> None:
            customer.kind = self.kind or customer.kind
            customer.name = self.name or customer.name
            customer.country = self.country or customer.country

    class ContactPointAdded(Event):
        """A way to reach the customer became known."""

        contact: Name
        """What this contact point is called, such as home or office; unique for the customer."""
        kind: ContactKind
        value: Personal
        """The number or address itself."""

        def apply(self, customer: Customer) -> None:
            customer.contacts.add(self.contact)

    class ContactPointInvalidated(Event):
        """A way to reach the customer no longer works."""

        contact: Name
        """What the contact point is called."""
        reason: InvalidReason

        def apply(self, customer: Customer) -> None:
            customer.contacts.discard(self.contact)

    class TierAssigned(Event):
        """A review gave the customer a tier, with the inputs it judged by, so that anyone can derive it again."""

        tier: Tier
        policy_version: PolicyVersion
        reviewed_at: Instant
        """The instant the review looked from."""
        reason: Name
        """Which clause of the tier rule decided."""
        currency: Currency
        inputs: TierInputs

        def apply(self, customer: Customer) -> None:
            customer.tier, customer.override_until = self.tier, None

    class TierOverridden(Event):
        """A person set the tier by hand, for a reason and a time."""

        tier: Tier
        reason: Text
        """Why the rule's result does not fit."""
        expires_at: Instant
        """Until when the override holds."""
        previous: Annotated[Tier | None, DECIDED] = None
        """The tier before the override."""

        def apply(self, customer: Customer) -> None:
            customer.tier, customer.override_until = self.tier, self.expires_at

    class Merged(Event):
        """The customer was found to be the same as another, who is from then on answered for with both histories."""

        survivor_id: Annotated[CustomerId, DECIDED] = NIL
        """The customer it was merged into."""
        reason: Text | None = None
        """How it was found out."""

        def apply(self, customer: Customer) -> None:
            customer.merged_into = self.survivor_id

    class Unmerged(Event):
        """The merge of the customer into another was undone; both have their own histories again."""

        survivor_id: Annotated[CustomerId, DECIDED] = NIL
        """The customer it had been merged into."""
        reason: Text
        """Why the two are not the same."""

        def apply(self, customer: Customer) -> None:
            customer.merged_into = None

    class RelationshipDeclared(Event):
        """Another person was found to have a part in the business of this customer."""

        person_id: Annotated[CustomerId, DECIDED] = NIL
        """The person, who is a customer of their own."""
        part: RelationshipPart
        note: Personal | None = None
        """How it came about, as this customer tells it."""
        position_held: Annotated[Personal, of("person_id")] | None = None
        """What the person does there, such as head of purchasing; theirs, and sealed with their own key."""

        def apply(self, customer: Customer) -> None:
            customer.related.add((self.person_id, self.part))

    class ConsentGranted(Event):
        """The customer allowed that their data be used for a purpose, or another ground for it was established."""

        purpose: Name
        """What for, such as newsletter."""
        basis: LegalBasis = LegalBasis.CONSENT
        text_version: Reference
        """Which version of the text they agreed to or were told."""

        def apply(self, customer: Customer) -> None:
            customer.consents[self.purpose] = (self.basis, self.text_version)

    class ConsentWithdrawn(Event):
        """The customer no longer allows that their data be used for a purpose."""

        purpose: Name
        """What for, as it was called when it was granted."""

        def apply(self, customer: Customer) -> None:
            customer.consents.pop(self.purpose, None)

    class Erased(Event):
        """The person was forgotten: the keys were destroyed that alone could open what is sealed of them."""

        reason: Text
        """Why, such as the number of the request; without personal data, since this stays."""
        survivor_id: Annotated[CustomerId | None, DECIDED] = None
        """The customer that was asked for, into which this one had been merged; null for that one itself."""
        keys: Annotated[list[UUID], DECIDED] = []
        """The ids of the keys that were destroyed: the customer's, and of what was recorded before they were known."""
        sealed: Annotated[list[Name], DECIDED] = []
        """What can no longer be opened, such as Case.Opened.description; told for all merged customers together."""

        def apply(self, customer: Customer) -> None:
            customer.erased_at, customer.name = self.occurred_at, None
            customer.contacts.clear()
            customer.consents.clear()

    @property
    def subject(self) -> UUID:
        """A customer's history is their own."""
        return self.id

    @command(*STAFF)
    @classmethod
    def register(cls, context: Context, id: UUID, fact: Registered) -> Self:
        """Register a customer."""
        return cls.begin(context, id, fact, customer_id=id)

    @command(*STAFF, name="change_customer_profile")
    def change_profile(self, context: Context, fact: ProfileChanged) -> None:
        """Correct the customer's name, kind or country; fields left out stay as they are."""
        ERASED.refuse_if(self.erased_at and fact.name)
        told = ((fact.name, self.name), (fact.kind, self.kind), (fact.country, self.country))
        NOTHING_CHANGES.refuse_if(all(new in (None, old) for new, old in told))
        self.enter(context, fact)

    @command(*STAFF, name="add_contact_point")
    def add_contact_point(self, context: Context, fact: ContactPointAdded) -> None:
        """Record a way to reach the customer."""
        ERASED.refuse_if(self.erased_at)
        CONTACT_EXISTS.refuse_if(fact.contact in self.contacts, contact=fact.contact)
        CONTACTS_FULL.refuse_if(len(self.contacts) >= CONTACTS_MAX, most=CONTACTS_MAX)
        self.enter(context, fact)

    @command(*STAFF, name="invalidate_contact_point")
    def invalidate_contact_point(self, context: Context, fact: ContactPointInvalidated) -> None:
        """Record that a contact point no longer reaches the customer."""
        CONTACT_UNKNOWN.refuse_if(fact.contact not in self.contacts, contact=fact.contact)
        self.enter(context, fact)

    def assign_tier(self, context: Context, fact: TierAssigned) -> None:
        """Record the result of a tier review, if it changes the tier."""
        TIER_UNCHANGED.refuse_if(self.tier is fact.tier, tier=fact.tier)
        OVERRIDE_HOLDS.refuse_if(self.is_overridden(context.at), until=self.override_until)
        self.enter(context, fact)

    def is_overridden(self, at: datetime) -> bool:
        """Whether a tier set by hand holds at an instant."""
        return self.override_until is not None and self.override_until > at

    @command(Role.SUPERVISOR, name="override_tier")
    def override_tier(self, context: Context, fact: TierOverridden) -> None:
        """Set the tier by hand, with a reason and an end."""
        TIER_UNCHANGED.refuse_if(self.tier is fact.tier, tier=fact.tier)
        OVERRIDE_EXPIRED.refuse_if(fact.expires_at <= context.at)
        self.enter(context, replace(fact, previous=self.tier))

    @command(Role.SUPERVISOR)
    def merge(self, context: Context, survivor: Customer, fact: Merged) -> None:
        """Merge the customer into the survivor, who is the same; it can be undone.

        Nothing is rewritten: entries of either customer, past and to come, count for the survivor. Both stand alone
        at this moment, or follow others into one that does, so no circle can come about.
        """
        MERGED_WITH_SELF.refuse_if(survivor.id == self.id)
        ALREADY_MERGED.refuse_if(self.merged_into, survivor=self.merged_into)
        SURVIVOR_MERGED.refuse_if(survivor.merged_into, survivor=survivor.merged_into)
        ERASED.refuse_if(self.erased_at or survivor.erased_at)
        self.enter(context, replace(fact, survivor_id=survivor.id))

    @command(Role.SUPERVISOR)
    def unmerge(self, context: Context, fact: Unmerged) -> None:
        """Undo the merge of the customer into another, saying why."""
        if self.merged_into is None:
            NOT_MERGED.refuse()
        self.enter(context, replace(fact, survivor_id=self.merged_into))

    @command(*STAFF, name="declare_relationship")
    def declare_relationship(self, context: Context, person: Customer, fact: RelationshipDeclared) -> None:
        """Record that another person pays, decides or benefits in the business of the customer."""
        RELATED_TO_SELF.refuse_if(person.id == self.id)
        ALREADY_RELATED.refuse_if((person.id, fact.part) in self.related, part=fact.part)
        self.enter(context, replace(fact, person_id=person.id))

    @command(*STAFF, name="grant_consent")
    def grant_consent(self, context: Context, fact: ConsentGranted) -> None:
        """Record that the customer's data may be used for a purpose, on what basis, and to which text."""
        ERASED.refuse_if(self.erased_at)
        CONSENT_HOLDS.refuse_if(
            self.consents.get(fact.purpose) == (fact.basis, fact.text_version), purpose=fact.purpose
        )
        self.enter(context, fact)

    @command(*STAFF, name="withdraw_consent")
    def withdraw_consent(self, context: Context, fact: ConsentWithdrawn) -> None:
        """Record that the customer's data may no longer be used for a purpose."""
        NO_CONSENT.refuse_if(fact.purpose not in self.consents, purpose=fact.purpose)
        self.enter(context, fact)

    @command(Role.ADMIN)
    def erase(self, context: Context, person: Person, retention: RetentionPeriods | None, fact: Erased) -> None:
        """Forget the person for good: destroy the keys of all that is sealed of them and of those merged into them.

        Entries, positions, hashes and counts stay as they are. Refused while a legal hold runs, and while a complaint
        or anything else of theirs must be kept by the retention periods in force.
        """
        ALREADY_ERASED.refuse_if(self.erased_at, at=self.erased_at)
        ERASE_SURVIVOR.refuse_if(self.merged_into, survivor=self.merged_into)
        person.refuse_while_kept(retention, context.at)
        self.enter(context, replace(fact, keys=[self.id, *person.streams], sealed=person.sealed))
        for other in person.absorbed:
            if other.erased_at is None:
                other.enter(context, replace(fact, survivor_id=self.id, keys=[other.id]))
                self.pending_events.extend(other.collect_events())
