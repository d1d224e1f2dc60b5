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
Instant = Annotated[datetime, Meta(tz=True, description="An instant, with its time zone.")]
WEIGHED = {"weighed": True}
"""Marks, as the ``extra`` of a type, what rules weighed or totals were made of, so that it is never amended."""
Currency = Annotated[str, Meta(pattern=r"^[A-Z]{3}$", description="ISO 4217 currency code.", extra=WEIGHED)]
AMOUNT_MAX = 2**53
"""Why: what every JSON reader takes as an exact integer; ninety trillion in a currency of cents."""
AmountMinor = Annotated[
    int, Meta(ge=-AMOUNT_MAX, le=AMOUNT_MAX, description="An amount of money in minor units, such as cents.")
]
EventName = Annotated[str, Meta(description="What happened, such as Case.Opened.", extra={"event": True})]
Seconds = Annotated[int, Meta(ge=0, le=2**31, description="A duration in seconds.")]
BasisPoints = Annotated[int, Meta(ge=0, le=10_000, description="A share in basis points: 10 000 is the whole.")]
CustomerId = Annotated[UUID, Meta(description="The customer's id.")]
CaseId = Annotated[UUID, Meta(description="The case's id.")]
PolicyVersion = Annotated[int, Meta(ge=1, description="The version of the policy that was in force.")]


class ActorKind(StrEnum):
    """What kind of actor acted."""

    EMPLOYEE = "employee"
    """A person who works for us."""
    CUSTOMER = "customer"
    """The customer, acting for themselves."""
    BOT = "bot"
    """A program that talks to customers in our name."""
    SYSTEM = "system"
    """Daybook itself, such as a tier review."""
    IMPORT = "import"
    """An import of facts from another system."""


class Role(StrEnum):
    """What a caller may do: the role in their token."""

    AGENT = "agent"
    """Works with customers and their cases."""
    SUPERVISOR = "supervisor"
    """Does what an agent does, decides on remedies, and sees who did what."""
    AUDITOR = "auditor"
    """Sees everything, with who did what, and enters nothing."""
    ANALYST = "analyst"
    """Sees read models without personal data and without the audit trail, and computes metrics."""
    ADMIN = "admin"
    """May send every command, and publishes policies."""


class CustomerKind(StrEnum):
    """What kind of party the customer is."""

    PERSON = "person"
    """One who buys for themselves."""
    BUSINESS = "business"
    """A company that buys for its own use."""
    CHANNEL_PARTNER = "channel_partner"
    """A distributor or franchisee who sells on what we make."""
    INTERNAL = "internal"
    """A part of our own organisation that another part serves."""


class ContactKind(StrEnum):
    """The kind of a contact point."""

    PHONE = "phone"
    """A telephone number."""
    EMAIL = "email"
    """An e-mail address."""
    POSTAL = "postal"
    """A postal address."""
    MESSAGING = "messaging"
    """An account of a messaging service."""
    SOCIAL = "social"
    """An account of a social network."""


class InvalidReason(StrEnum):
    """Why a contact point no longer reaches the customer."""

    BOUNCED = "bounced"
    """Mail to it came back undelivered."""
    DISCONNECTED = "disconnected"
    """The number or account is no longer in use."""
    RETURNED = "returned"
    """Post to it was returned."""
    OWNER_CHANGED = "owner_changed"
    """Somebody else answers there now."""


class Tier(StrEnum):
    """A customer's value tier, best first: platinum, gold, iron, lead."""

    PLATINUM = "platinum"
    """Among the most profitable, loyal for long, and not for discounts."""
    GOLD = "gold"
    """Profitable, but short of what makes a platinum customer."""
    IRON = "iron"
    """The many below the top share."""
    LEAD = "lead"
    """Costs more than they bring, or nearly."""


class Channel(StrEnum):
    """The channel a contact came through."""

    PHONE = "phone"
    """A telephone call."""
    EMAIL = "email"
    """An e-mail."""
    WEB_FORM = "web_form"
    """A form on our web site."""
    CHAT = "chat"
    """A live chat on our web site."""
    SOCIAL = "social"
    """A post or message on a social network."""
    MESSAGING_APP = "messaging_app"
    """A messaging app of another company."""
    MOBILE_APP = "mobile_app"
    """Our own app on a phone."""
    SELF_SERVICE = "self_service"
    """Pages or machines where customers help themselves."""
    IN_PERSON = "in_person"
    """Face to face, in a shop or at the customer's."""
    LETTER = "letter"
    """A letter by post."""
    FAX = "fax"
    """A fax."""
    REFERRAL = "referral"
    """Passed on to us by another body, such as a regulator or an association."""


class Direction(StrEnum):
    """Who started the contact: inbound from the customer, outbound from us."""

    INBOUND = "inbound"
    """The customer turned to us."""
    OUTBOUND = "outbound"
    """We turned to the customer."""


class Interface(StrEnum):
    """The part of the organisation the customer met."""

    MARKETING = "marketing"
    """Those who tell of what we offer."""
    SALES = "sales"
    """Those who sell."""
    SUPPLY_CHAIN = "supply_chain"
    """Those who buy, store and deliver."""
    DEVELOPMENT = "development"
    """Those who design products."""
    PRODUCTION = "production"
    """Those who make products."""
    CUSTOMER_SERVICE = "customer_service"
    """Those who answer customers."""
    TECHNICAL_SUPPORT = "technical_support"
    """Those who help with using and repairing."""
    BILLING = "billing"
    """Those who send invoices and take payments."""
    INTERMEDIARY = "intermediary"
    """A dealer or partner between us and the customer."""


