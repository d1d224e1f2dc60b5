"""What stands for a read model when the past is asked for: within bounds, and never a row that could not be kept."""

from typing import Any
from uuid import UUID

import psycopg
import pytest

from domain.purchase import Purchase
from domain.rule import Refused
from projections.customer_profile import CustomerProfile
from projections.engine import projector, sources
from projections.engine.cut import Cut
from projections.engine.explaining import explain
from projections.engine.model import ReadModel, on
from projections.engine.sources import Allowance, Head, Sources
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.as_of_builds import make
from tests.projections.facts import bought, named, registered, touched, voided
from tests.projections.test_as_of import read
from tests.projections.world import World

ANN, BOB = named("ann"), named("bob")


@pytest.fixture
def total(own_models: None, world: World) -> type[ReadModel]:
    """A read model that cannot take a purchase of 13, nor keep what a purchase of 64 makes of its sum."""

    class TestTotal(ReadModel, key="customer_id", version=1):
        """What each customer spent."""

        customer_id: UUID
        total_minor: int = 0

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            if e.total_minor == 13:
                raise ValueError("13 brings bad luck")
            self.total_minor += e.total_minor << (80 if e.total_minor == 64 else 0)

    projector.prepare(world.url)
    return TestTotal


@pytest.mark.parametrize("unfit", [13, 64])
def test_a_row_stands_as_before_the_entry_that_it_cannot_take_and_the_others_as_ever(
    world: World, total: type[ReadModel], unfit: int
) -> None:
    amounts = [("ann", 5), ("ann", unfit), ("bob", 7), ("ann", 9)]
    world.given(*(bought(f"p{n}", who, "2026-01-01", amount) for n, (who, amount) in enumerate(amounts)))

    rows = read(world, lambda gathered: gathered.add_all(total), Cut(4), total)
    one = read(world, lambda gathered: gathered.add(total, "customer_id", [ANN]), Cut(4), total)

    assert {key: row.total_minor for key, row in rows.items()} == {ANN: 5, BOB: 7}
    assert rows == world.rows(total)
    assert one == {ANN: rows[ANN]}


def test_an_explanation_ends_with_the_entry_that_could_not_be_folded(world: World, total: type[ReadModel]) -> None:
    world.enter([bought(f"p{amount}", "ann", "2026-01-01", amount) for amount in (5, 13, 9)])

    steps = explain(world.connection, total, ANN, Cut(3))

    assert [(step.entry.position, step.error, len(step.changes)) for step in steps] == [
        (1, None, 1), (2, "ValueError: 13 brings bad luck", 0)
    ]  # fmt: skip


def test_all_that_is_gathered_for_a_statement_counts_together(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.enter([registered("ann"), bought("p", "ann", "2026-01-02"), bought("q", "ann", "2026-01-03")])
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 4)
    gathered = Sources(world.connection, Cut(3))

    gathered.add(Sales, "customer_id", [ANN])
    gathered.add(Sales, "customer_id", [ANN])
    gathered.add_all(PurchaseBehaviour)
    with pytest.raises(Refused) as refused:
        gathered.add(CustomerProfile, "customer_id", [ANN])

    assert refused.value.code == "AS_OF_NOT_BUILT"
    assert str(refused.value).endswith("daybook rebuild customer_profile --as-of 3")


def test_two_moments_of_one_statement_stand_beside_each_other_and_share_what_may_be_folded(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enter([bought("p", "ann", "2026-01-02"), bought("q", "ann", "2026-01-03")])
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 3)
    allowance = Allowance()
    one, two, three = (Sources(world.connection, Cut(cut), n, allowance) for n, cut in enumerate((1, 2, 2)))
    one.add(PurchaseBehaviour, "customer_id", [ANN])
    two.add(PurchaseBehaviour, "customer_id", [ANN])

    statement, given = 'SELECT a.purchases, b.purchases FROM purchase_behaviour a, "purchase_behaviour 1" b', {}
    for head in (one.head(), two.head(), three.head()):
        statement, given = head.before(statement), given | head.parameters

    assert world.connection.execute(statement.encode(), given).fetchall() == [(1, 2)]
    with pytest.raises(Refused, match="daybook rebuild purchase_behaviour --as-of 2"):
        three.add(PurchaseBehaviour, "customer_id", [ANN])


@pytest.mark.parametrize(
    ("since", "said", "holds"),
    [
        ("a purchase of then", bought("q", "ann", "2026-01-05"), False),
        ("a purchase of later", bought("q", "ann", "2026-02-05"), True),
        ("something else of then", touched("t", "ann", "2026-01-05"), True),
        ("that a purchase is void", voided(bought("p", "ann", "2026-01-02"), 2), False),
        ("that a customer is void", voided(registered("ann"), 1), True),
    ],
)
def test_a_build_of_what_had_happened_holds_until_something_of_it_is_told_anew(
    world: World, monkeypatch: pytest.MonkeyPatch, since: str, said: Any, holds: bool
) -> None:
    until = bought("u", "ann", "2026-01-31").occurred_at
    world.enter([registered("ann"), bought("p", "ann", "2026-01-02")])
    make(world.url, PurchaseBehaviour, Cut(2, until))
    world.enter([said])
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 0)

    def ask() -> Any:
        return read(world, lambda gathered: gathered.add_all(PurchaseBehaviour), Cut(3, until), PurchaseBehaviour)

    if holds:
        assert ask()[ANN].purchases == 1
    else:
        with pytest.raises(Refused, match="--as-of 3 --occurred-until 2026-01-31"):
            ask()


def test_a_connection_that_may_only_read_can_ask(world: World) -> None:
    world.enter([registered("ann")])
    with psycopg.connect(world.url) as connection:
        connection.execute("SET TRANSACTION READ ONLY")
        gathered = Sources(connection, Cut(1))
        gathered.add_all(CustomerProfile)

        assert f'"{ANN}"' in gathered.head().parameters["books.customer_profile"]


@pytest.mark.parametrize(
    ("statement", "whole"),
    [
        ("SELECT 1", "WITH a AS (x) SELECT 1"),
        (" with b AS (y) SELECT 1", "WITH a AS (x), b AS (y) SELECT 1"),
        ("WITH RECURSIVE b AS (y) SELECT 1", "WITH RECURSIVE a AS (x), b AS (y) SELECT 1"),
    ],
)
def test_a_head_goes_before_any_statement(statement: str, whole: str) -> None:
    assert Head("a AS (x)", {}).before(statement) == whole
