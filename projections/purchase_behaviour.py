"""Purchase behaviour: what each customer buys, how often, and what comes back."""

from bisect import bisect_left
from datetime import datetime
from uuid import UUID

from msgspec import Struct

from domain.purchase import Purchase
from projections.engine.model import ReadModel, on


class Spending(Struct):
    """What a customer spent in one currency, in minor units."""

    currency: str
    """ISO 4217 currency code."""
    gross_minor: int = 0
    """What was paid for purchases."""
    returned_minor: int = 0
    """What was paid back for returns, matched or not."""
    discount_minor: int = 0
    """What purchases would have cost more without discounts."""


class PurchaseBehaviour(ReadModel, key="customer_id", version=2, indexes=(("last_at", "customer_id"),)):
    """A customer's buying, summed up."""

    customer_id: UUID
    first_at: datetime | None = None
    """When the customer bought first."""
    last_at: datetime | None = None
    """When the customer bought last."""
    purchases: int = 0
    """How many purchases there were."""
    returns: int = 0
    """How many returns named their purchase."""
    unmatched_returns: int = 0
    """How many returns named none."""
    spending: list[Spending] = []
    """What was spent, one item for each currency."""
    products: list[str] = []
    """The article numbers ever bought, each once, sorted."""
    categories: list[str] = []
    """The categories ever bought, each once, sorted."""

    @on(Purchase.Recorded)
    def bought(self, e: Purchase.Recorded) -> None:
        """Count the purchase."""
        self.purchases += 1
        self.first_at = min(self.first_at or e.occurred_at, e.occurred_at)
        self.last_at = max(self.last_at or e.occurred_at, e.occurred_at)
        spending = self._spending(e.currency)
        spending.gross_minor += e.total_minor
        for line in e.lines:
            if line.list_amount_minor is not None:
                spending.discount_minor += line.list_amount_minor - line.amount_minor
            _add(self.products, line.sku)
            if line.category:
                _add(self.categories, line.category)

    @on(Purchase.Returned)
    def returned(self, e: Purchase.Returned) -> None:
        """Count the return."""
        self.returns += 1
        self._spending(e.currency or "").returned_minor += e.total_minor

    @on(Purchase.ReturnedUnmatched)
    def returned_unmatched(self, e: Purchase.ReturnedUnmatched) -> None:
        """Count the return that names no purchase."""
        self.unmatched_returns += 1
        self._spending(e.currency).returned_minor += e.total_minor

    def _spending(self, currency: str) -> Spending:
        for spending in self.spending:
            if spending.currency == currency:
                return spending
        self.spending = [*self.spending, Spending(currency=currency)]
        return self.spending[-1]


def _add(known: list[str], value: str) -> None:
    """Add a value to a sorted list that holds each one once."""
    place = bisect_left(known, value)
    if place == len(known) or known[place] != value:
        known.insert(place, value)