class CaseKind(StrEnum):
    """What the customer brings."""

    COMPLAINT = "complaint"
    """The customer is dissatisfied, and an answer is due."""
    REQUEST = "request"
    """The customer asks for something to be done or explained."""
    FEEDBACK = "feedback"
    """The customer tells how it was, without asking for anything."""
    SUGGESTION = "suggestion"
    """The customer proposes how to do better."""
    COMPLIMENT = "compliment"
    """The customer praises."""


class CaseState(StrEnum):
    """Where a case stands; derived from its entries."""

    OPEN = "open"
    """Registered; the customer has not yet been told that it is heard."""
    ACKNOWLEDGED = "acknowledged"
    """The customer was told that it is heard; nobody has taken it up yet."""
    IN_PROGRESS = "in_progress"
    """Being worked on."""
    WAITING_CUSTOMER = "waiting_customer"
    """A proposed solution waits for the customer's answer."""
    WAITING_THIRD_PARTY = "waiting_third_party"
    """Passed to another body or company, whose answer is awaited."""
    RESOLVED = "resolved"
    """Held settled by us; the customer can still say otherwise."""
    CLOSED = "closed"
    """Closed, on a stated basis."""


class Category(StrEnum):
    """The one main category of a case."""

    PRODUCT = "product"
    """What was bought, and its quality."""
    SERVICE = "service"
    """How the customer was treated and served."""
    TECHNICAL = "technical"
    """How it works, is installed or is used."""
    PAYMENT = "payment"
    """Prices, invoices, payments and refunds."""


class Severity(StrEnum):
    """How grave the matter is for the customer."""

    LOW = "low"
    """An inconvenience."""
    MEDIUM = "medium"
    """It gets in the customer's way."""
    HIGH = "high"
    """The customer suffers loss, or cannot use what they paid for."""
    CRITICAL = "critical"
    """Health, safety, the law or the customer's livelihood is at stake."""


class SolutionKind(StrEnum):
    """What kind of solution is proposed."""

    EXPLANATION = "explanation"
    """Explain what happened, and why."""
    FIX = "fix"
    """Put right what is wrong."""
    REMEDY = "remedy"
    """Make good with something of value."""
    REFERRAL = "referral"
    """Pass the matter to somebody who can settle it."""


class Response(StrEnum):
    """What a body that a case was referred to answered the customer, in the terms of the CFPB."""

    EXPLANATION = "explanation"
    """Closed with an explanation."""
    MONETARY_RELIEF = "monetary_relief"
    """Closed with a payment, or with money let off."""
    NON_MONETARY_RELIEF = "non_monetary_relief"
    """Closed with relief other than money."""
    CLOSED = "closed"
    """Closed with neither explanation nor relief."""
    IN_PROGRESS = "in_progress"
    """Taken up, the answer itself still to come."""
    UNTIMELY = "untimely"
    """None came in the time allowed."""


class Expectation(StrEnum):
    """How a solution compares with what the customer expected."""

    BELOW = "below"
    """Less than the customer expected."""
    MET = "met"
    """What the customer expected."""
    EXCEEDED = "exceeded"
    """More than the customer expected."""


class ClosingBasis(StrEnum):
    """On what ground a case is closed; only the customer's confirmation is a full close."""

    CUSTOMER_CONFIRMED = "customer_confirmed"
    """The customer confirmed that the matter is settled."""
    NO_RESPONSE_AFTER = "no_response_after"
    """The customer did not answer after the matter was resolved."""
    WITHDRAWN = "withdrawn"
    """The customer took the matter back."""
    NO_AGREEMENT = "no_agreement"
    """No solution was found that both sides accept."""
    OUT_OF_SCOPE = "out_of_scope"
    """The matter is not ours to settle."""


class RemedyKind(StrEnum):
    """What is given to make good."""

    REFUND = "refund"
    """The whole price is paid back."""
    PARTIAL_REFUND = "partial_refund"
    """A part of the price is paid back."""
    REPLACEMENT = "replacement"
    """Another of the same is given."""
    REDO = "redo"
    """The service is performed once more."""
    REPAIR = "repair"
    """What is broken is repaired."""
    DISCOUNT = "discount"
    """The price of this or a further purchase is reduced."""
    VOUCHER = "voucher"
    """A voucher for a later purchase."""
    GIFT = "gift"
    """A gift."""
    POINTS = "points"
    """Loyalty points."""
    GOODWILL_PAYMENT = "goodwill_payment"
    """A payment that is not owed, for the trouble."""
    FEE_WAIVER = "fee_waiver"
    """A fee is not charged, or is taken back."""
    APOLOGY_ONLY = "apology_only"
    """An apology, and nothing else."""
    NON_MONETARY = "non_monetary"
    """Something else that has no price."""


class RemedyState(StrEnum):
    """Where a remedy stands; derived from its entries."""

    OFFERED = "offered"
    """Offered; the customer has not yet answered."""
    AWAITING_APPROVAL = "awaiting_approval"
    """Above the authority of the one who asked; another person must decide."""
    APPROVED = "approved"
    """Allowed by another person, and not yet offered."""
    REFUSED = "refused"
    """Not allowed by another person."""
    ACCEPTED = "accepted"
    """The customer took the offer; it is still to be fulfilled."""
    DECLINED = "declined"
    """The customer turned the offer down."""
    FULFILLED = "fulfilled"
    """The customer got it."""
    FAILED = "failed"
    """Fulfilment was tried without success; it can be tried again."""
    REVERSED = "reversed"
    """Fulfilled, and taken back since."""
