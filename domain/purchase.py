"""A purchase: what a customer bought, and what of it came back."""

from __future__ import annotations

from collections import Counter
from dataclasses import field
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta, Struct
from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .customer import STAFF, Customer
from .event import DECIDED, Event
from .rule import Rule
from .vocabulary import AMOUNT_MAX, LIST_MAX, WEIGHED, AmountMinor, Currency, Name, Reference, Text

Quantity = Annotated[int, Meta(ge=-(2**31), le=2**31, description="How many pieces.")]

NOTHING_BOUGHT = Rule("PURCHASE_EMPTY", "A purchase has at least one line.", field="lines")
LINE_NOT_POSITIVE = Rule(
    "PURCHASE_LINE_NOT_POSITIVE", "The line {sku} needs a quantity above 0 and an amount of 0 or more.", field="lines"
)
TOTAL_TOO_LARGE = Rule(
    "PURCHASE_TOTAL_TOO_LARGE", "The lines come to {total}; at most {most} can be entered.", field="lines"
)
RETURNED_TOO_MANY = Rule(
    "PURCHASE_RETURNED_TOO_MANY", "{returned} of {sku} would be returned, but only {bought} were bought.", field="lines"
)
RETURNED_TOO_MUCH = Rule(
    "PURCHASE_RETURNED_TOO_MUCH", "{returned} would be paid back, but only {paid} were paid.", field="lines"
)


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of a purchase or return."""

    sku: Reference
    """The article's number."""
    quantity: Quantity
    amount_minor: AmountMinor
    """What the whole line costs, in minor units, after discounts."""
    name: Text | None = None
    """What the article is called."""
    category: Name | None = None
    """The article's category."""
    unit_price: Reference | None = None
    """The price of one piece as printed, in major units, exact to the last digit."""
    list_amount_minor: AmountMinor | None = None
    """What the whole line would cost without discount, in minor units."""


Lines = Annotated[
    list[Line], Meta(max_length=LIST_MAX, description="The lines, in the order of the document.", extra=WEIGHED)
]


class Purchase(Aggregate):
    """One order or invoice of one customer, or a return that names none."""

    customer_id: UUID | None = None
    currency: str = ""
    bought: Counter[str] = field(default_factory=Counter)
    paid_minor: int = 0

    class Recorded(Event):
        """A customer bought something; the envelope names no customer where it is unknown who did."""

        reference: Reference | None = None
        """The order or invoice number."""
        currency: Currency
        lines: Lines
        total_minor: Annotated[AmountMinor, DECIDED] = 0
        """The sum of the lines, in minor units."""
        country: Name | None = None
        """Where it was bought."""

        def apply(self, purchase: Purchase) -> None:
            purchase.customer_id, purchase.currency = self.customer_id, self.currency
            for line in self.lines:
                purchase.bought[line.sku] += line.quantity
            purchase.paid_minor += self.total_minor

    class Returned(Event):
        """Something of this purchase came back and was paid back."""

        reference: Reference | None = None
        """The number of the return or credit note."""
        currency: Annotated[Currency | None, DECIDED] = None
        """The purchase's currency."""
        lines: Lines
        total_minor: Annotated[AmountMinor, DECIDED] = 0
        """What was paid back, in minor units; positive."""
        reason: Text | None = None
        """Why it came back."""

        def apply(self, purchase: Purchase) -> None:
            for line in self.lines:
                purchase.bought[line.sku] -= line.quantity
            purchase.paid_minor -= self.total_minor

    class ReturnedUnmatched(Event):
        """Something came back, but the record does not say from which purchase."""

        reference: Reference | None = None
        """The number of the return or credit note."""
        currency: Currency
        lines: Lines
        total_minor: Annotated[AmountMinor, DECIDED] = 0
        """What was paid back, in minor units; positive."""
        country: Name | None = None
        """Where it came back."""

        def apply(self, purchase: Purchase) -> None:
            purchase.customer_id, purchase.currency = self.customer_id, self.currency

    @command(*STAFF)
    @classmethod
    def record(cls, context: Context, id: UUID, customer: Customer | None, fact: Recorded) -> Self:
        """Record a purchase; the total is the sum of its lines."""
        total = _checked_total(fact.lines)
        return cls.begin(context, id, replace(fact, total_minor=total), customer_id=customer.id if customer else None)

    @command(*STAFF, name="return_purchase")
    def return_(self, context: Context, fact: Returned) -> None:
        """Record what of a purchase came back; never more than was bought or paid."""
        total = _checked_total(fact.lines)
        returned: Counter[str] = Counter()
        for line in fact.lines:
            returned[line.sku] += line.quantity
        for sku, quantity in returned.items():
            bought = self.bought[sku]
            RETURNED_TOO_MANY.refuse_if(quantity > bought, returned=quantity, sku=sku, bought=bought)
        RETURNED_TOO_MUCH.refuse_if(total > self.paid_minor, returned=total, paid=self.paid_minor)
        self.enter(context, replace(fact, total_minor=total, currency=self.currency))

    @command(*STAFF, name="record_unmatched_return")
    @classmethod
    def record_unmatched(cls, context: Context, id: UUID, customer: Customer | None, fact: ReturnedUnmatched) -> Self:
        """Record a return that names no purchase; it stays visible as unmatched."""
        total = _checked_total(fact.lines)
        return cls.begin(context, id, replace(fact, total_minor=total), customer_id=customer.id if customer else None)


def _checked_total(lines: list[Line]) -> int:
    NOTHING_BOUGHT.refuse_if(not lines)
    for line in lines:
        LINE_NOT_POSITIVE.refuse_if(line.quantity <= 0 or line.amount_minor < 0, sku=line.sku)
    total = sum(line.amount_minor for line in lines)
    TOTAL_TOO_LARGE.refuse_if(total > AMOUNT_MAX, total=total, most=AMOUNT_MAX)
    return total
