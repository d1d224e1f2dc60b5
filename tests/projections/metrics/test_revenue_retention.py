"""Logo retention, NRR and GRR from one period to the next."""

from projections.metrics.revenue_retention import RevenueRetention
from tests.projections.facts import bought, day, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
QUARTERS = {
    "currency": "EUR",
    "since": "2026-04-01T00:00:00Z",
    "middle": "2026-07-01T00:00:00Z",
    "until": "2026-10-01T00:00:00Z",
}
Row = RevenueRetention.Row


def test_an_empty_ledger_has_no_rates(world: World) -> None:
    assert world.compute("revenue_retention", AT, **QUARTERS) == [
        Row(customers=0, kept=0, base_minor=0, next_minor=0, logo_retention=None, nrr=None, grr=None)
    ]


def test_expansion_counts_for_nrr_only_and_a_customer_lost_or_negative_counts_as_zero(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-04-01", 100),
        bought("a2", "ann", "2026-07-01", 150),
        bought("b1", "bob", "2026-06-30T23:59:59.999999", 200),
        bought("b2", "bob", "2026-09-30", 50),
        bought("c1", "cyd", "2026-05-01", 300),
        bought("d1", "dan", "2026-05-01", 400),
        unmatched("d2", "dan", "2026-08-01", 90),
        bought("e1", "eve", "2026-08-01", 999),
    )

    assert world.compute("revenue_retention", AT, **QUARTERS) == [
        Row(customers=4, kept=2, base_minor=1000, next_minor=200, logo_retention=0.5, nrr=0.2, grr=0.15)
    ]


def test_who_gave_everything_back_in_the_base_is_not_in_it(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-04-01", 100),
        unmatched("a2", "ann", "2026-04-02", 100),
        bought("a3", "ann", "2026-08-01", 70),
        bought("b1", "bob", "2026-04-01", 10),
        bought("b2", "bob", "2026-08-01", 10),
    )

    assert world.compute("revenue_retention", AT, **QUARTERS) == [
        Row(customers=1, kept=1, base_minor=10, next_minor=10, logo_retention=1.0, nrr=1.0, grr=1.0)
    ]


def test_what_lies_outside_the_periods_or_is_void_or_of_nobody_does_not_count(world: World) -> None:
    mistake = bought("a5", "ann", "2026-08-01", 500)
    world.given(
        bought("a1", "ann", "2026-03-31T23:59:59.999999", 1),
        bought("a2", "ann", "2026-04-01", 10),
        bought("a3", "ann", "2026-10-01", 100),
        bought("a4", None, "2026-04-01", 1000),
        mistake,
        bought("b1", "bob", "2026-04-01", 7, currency="GBP"),
        voided(mistake, 5),
    )

    assert world.compute("revenue_retention", AT, **QUARTERS) == [
        Row(customers=1, kept=0, base_minor=10, next_minor=0, logo_retention=0.0, nrr=0.0, grr=0.0)
    ]


def test_seen_from_the_middle_of_the_next_period_only_what_happened_by_then_counts(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-04-01", 100),
        bought("a2", "ann", "2026-07-02", 30),
        bought("a3", "ann", "2026-09-01", 60),
    )

    assert world.compute("revenue_retention", day("2026-08-01"), **QUARTERS)[0].nrr == 0.3
    assert world.compute("revenue_retention", AT, **QUARTERS)[0].nrr == 0.9
