"""Builds that are kept: the one that served before, and those of the past; and a sample, which keeps nothing."""

import random
from datetime import datetime

import pytest

from projections.engine import builds, projector, rebuilding
from projections.engine.cut import Cut
from projections.engine.sampling import sample
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.projections.facts import bought, day
from tests.projections.test_corrections import merged
from tests.projections.test_rebuilding import SERVING, registered_builds, tables
from tests.projections.world import World, expected


def test_a_rollback_puts_the_build_before_back_and_a_second_returns(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    before = builds.serving(world.connection)["sales"]
    after = world.rebuild(Sales)
    world.given(bought("p2", "ann", "2026-01-02", 2))

    back, known = rebuilding.roll_back(world.connection, "sales") or (None, None)

    assert back == before._replace(position=2)
    assert known
    assert world.rows(Sales) == expected(Sales, world.entries())
    assert rebuilding.roll_back(world.connection, "sales") == (after._replace(position=2), True)


def test_a_build_of_another_definition_serves_as_it_stands(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    world.rebuild(Sales)
    world.admin.execute("UPDATE books.builds SET fingerprint = 'another' WHERE state = 'retired'")
    world.given(bought("p2", "ann", "2026-01-02", 2))

    back, known = rebuilding.roll_back(world.connection, "sales") or (None, None)

    assert back is not None
    assert (back.position, known) == (1, False)
    assert list(world.rows(Sales)) == [1]
    world.rebuild(Sales)


def test_without_an_earlier_build_nothing_is_rolled_back(world: World) -> None:
    assert rebuilding.roll_back(world.connection, "sales") is None


def test_a_kept_build_of_the_very_definition_serves_again_without_being_built(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    kept = builds.serving(world.connection)["sales"]
    world.rebuild(Sales)
    world.admin.execute("UPDATE books.builds SET version = 99 WHERE state = 'serving' AND model = 'sales'")

    built = projector.prepare(world.url)

    assert [build.id for build in built] == [kept.id]


@pytest.mark.parametrize("until", [None, day("2026-01-03")])
def test_a_build_of_the_past_is_kept_beside_the_one_in_service(world: World, until: datetime | None) -> None:
    world.given(*(bought(f"p{n}", "ann", f"2026-01-0{n}", n) for n in range(1, 6)))
    serving, cut = builds.serving(world.connection), Cut(4, until)

    build = rebuilding.make_as_of(world.reader, world.connection, Sales, cut)

    assert builds.as_of(world.connection, Sales, cut) == build
    found = world.connection.execute(f"SELECT position FROM books.{build.table} ORDER BY 1").fetchall()
    assert [position for (position,) in found] == list(expected(Sales, world.entries()[:4], until))
    assert builds.serving(world.connection) == serving
    again = rebuilding.make_as_of(world.reader, world.connection, Sales, cut)
    assert builds.as_of(world.connection, Sales, cut) == again
    assert build.table not in tables(world.admin)


def test_so_many_builds_of_the_past_are_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(builds, "AS_OF_MAX", 2)
    world.given(*(bought(f"p{n}", "ann", f"2026-01-0{n}", n) for n in range(1, 5)))

    for position in (1, 2, 3):
        rebuilding.make_as_of(world.reader, world.connection, Sales, Cut(position))

    kept = [builds.as_of(world.connection, Sales, Cut(position)) is not None for position in (1, 2, 3)]
    assert kept == [False, True, True]


def test_a_sample_shows_the_rows_of_some_customers_and_writes_nothing(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n % 4}", "2026-01-01", n + 1) for n in range(40)))

    found = sample(world.connection, PurchaseBehaviour, 2, random.Random(1))

    rows = world.rows(PurchaseBehaviour)
    assert (found.customers, len(found.rows), found.entries, found.entries_in_all) == (2, 2, 20, 40)
    assert all(rows[row.customer_id] == row for row in found.rows)
    assert found.failing == []
    assert registered_builds(world.admin) == SERVING


def test_a_sample_counts_merged_customers_as_the_one_they_are(world: World) -> None:
    world.given(
        *(bought(f"p{n}", f"c{n}", "2026-01-01", n + 1) for n in range(3)),
        merged("c1", "c0", "2026-01-02"),
        merged("c2", "c0", "2026-01-02"),
    )

    found = sample(world.connection, PurchaseBehaviour, 3, random.Random(1))

    assert found.customers == 1
    assert [row.purchases for row in found.rows] == [3]  # type: ignore[attr-defined]
    assert list(found.rows) == list(world.rows(PurchaseBehaviour).values())
