"""Pareto share: what the best customers bring."""

from projections.metrics.pareto_share import ParetoShare
from tests.projections.facts import bought, day, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ParetoShare.Row


def test_an_empty_ledger_has_no_share(world: World) -> None:
    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=0, top_customers=0, total_minor=0, top_minor=0, share=None)
    ]


def test_the_top_is_rounded_up(world: World) -> None:
    amounts = enumerate([600, 200, 100, 50, 30, 20])
    world.given(*(bought(f"p{n}", f"c{n}", "2026-01-01", amount) for n, amount in amounts))

    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=6, top_customers=2, total_minor=1000, top_minor=800, share=0.8)
    ]
    assert world.compute("pareto_share", AT, currency="EUR", top_share_percent=1)[0].top_minor == 600
    assert world.compute("pareto_share", AT, currency="EUR", top_share_percent=50)[0].top_minor == 900
    assert world.compute("pareto_share", AT, currency="EUR", top_share_percent=100)[0].share == 1.0


def test_a_tie_at_the_border_changes_nothing_of_the_share(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n}", "2026-01-01", 100) for n in range(10)))

    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=10, top_customers=2, total_minor=1000, top_minor=200, share=0.2)
    ]


def test_net_revenue_counts_returns_and_those_who_only_return(world: World) -> None:
    world.given(
        bought("p1", "ann", "2026-01-01", 1000),
        unmatched("r1", "ann", "2026-01-02", 900),
        bought("p2", "bob", "2026-01-01", 300),
        unmatched("r2", "eve", "2026-01-01", 50),
    )

    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=2, top_customers=1, total_minor=1300, top_minor=1000, share=0.769231)
    ]
    assert world.compute("pareto_share", AT, currency="EUR", net=True) == [
        Row(customers=3, top_customers=1, total_minor=350, top_minor=300, share=0.857143)
    ]


def test_other_currencies_unknown_customers_and_voided_entries_do_not_count(world: World) -> None:
    mistake = bought("p3", "bob", "2026-01-01", 5000)
    world.given(
        bought("p1", "ann", "2026-01-01", 100),
        bought("p2", "bob", "2026-01-01", 9000, currency="GBP"),
        mistake,
        bought("p4", None, "2026-01-01", 7000),
        voided(mistake, 3),
    )

    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=1, top_customers=1, total_minor=100, top_minor=100, share=1.0)
    ]


def test_customers_who_spent_nothing_have_no_share_of_it(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 0))

    assert world.compute("pareto_share", AT, currency="EUR") == [
        Row(customers=1, top_customers=1, total_minor=0, top_minor=0, share=None)
    ]
