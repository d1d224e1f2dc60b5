"""The tier rule: which tier a customer's figures give, as a pure function an auditor can repeat.

Source of the rule and its defaults: domain row 1.9. Signals of buying from competitors are not recorded yet and so
do not count against platinum.
"""

from __future__ import annotations

from typing import Annotated, Protocol

from msgspec import Meta, Struct

from .vocabulary import AmountMinor, BasisPoints, Seconds, Tier


class TierInputs(Struct, frozen=True, kw_only=True):
    """What a tier review knows of a customer: figures of the review's window unless said otherwise."""

    revenue_minor: AmountMinor
    """What was paid less what was paid back, in minor units."""
    remedies_minor: AmountMinor
    """What fulfilled remedies were worth, in minor units."""
    service_minor: AmountMinor
    """What handling cost by the rule's hourly rate, in minor units."""
    contribution_minor: AmountMinor
    """Revenue less remedies and service; discounts are already off the revenue."""
    rank: Annotated[int, Meta(ge=1, description="The customer's rank by contribution, from 1, ties by customer id.")]
    ranked: Annotated[int, Meta(ge=1, description="How many customers were ranked: all with a purchase.")]
    tenure_months: Annotated[int, Meta(ge=0, description="Whole months since the customer's first purchase ever.")]
    discount_share: BasisPoints
    """Discounts as a share of the list value of the purchases."""
    handled_s: Seconds
    """How long contacts took, in seconds."""
    intensity_percent: Annotated[
        int | None, Meta(description="Handling time for revenue, in percent of the median; null without either.")
    ] = None


class Rule(Protocol):
    """The parts of a published tier rule that judge a customer's figures."""

    @property
    def top_share(self) -> int:
        """Basis points of the customers that are platinum or gold."""

    @property
    def platinum_tenure_months(self) -> int:
        """The least tenure of a platinum customer."""

    @property
    def platinum_discount_share(self) -> int:
        """The largest discount share of a platinum customer, in basis points."""

    @property
    def lead_intensity_percent(self) -> int:
        """The service intensity above which a customer may be lead."""

    @property
    def lead_bottom_share(self) -> int:
        """Basis points of the customers, from the bottom, that may be lead."""


def judge(rule: Rule, inputs: TierInputs) -> tuple[Tier, str]:
    """The tier the figures give by a rule, and the name of the clause that decided."""
    top = -(-inputs.ranked * rule.top_share // 10_000)
    bottom = inputs.ranked - -(-inputs.ranked * rule.lead_bottom_share // 10_000)
    costly = (inputs.intensity_percent or 0) > rule.lead_intensity_percent
    if inputs.contribution_minor < 0:
        return Tier.LEAD, "negative contribution"
    if costly and inputs.rank > bottom:
        return Tier.LEAD, "costly to serve"
    if inputs.rank > top:
        return Tier.IRON, "below the top share"
    if inputs.tenure_months < rule.platinum_tenure_months:
        return Tier.GOLD, "top share, short tenure"
    if inputs.discount_share > rule.platinum_discount_share:
        return Tier.GOLD, "top share, many discounts"
    return Tier.PLATINUM, "top share, loyal at full price"
