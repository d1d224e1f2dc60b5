"""The words of the ledger: enumerations and annotated types, each described once.

A type's description becomes the description of every field that uses it, in GraphQL, in the import schema and in
the reference pages.
"""

from datetime import datetime
from enum import StrEnum
from typing import Annotated
from uuid import UUID

from msgspec import Meta

NAME_MAX = 200
"""Why: longer than any personal or company name on record, short enough for one line on a page."""
TEXT_MAX = 10_000
"""Why: some four pages; a longer account is a document to be referred to, not an entry."""
REFERENCE_MAX = 200
"""Why: an id or reference of another system."""
LIST_MAX = 2_000
"""Why: the longest real invoice seen has 1 114 lines."""

Name = Annotated[str, Meta(min_length=1, max_length=NAME_MAX, description="A short name.")]
Text = Annotated[str, Meta(min_length=1, max_length=TEXT_MAX, description="Free text in any script.")]
Reference = Annotated[
    str, Meta(min_length=1, max_length=REFERENCE_MAX, description="An id or reference in another system.")
]
Personal = Annotated[
    str,
    Meta(
        min_length=1,
        description="Personal data: sealed with the subject's own key, shown only to roles that need it.",
        extra={"personal": True},
    ),
]
"""At most ``TEXT_MAX`` characters in clear, checked where it comes in: sealed it is longer, and is read back so."""


def of(field: str) -> Meta:
    """Marks a personal field as that of another person: the one whose id stands in ``field`` of the same event."""
    return Meta(extra={"of": field})


Instant = Annotated[datetime, Meta(tz=True, description="An instant, with its time zone.")]
WEIGHED = {"weighed": True}
"""Marks, as the ``extra`` of a type, what rules weighed or totals were made of, so that it is never amended."""
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 currency code.", extra=WEIGHED)]
AMOUNT_MAX = 2**53
"""Why: what every JSON reader takes as an exact integer; ninety trillion in a currency of cents."""
AmountMinor = Annotated[
    int, Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX, description="An amount of money in minor units, such as cents.")
]
Seconds = Annotated[int, Meta(ge=0, le=2**31, description="A duration in seconds.")]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000, description="A share in basis points: 10 000 is the whole.")]
CustomerId = Annotated[UUID, Meta(description="The customer's id.")]
CaseId = Annotated[UUID, Meta(description="The case's id.")]
PolicyVersion = Annotated[int, Meta(ge=1, description="The version of the policy that was in force.")]


class ActorKind(StrEnum):
    """What kind of actor acted."""

    EMPLOYEE = "employee"
    CUSTOMER = "customer"
    BOT = "bot"
    SYSTEM = "system"
    IMPORT = "import"


class Role(StrEnum):
    """What a caller may do: the role in their token."""

    AGENT = "agent"
    SUPERVISOR = "supervisor"
    AUDITOR = "auditor"
    ANALYST = "analyst"
    ADMIN = "admin"


class CustomerKind(StrEnum):
    """What kind of party the customer is."""

    PERSON = "person"
    BUSINESS = "business"
    CHANNEL_PARTNER = "channel_partner"
    INTERNAL = "internal"


class LookPurpose(StrEnum):
    """What somebody looked at personal data for."""

    ANSWER = "answer"
    """A question was answered, such as a customer's page."""
    REPLAY = "replay"
    """A case was replayed."""
    EXPLANATION = "explanation"
    """A row of a read model was explained."""
    EXPORT = "export"
    """What is held of a person was exported."""
    PROOF = "proof"
    """Evidence was taken out of the ledger."""


class ContactKind(StrEnum):
    """The kind of a contact point."""

    PHONE = "phone"
    EMAIL = "email"
    POSTAL = "postal"
    MESSAGING = "messaging"
    SOCIAL = "social"


class LegalBasis(StrEnum):
    """On what ground personal data is processed, in the terms of GDPR article 6."""

    CONSENT = "consent"
    CONTRACT = "contract"
    LEGAL_OBLIGATION = "legal_obligation"
    VITAL_INTERESTS = "vital_interests"
    PUBLIC_TASK = "public_task"
    LEGITIMATE_INTERESTS = "legitimate_interests"


class RelationshipPart(StrEnum):
    """What part a person has in the business of a customer."""

    PAYER = "payer"
    DECISION_MAKER = "decision_maker"
    BENEFICIARY = "beneficiary"


class InvalidReason(StrEnum):
    """Why a contact point no longer reaches the customer."""

    BOUNCED = "bounced"
    DISCONNECTED = "disconnected"
    RETURNED = "returned"
    OWNER_CHANGED = "owner_changed"


