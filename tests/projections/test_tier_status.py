"""The tier status: which tier a customer holds, since when, and what it rests on."""

from typing import Any

from domain.customer import Customer
from domain.tier import TierInputs
from domain.vocabulary import Tier
from projections.tier_status import TierStatus
from tests.projections.facts import day, fact, named, registered, voided
from tests.projections.world import World

ANN = named("ann")
FIGURES = TierInputs(
    revenue_minor=900, remedies_minor=10, service_minor=20, contribution_minor=870, rank=2, ranked=9, tenure_months=30,
    discount_share=500, handled_s=600, intensity_percent=120,
)  # fmt: skip


def assigned(tier: Tier, at: str, version: int = 1) -> Any:
    return fact(
        Customer.TierAssigned, "ann", at, customer_id=ANN, tier=tier, policy_version=version, reviewed_at=day(at),
        reason="top share, short tenure", currency="EUR", inputs=FIGURES,
    )  # fmt: skip


def overridden(tier: Tier, at: str, until: str) -> Any:
    told = {"tier": tier, "reason": "VIP", "expires_at": day(until)}
    return fact(Customer.TierOverridden, "ann", at, customer_id=ANN, **told)


def test_a_review_gives_the_tier_with_its_policy_reason_and_inputs(world: World) -> None:
    world.given(registered("ann"), assigned(Tier.GOLD, "2026-02-01", 3))

    assert world.rows(TierStatus) == {
        ANN: TierStatus(
            customer_id=ANN, tier=Tier.GOLD, since=day("2026-02-01"), changes=1, policy_version=3,
            reason="top share, short tenure", currency="EUR", inputs=FIGURES,
        )
    }  # fmt: skip


def test_an_override_holds_until_it_ends_and_keeps_what_the_review_found(world: World) -> None:
    world.given(assigned(Tier.IRON, "2026-02-01"), overridden(Tier.PLATINUM, "2026-02-02", "2026-05-01"))

    assert world.rows(TierStatus) == {
        ANN: TierStatus(
            customer_id=ANN, tier=Tier.PLATINUM, since=day("2026-02-02"), previous=Tier.IRON, changes=2,
            policy_version=1, reason="VIP", currency="EUR", inputs=FIGURES, override_until=day("2026-05-01"),
        )
    }  # fmt: skip


def test_the_next_review_ends_the_override(world: World) -> None:
    world.given(overridden(Tier.PLATINUM, "2026-02-02", "2026-05-01"), assigned(Tier.GOLD, "2026-05-02"))

    row = world.rows(TierStatus)[ANN]
    assert (row.tier, row.previous, row.override_until, row.changes) == (Tier.GOLD, Tier.PLATINUM, None, 2)


def test_a_voided_assignment_gives_the_tier_before_it_back(world: World) -> None:
    mistake = assigned(Tier.LEAD, "2026-03-01")
    world.given(assigned(Tier.GOLD, "2026-02-01"), mistake)
    before = world.rows(TierStatus)[ANN]

    world.given(voided(mistake, 2))

    assert (before.tier, before.previous) == (Tier.LEAD, Tier.GOLD)
    row = world.rows(TierStatus)[ANN]
    assert (row.tier, row.previous, row.since, row.changes) == (Tier.GOLD, None, day("2026-02-01"), 1)


def test_a_customer_without_a_tier_has_no_row(world: World) -> None:
    world.given(registered("ann"))

    assert world.rows(TierStatus) == {}
