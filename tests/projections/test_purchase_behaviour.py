"""Purchase behaviour: what a customer buys, in each currency, and what comes back."""

from domain.purchase import Line
from projections.purchase_behaviour import PurchaseBehaviour, Spending
from tests.projections.facts import bought, day, named, registered, returned, unmatched, voided
from tests.projections.world import World

ANN = named("ann")


def test_purchases_are_summed_up_with_discounts_products_and_categories(world: World) -> None:
    world.given(
        bought("I1", "ann", "2026-03-01", lines=[
            Line(sku="B", quantity=1, amount_minor=900, list_amount_minor=1000, category="toys"),
            Line(sku="A", quantity=3, amount_minor=30),
        ]),
        bought("I2", "ann", "2026-02-01", lines=[Line(sku="B", quantity=1, amount_minor=1000, category="books")]),
    )  # fmt: skip

    assert world.rows(PurchaseBehaviour) == {
        ANN: PurchaseBehaviour(
            customer_id=ANN, first_at=day("2026-02-01"), last_at=day("2026-03-01"), purchases=2,
            spending=[Spending(currency="EUR", gross_minor=1930, discount_minor=100)], products=["A", "B"],
            categories=["books", "toys"],
        )
    }  # fmt: skip


def test_each_currency_is_summed_up_by_itself_and_returns_are_counted_by_kind(world: World) -> None:
    world.given(
        bought("I1", "ann", "2026-01-01", 900),
        bought("I2", "ann", "2026-01-02", 500, currency="GBP"),
        returned("I1", "ann", "2026-01-03", 100),
        unmatched("C1", "ann", "2026-01-04", 30, currency="USD"),
    )

    row = world.rows(PurchaseBehaviour)[ANN]
    assert (row.purchases, row.returns, row.unmatched_returns) == (2, 1, 1)
    assert row.spending == [
        Spending(currency="EUR", gross_minor=900, returned_minor=100),
        Spending(currency="GBP", gross_minor=500),
        Spending(currency="USD", returned_minor=30),
    ]
    assert row.last_at == day("2026-01-02")


def test_a_customer_who_only_returns_has_never_bought(world: World) -> None:
    world.given(unmatched("C1", "ann", "2026-01-04", 30))

    assert world.rows(PurchaseBehaviour) == {
        ANN: PurchaseBehaviour(
            customer_id=ANN, unmatched_returns=1, spending=[Spending(currency="EUR", returned_minor=30)]
        )
    }


def test_a_voided_purchase_leaves_no_trace_in_any_figure(world: World) -> None:
    mistake = bought("I1", "ann", "2026-01-01", lines=[Line(sku="X", quantity=1, amount_minor=9, category="x")])
    world.given(mistake, bought("I2", "ann", "2026-01-02", 5))

    world.given(voided(mistake, 1))

    assert world.rows(PurchaseBehaviour) == {
        ANN: PurchaseBehaviour(
            customer_id=ANN, first_at=day("2026-01-02"), last_at=day("2026-01-02"), purchases=1,
            spending=[Spending(currency="EUR", gross_minor=5)], products=["A"],
        )
    }  # fmt: skip


def test_a_customer_whose_only_purchase_is_void_has_no_row(world: World) -> None:
    mistake = bought("I1", "ann", "2026-01-01")
    world.given(registered("ann"), mistake, voided(mistake, 2))

    assert world.rows(PurchaseBehaviour) == {}