class Tier(StrEnum):
    """A customer's value tier, best first: platinum, gold, iron, lead."""

    PLATINUM = "platinum"
    GOLD = "gold"
    IRON = "iron"
    LEAD = "lead"


class Channel(StrEnum):
    """The channel a contact came through."""

    PHONE = "phone"
    EMAIL = "email"
    WEB_FORM = "web_form"
    CHAT = "chat"
    SOCIAL = "social"
    MESSAGING_APP = "messaging_app"
    MOBILE_APP = "mobile_app"
    SELF_SERVICE = "self_service"
    IN_PERSON = "in_person"
    LETTER = "letter"
    FAX = "fax"
    REFERRAL = "referral"


class Direction(StrEnum):
    """Who started the contact: inbound from the customer, outbound from us."""

    INBOUND = "inbound"
    OUTBOUND = "outbound"


class Interface(StrEnum):
    """The part of the organisation the customer met."""

    MARKETING = "marketing"
    SALES = "sales"
    SUPPLY_CHAIN = "supply_chain"
    DEVELOPMENT = "development"
    PRODUCTION = "production"
    CUSTOMER_SERVICE = "customer_service"
    TECHNICAL_SUPPORT = "technical_support"
    BILLING = "billing"
    INTERMEDIARY = "intermediary"


class CaseKind(StrEnum):
    """What the customer brings."""

    COMPLAINT = "complaint"
    REQUEST = "request"
    FEEDBACK = "feedback"
    SUGGESTION = "suggestion"
    COMPLIMENT = "compliment"


class CaseState(StrEnum):
    """Where a case stands; derived from its entries."""

    OPEN = "open"
    ACKNOWLEDGED = "acknowledged"
    IN_PROGRESS = "in_progress"
    WAITING_CUSTOMER = "waiting_customer"
    WAITING_THIRD_PARTY = "waiting_third_party"
    RESOLVED = "resolved"
    CLOSED = "closed"


class Category(StrEnum):
    """The one main category of a case."""

    PRODUCT = "product"
    SERVICE = "service"
    TECHNICAL = "technical"
    PAYMENT = "payment"


class Severity(StrEnum):
    """How grave the matter is for the customer."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
    CRITICAL = "critical"


class SolutionKind(StrEnum):
    """What kind of solution is proposed."""

    EXPLANATION = "explanation"
    FIX = "fix"
    REMEDY = "remedy"
    REFERRAL = "referral"


class Response(StrEnum):
    """What a body that a case was referred to answered the customer, in the terms of the CFPB."""

    EXPLANATION = "explanation"
    MONETARY_RELIEF = "monetary_relief"
    NON_MONETARY_RELIEF = "non_monetary_relief"
    CLOSED = "closed"
    """Closed with neither explanation nor relief."""
    IN_PROGRESS = "in_progress"
    """Taken up, the answer itself still to come."""
    UNTIMELY = "untimely"
    """None came in the time allowed."""


class Expectation(StrEnum):
    """How a solution compares with what the customer expected."""

    BELOW = "below"
    MET = "met"
    EXCEEDED = "exceeded"


class ClosingBasis(StrEnum):
    """On what ground a case is closed; only the customer's confirmation is a full close."""

    CUSTOMER_CONFIRMED = "customer_confirmed"
    NO_RESPONSE_AFTER = "no_response_after"
    WITHDRAWN = "withdrawn"
    NO_AGREEMENT = "no_agreement"
    OUT_OF_SCOPE = "out_of_scope"


class RemedyKind(StrEnum):
    """What is given to make good."""

    REFUND = "refund"
    PARTIAL_REFUND = "partial_refund"
    REPLACEMENT = "replacement"
    REDO = "redo"
    REPAIR = "repair"
    DISCOUNT = "discount"
    VOUCHER = "voucher"
    GIFT = "gift"
    POINTS = "points"
    GOODWILL_PAYMENT = "goodwill_payment"
    FEE_WAIVER = "fee_waiver"
    APOLOGY_ONLY = "apology_only"
    NON_MONETARY = "non_monetary"


class RemedyState(StrEnum):
    """Where a remedy stands; derived from its entries."""

    OFFERED = "offered"
    AWAITING_APPROVAL = "awaiting_approval"
    APPROVED = "approved"
    REFUSED = "refused"
    ACCEPTED = "accepted"
    DECLINED = "declined"
    FULFILLED = "fulfilled"
    FAILED = "failed"
    REVERSED = "reversed"
