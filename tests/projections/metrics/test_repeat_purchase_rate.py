"""Repeat purchase rate: customers with two or more purchases among those with one or more."""

from projections.metrics.repeat_purchase_rate import RepeatPurchaseRate
from tests.projections.facts import bought, day, returned, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = RepeatPurchaseRate.Row


def test_an_empty_ledger_has_no_rate(world: World) -> None:
    assert world.compute("repeat_purchase_rate", AT) == [Row(customers=0, repeaters=0, purchases=0, rate=None)]


def test_only_purchases_of_known_customers_count(world: World) -> None:
    world.given(
        *(bought(f"a{n}", "ann", f"2026-01-0{n}") for n in (1, 2, 3)),
        *(bought(f"b{n}", "bob", f"2026-01-0{n}") for n in (1, 2)),
        bought("e1", "eve", "2026-01-01"),
        unmatched("e2", "eve", "2026-01-02"),
        returned("b1", "bob", "2026-01-03"),
        unmatched("z1", "zoe", "2026-01-03"),
        bought("x1", None, "2026-01-01"),
        bought("x2", None, "2026-01-02"),
    )

    assert world.compute("repeat_purchase_rate", AT) == [Row(customers=3, repeaters=2, purchases=6, rate=0.666667)]


def test_a_voided_purchase_does_not_count(world: World) -> None:
    mistake = bought("a2", "ann", "2026-01-02")
    world.given(bought("a1", "ann", "2026-01-01"), mistake, voided(mistake, 2))

    assert world.compute("repeat_purchase_rate", AT) == [Row(customers=1, repeaters=0, purchases=1, rate=0.0)]


def test_the_window_takes_its_start_in_and_leaves_its_end_out(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-01-31T23:59:59.999999"),
        bought("a2", "ann", "2026-02-01"),
        bought("a3", "ann", "2026-02-28T23:59:59.999999"),
        bought("a4", "ann", "2026-03-01"),
    )
    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}

    assert world.compute("repeat_purchase_rate", AT, **window)[0].purchases == 2


def test_nothing_after_the_instant_of_the_answer_counts_whatever_the_window(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-01"), bought("a2", "ann", "2026-02-01"))

    assert world.compute("repeat_purchase_rate", day("2026-02-01"))[0].purchases == 1
    assert world.compute("repeat_purchase_rate", day("2026-02-01"), until="2026-09-01T00:00:00Z")[0].purchases == 1
    assert world.compute("repeat_purchase_rate", day("2026-02-02"))[0].purchases == 2
