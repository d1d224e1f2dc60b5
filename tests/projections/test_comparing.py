"""Comparing a new build with the one in service: what differs is told, and neither is touched."""

from typing import Any

import pytest

from ledger import database
from ledger.database import Duty
from projections.customer_profile import CustomerProfile
from projections.engine import builds, posting, rebuilding
from projections.sales import Sales
from tests.projections.facts import bought, named, registered
from tests.projections.test_rebuilding import SERVING, registered_builds
from tests.projections.world import World, expected


def test_a_new_build_is_compared_with_the_one_in_service_where_both_stand(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(1, 5)))
    serving = builds.serving(world.connection)["sales"]
    world.admin.execute(f"UPDATE books.{serving.table} SET amount_minor = 99 WHERE position = 2")
    world.admin.execute(f"DELETE FROM books.{serving.table} WHERE position = 3")
    world.enter([bought("p9", "eve", "2026-01-02", 9)])

    made = rebuilding.make(world.reader, world.connection, Sales, compared=True)

    assert made.difference is not None
    assert (made.difference.position, made.difference.rows) == (4, 4)
    assert (made.difference.only_after, made.difference.changed) == (1, 1)
    assert made.difference.changed_columns == {"amount_minor": 1}
    assert ("2", {"amount_minor": (99, 2)}) in made.difference.examples
    assert made.in_service
    assert made.build.position == 5
    assert world.rows(Sales) == expected(Sales, world.entries())


def test_what_may_be_sealed_is_not_shown_by_a_comparison(world: World) -> None:
    world.given(registered("ann", name="Ann", reference="R1"))
    serving = builds.serving(world.connection)["customer_profile"]
    changes = "name = 'x', reference = 'R2', contact_points = '[{}]'"
    world.admin.execute(f"UPDATE books.{serving.table} SET {changes}")

    made = rebuilding.make(world.reader, world.connection, CustomerProfile, compared=True)

    assert made.difference is not None
    sealed = ("sealed", "sealed, otherwise")
    [(key, changed)] = made.difference.examples
    assert key == str(named("ann"))
    assert changed == {"name": sealed, "reference": ("R2", "R1"), "contact_points": sealed}


def test_entries_are_posted_while_builds_are_compared(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    compare = rebuilding.compare

    def while_more_is_posted(*arguments: Any) -> Any:
        world.enter([bought("p2", "ann", "2026-01-02", 2)])
        with database.connect(world.url, Duty.PROJECTOR) as projecting:
            assert posting.catch_up(projecting) == 1
        return compare(*arguments)

    monkeypatch.setattr(rebuilding, "compare", while_more_is_posted)
    made = rebuilding.make(world.reader, world.connection, Sales, compared=True)

    assert made.difference is not None
    assert (made.difference.position, made.difference.is_empty) == (1, True)
    assert made.build.position == 2
    assert world.rows(Sales) == expected(Sales, world.entries())


def test_a_column_of_another_type_counts_as_another_column(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    serving = builds.serving(world.connection)["sales"]
    world.admin.execute("DROP VIEW books.sales")
    world.admin.execute(f"ALTER TABLE books.{serving.table} ALTER pieces TYPE text, DROP lines, ADD weight int")

    made = rebuilding.make(world.reader, world.connection, Sales, compared=True)

    assert made.difference is not None
    assert (made.difference.only_before, made.difference.only_after, made.difference.changed) == (0, 0, 0)
    assert made.difference.columns_added == ["lines", "pieces"]
    assert made.difference.columns_removed == ["pieces", "weight"]
    assert not made.difference.is_empty
    world.rebuild(Sales)


def test_a_trial_changes_nothing(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    serving = builds.serving(world.connection)

    made = rebuilding.make(world.reader, world.connection, Sales, compared=True, trial=True)

    assert made.difference is not None
    assert made.difference.is_empty
    assert not made.in_service
    assert builds.serving(world.connection) == serving
    assert registered_builds(world.admin) == SERVING
