"""Product breadth: how many different things customers buy."""

from domain.purchase import Line
from projections.metrics.product_breadth import ProductBreadth
from tests.projections.facts import bought, day, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ProductBreadth.Row


def test_an_empty_ledger_has_no_means(world: World) -> None:
    assert world.compute("product_breadth", AT) == [
        Row(customers=0, mean_products=None, mean_categories=None, cross_buyers=0, cross_rate=None)
    ]


def test_articles_count_once_a_customer_and_customers_who_only_return_do_not(world: World) -> None:
    def lines(*articles: str) -> list[Line]:
        parts = [article.partition("/") for article in articles]
        return [Line(sku=sku, quantity=1, amount_minor=1, category=category or None) for sku, _, category in parts]

    world.given(
        bought("a1", "ann", "2026-01-01", lines=lines("A/toys", "B/toys")),
        bought("a2", "ann", "2026-01-02", lines=lines("B/books", "C/")),
        bought("b1", "bob", "2026-01-02", lines=lines("A/toys")),
        unmatched("c1", "cyd", "2026-01-02"),
        bought("x1", None, "2026-01-02", lines=lines("Z/zoo")),
        bought("d1", "dan", "2026-01-02", lines=lines("A/toys", "D/")),
    )  # fmt: skip

    assert world.compute("product_breadth", AT) == [
        Row(customers=3, mean_products=2.0, mean_categories=1.333333, cross_buyers=1, cross_rate=0.333333)
    ]


def test_what_was_bought_by_mistake_is_not_counted(world: World) -> None:
    mistake = bought("a2", "ann", "2026-01-02", lines=[Line(sku="X", quantity=1, amount_minor=1)])
    world.given(bought("a1", "ann", "2026-01-01"), mistake, voided(mistake, 2))

    assert world.compute("product_breadth", AT)[0].mean_products == 1.0
