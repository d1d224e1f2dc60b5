"""The sales journal: a line for every purchase and return, whoever bought."""

from domain.purchase import Line
from projections.sales import SaleKind, Sales
from tests.projections.facts import bought, day, named, registered, returned, unmatched, voided
from tests.projections.world import World

LINES = [
    Line(sku="A", quantity=2, amount_minor=900, list_amount_minor=1000),
    Line(sku="B", quantity=1, amount_minor=50),
]


def test_a_purchase_stands_in_one_line_with_what_it_would_have_cost(world: World) -> None:
    world.given(bought("I1", "ann", "2026-01-02T03:04", lines=LINES, country="France"))

    assert world.rows(Sales) == {
        1: Sales(
            position=1, purchase_id=named("I1"), customer_id=named("ann"), occurred_at=day("2026-01-02T03:04"),
            kind=SaleKind.PURCHASE, reference="I1", country="France", currency="EUR", amount_minor=950,
            list_amount_minor=1050, lines=2, pieces=3,
        )
    }  # fmt: skip


def test_returns_are_negative_and_told_apart_by_whether_they_name_their_purchase(world: World) -> None:
    world.given(
        bought("I1", "ann", "2026-01-02", 900),
        returned("I1", "ann", "2026-01-03", 400, reference="C1"),
        unmatched("C2", "ann", "2026-01-04", 70, country="Spain"),
    )

    rows = world.rows(Sales)
    assert rows[2] == Sales(
        position=2, purchase_id=named("I1"), customer_id=named("ann"), occurred_at=day("2026-01-03"),
        kind=SaleKind.RETURN, reference="C1", currency="EUR", amount_minor=-400, list_amount_minor=-400, lines=1,
        pieces=-1,
    )  # fmt: skip
    assert rows[3] == Sales(
        position=3, purchase_id=named("C2"), customer_id=named("ann"), occurred_at=day("2026-01-04"),
        kind=SaleKind.UNMATCHED_RETURN, reference="C2", country="Spain", currency="EUR", amount_minor=-70,
        list_amount_minor=-70, lines=1, pieces=-1,
    )  # fmt: skip


def test_a_sale_to_an_unknown_customer_is_there(world: World) -> None:
    world.given(bought("I1", None, "2026-01-02", 5))

    assert [(row.customer_id, row.amount_minor) for row in world.rows(Sales).values()] == [(None, 5)]


def test_a_voided_sale_stays_and_is_marked(world: World) -> None:
    purchase, back = bought("I1", "ann", "2026-01-02", 900), returned("I1", "ann", "2026-01-03", 400)
    world.given(purchase, back, voided(back, 2))

    assert {row.position: row.voided for row in world.rows(Sales).values()} == {1: False, 2: True}


def test_what_is_no_sale_makes_no_line(world: World) -> None:
    person = registered("ann")
    world.given(person, voided(person, 1))

    assert world.rows(Sales) == {}
