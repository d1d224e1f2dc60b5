"""The sales journal: every purchase and return with its amount, dated, in one line each."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from domain.entry import Entry
from domain.purchase import Line, Purchase
from projections.engine.model import ReadModel, on


class SaleKind(StrEnum):
    """A purchase, a return of a known purchase, or a return that names none."""

    PURCHASE = "purchase"
    """Something was bought."""
    RETURN = "return"
    """What a known purchase had bought was given back."""
    UNMATCHED_RETURN = "unmatched_return"
    """Something was given back, of a purchase that is not known."""


class Sales(
    ReadModel,
    key="position",
    version=2,
    indexes=(
        ("customer_id", "occurred_at"),
        ("kind", "position"),
        ("customer_id", "kind", "occurred_at", "position"),
        ("occurred_at", "position"),
    ),
):
    """One purchase or return."""

    position: int
    purchase_id: UUID | None = None
    """The purchase this is, or that it is a return of."""
    customer_id: UUID | None = None
    occurred_at: datetime | None = None
    kind: SaleKind = SaleKind.PURCHASE
    reference: str | None = None
    """The invoice, order or credit note number."""
    country: str | None = None
    """Where it was bought."""
    currency: str | None = None
    """ISO 4217 currency code."""
    amount_minor: int = 0
    """What was paid, in minor units; negative for a return."""
    list_amount_minor: int = 0
    """What it would have cost without discount, in minor units; negative for a return."""
    lines: int = 0
    """How many lines the document has."""
    pieces: int = 0
    """How many pieces were bought; negative for a return."""
    voided: bool = False
    """Whether the entry was declared void; then it no longer counts."""

    @on(Purchase.Recorded)
    def bought(self, e: Purchase.Recorded) -> None:
        """Enter the purchase."""
        self.kind, self.country, self.currency = SaleKind.PURCHASE, e.country, e.currency
        self._take(e.stream_id, e.customer_id, e.occurred_at, e.reference, e.lines, e.total_minor, 1)

    @on(Purchase.Returned)
    def returned(self, e: Purchase.Returned) -> None:
        """Enter the return of a known purchase."""
        self.kind, self.currency = SaleKind.RETURN, e.currency
        self._take(e.stream_id, e.customer_id, e.occurred_at, e.reference, e.lines, e.total_minor, -1)

    @on(Purchase.ReturnedUnmatched)
    def returned_unmatched(self, e: Purchase.ReturnedUnmatched) -> None:
        """Enter the return that names no purchase."""
        self.kind, self.country, self.currency = SaleKind.UNMATCHED_RETURN, e.country, e.currency
        self._take(e.stream_id, e.customer_id, e.occurred_at, e.reference, e.lines, e.total_minor, -1)

    @on(Entry.Voided, amends="voided_position")
    def void(self, e: Entry.Voided) -> None:
        """Mark the purchase or return as void."""
        self.voided = True

    def _take(
        self,
        purchase_id: UUID,
        customer_id: UUID | None,
        occurred_at: datetime,
        reference: str | None,
        lines: list[Line],
        total_minor: int,
        sign: int,
    ) -> None:
        self.purchase_id, self.customer_id, self.occurred_at = purchase_id, customer_id, occurred_at
        self.reference, self.lines, self.amount_minor = reference, len(lines), sign * total_minor
        self.pieces = sign * sum(line.quantity for line in lines)
        full = sum(line.amount_minor if line.list_amount_minor is None else line.list_amount_minor for line in lines)
        self.list_amount_minor = sign * full
