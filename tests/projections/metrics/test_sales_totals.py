"""Sales totals: nothing is left out, and unknown customers stand in a row of their own."""

from domain.purchase import Line
from projections.metrics.sales_totals import SalesTotals
from tests.projections.facts import bought, day, returned, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = SalesTotals.Row


def test_an_empty_ledger_has_no_totals(world: World) -> None:
    assert world.compute("sales_totals", AT) == []


def test_each_currency_has_a_row_for_known_and_one_for_unknown_customers(world: World) -> None:
    two = [Line(sku="A", quantity=1, amount_minor=60), Line(sku="B", quantity=2, amount_minor=40)]
    world.given(
        bought("a1", "ann", "2026-01-01", lines=two),
        bought("a2", "ann", "2026-01-02", 50),
        returned("a1", "ann", "2026-01-03", 30),
        bought("b1", "bob", "2026-01-01", 7),
        unmatched("c1", "cyd", "2026-01-04", 5),
        bought("x1", None, "2026-01-01", 900),
        unmatched("x2", None, "2026-01-02", 100),
        bought("g1", "ann", "2026-01-01", 8, currency="GBP"),
    )

    assert world.compute("sales_totals", AT) == [
        Row(currency="EUR", customer_known=True, customers=3, buyers=2, purchases=3, gross_minor=157, returners=2,
            returns=2, unmatched_returns=1, returned_minor=-35, net_minor=122, lines=6),
        Row(currency="EUR", customer_known=False, customers=0, buyers=0, purchases=1, gross_minor=900, returners=0,
            returns=1, unmatched_returns=1, returned_minor=-100, net_minor=800, lines=2),
        Row(currency="GBP", customer_known=True, customers=1, buyers=1, purchases=1, gross_minor=8, returners=0,
            returns=0, unmatched_returns=0, returned_minor=0, net_minor=8, lines=1),
    ]  # fmt: skip


def test_voided_sales_and_those_outside_the_window_do_not_count(world: World) -> None:
    mistake = bought("a2", "ann", "2026-02-02", 500)
    world.given(
        bought("a1", "ann", "2026-02-01", 1), mistake, bought("a3", "ann", "2026-03-01", 100), voided(mistake, 2)
    )  # fmt: skip

    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    [row] = world.compute("sales_totals", AT, **window)
    assert (row.purchases, row.gross_minor, row.lines) == (1, 1, 1)
    assert world.compute("sales_totals", AT)[0].gross_minor == 101
