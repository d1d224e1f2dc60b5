"""Tier mix: how many customers hold each tier."""

from typing import Any

from domain.customer import Customer
from domain.vocabulary import Tier
from projections.metrics.tier_mix import TierMix
from tests.projections.facts import day, fact, named, registered, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = TierMix.Row


def overridden(customer: str, tier: Tier, until: str = "2027-01-01") -> Any:
    told = {"tier": tier, "reason": "VIP", "expires_at": day(until)}
    return fact(Customer.TierOverridden, customer, "2026-02-02", customer_id=named(customer), **told)


def test_nobody_holds_a_tier_in_an_empty_ledger(world: World) -> None:
    world.given(registered("ann"))

    assert world.compute("tier_mix", AT) == []


def test_tiers_are_listed_best_first_with_their_share_and_overrides_that_still_hold(world: World) -> None:
    world.given(
        overridden("ann", Tier.LEAD),
        overridden("bob", Tier.GOLD),
        overridden("cyd", Tier.GOLD, until="2026-12-31"),
        overridden("dan", Tier.PLATINUM),
        overridden("eve", Tier.IRON),
        overridden("eve", Tier.LEAD),
    )

    assert world.compute("tier_mix", AT) == [
        Row(tier=Tier.PLATINUM, customers=1, share=0.2, overridden=1),
        Row(tier=Tier.GOLD, customers=2, share=0.4, overridden=1),
        Row(tier=Tier.LEAD, customers=2, share=0.4, overridden=2),
    ]


def test_a_voided_tier_is_not_held(world: World) -> None:
    mistake = overridden("ann", Tier.LEAD)
    world.given(mistake, overridden("bob", Tier.GOLD), voided(mistake, 1))

    assert world.compute("tier_mix", AT) == [Row(tier=Tier.GOLD, customers=1, share=1.0, overridden=1)]
