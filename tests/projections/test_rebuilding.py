"""Rebuilding: beside the build in service, while entries come in and readers read, and put in its place at once."""

import random
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import Connection

from domain.event import Event
from ledger import database
from ledger.database import Duty
from projections.customer_profile import CustomerProfile
from projections.engine import builds, copying, metric, parts, posting, projector, rebuilding, table
from projections.engine.cut import Cut
from projections.engine.hands import Hands
from projections.engine.model import ReadModel, models
from projections.engine.sampling import sample
from projections.metrics.sales_totals import SalesTotals
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.projections.facts import bought, day, named, registered, voided
from tests.projections.histories import histories
from tests.projections.world import World, expected


def tables(connection: Connection[Any]) -> set[str]:
    """The tables of builds that there are."""
    register = ["builds", "quarantine", "alarms", "lease"]
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'books' AND tablename <> ALL (%s)"
    return {name for (name,) in connection.execute(query, (register,))}


def registered_builds(connection: Connection[Any]) -> set[tuple[str, str]]:
    """Every build in the register, by model and state."""
    return set(connection.execute("SELECT model, state FROM books.builds").fetchall())


SERVING = {(name, "serving") for name in models()}
KEPT = {("sales", "retired")}


def test_a_rebuild_ends_at_the_head_and_keeps_the_build_before_it(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(5)))
    world.enter([bought("p9", "bob", "2026-01-02", 9)])
    before = builds.serving(world.connection)["sales"]

    build = world.rebuild(Sales)

    assert build.position == 6
    assert build.id != before.id
    assert world.rows(Sales) == expected(Sales, world.entries())
    assert registered_builds(world.admin) == SERVING | KEPT
    assert builds.previous(world.connection, "sales") == before
    world.rebuild(Sales)
    assert registered_builds(world.admin) == SERVING | KEPT
    assert before.table not in tables(world.admin)
    assert len(tables(world.admin)) == len(models()) + 1


def test_an_empty_ledger_gives_an_empty_build_at_position_0(world: World) -> None:
    assert world.rebuild(Sales).position == 0
    assert world.rows(Sales) == {}


def test_rebuilding_while_entries_are_written_and_posted_ends_equal_and_at_the_head(world: World) -> None:
    purchases = [bought(f"p{n}", f"c{n % 7}", "2026-01-01", n) for n in range(400)]
    world.given(*purchases[:100])
    written = threading.Event()

    def project() -> None:
        with database.connect(world.url, Duty.PROJECTOR) as connection:
            while not written.is_set():
                posting.catch_up(connection, 7)

    def write() -> None:
        for n in range(60):
            world.enter([*purchases[100 + 5 * n : 105 + 5 * n], voided(purchases[n], n + 1)])
        written.set()

    with ThreadPoolExecutor() as threads:
        going_on = [threads.submit(project), threads.submit(write)]
        while not written.is_set():
            for model in (PurchaseBehaviour, Sales):
                world.rebuild(model)
        for each in going_on:
            each.result()
    world.rebuild(Sales)
    world.post([1000])

    entries = world.entries()
    assert len(entries) == 460
    assert world.rows(PurchaseBehaviour) == expected(PurchaseBehaviour, entries)
    assert world.rows(Sales) == expected(Sales, entries)
    assert set(world.positions().values()) == {460}


@pytest.mark.parametrize("moment", ["while loading", "before the indexes", "before the swap", "in the swap"])
def test_an_interrupted_rebuild_keeps_the_old_build_and_the_next_leaves_nothing_of_it(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(5)))
    serving, rows = builds.serving(world.connection)["sales"], world.rows(Sales)
    place = {
        "while loading": (copying, "load"),
        "before the indexes": (table, "index"),
        "before the swap": (builds, "certify"),
        "in the swap": (builds, "discard"),
    }[moment]
    with database.connect(world.url, Duty.PROJECTOR) as reader, monkeypatch.context() as patched:
        writer = database.connect(world.url, Duty.PROJECTOR)
        interrupted = lambda *_: (_ for _ in ()).throw(KeyboardInterrupt)  # noqa: E731
        builds.discard_unfinished(writer, Sales)
        patched.setattr(*place, interrupted)
        if moment == "in the swap":
            patched.setattr(builds, "discard_unfinished", lambda *_: None)
        with pytest.raises(KeyboardInterrupt):
            rebuilding.rebuild(reader, writer, Sales)
        writer.close()

    assert builds.serving(world.connection)["sales"] == serving
    assert world.rows(Sales) == rows
    assert registered_builds(world.admin) == SERVING | {("sales", "building")}
    world.given(bought("p9", "ann", "2026-01-02", 9))

    world.rebuild(Sales)

    assert world.rows(Sales) == expected(Sales, world.entries())
    assert registered_builds(world.admin) == SERVING | KEPT
    assert len(tables(world.admin)) == len(models()) + 1


def test_two_rebuilds_of_one_model_take_turns(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(50)))

    def rebuild(_: int) -> int:
        with database.connect(world.url, Duty.PROJECTOR) as a, database.connect(world.url, Duty.PROJECTOR) as b:
            return rebuilding.rebuild(a, b, Sales).position

    with ThreadPoolExecutor() as threads:
        done = list(threads.map(rebuild, range(3)))

    assert done == [50, 50, 50]
    assert registered_builds(world.admin) == SERVING | KEPT
    assert world.rows(Sales) == expected(Sales, world.entries())


def test_a_polling_reader_sees_every_row_at_every_moment(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(200)))
    rebuilt = threading.Event()

    def poll() -> set[tuple[int, int]]:
        seen = set()
        with database.connect(world.url, Duty.API) as connection:
            while not rebuilt.is_set():
                seen |= set(connection.execute("SELECT count(*), sum(amount_minor) FROM books.sales").fetchall())
                answer = metric.compute(connection, SalesTotals, {}, datetime(2027, 1, 1, tzinfo=UTC))
                seen.add((answer.rows[0].purchases, answer.rows[0].gross_minor))
        return seen

    with ThreadPoolExecutor() as threads:
        readers = [threads.submit(poll) for _ in range(2)]
        for _ in range(12):
            world.rebuild(Sales)
        rebuilt.set()
        seen = set().union(*(reader.result() for reader in readers))

    assert seen == {(200, 19_900)}


def test_a_metric_that_is_being_computed_keeps_its_build_in_service(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5))
    world.enter([bought("p2", "ann", "2026-01-02", 7)])
    swapped = threading.Thread(target=world.rebuild, args=(Sales,))
    position = metric._position

    def while_it_is_rebuilt(*arguments: Any) -> int:
        stands_at = position(*arguments)
        swapped.start()
        swapped.join(0.5)
        return stands_at

    monkeypatch.setattr(metric, "_position", while_it_is_rebuilt)
    with database.connect(world.url, Duty.API) as connection:
        answer = metric.compute(connection, SalesTotals, {}, datetime(2027, 1, 1, tzinfo=UTC))
        waited = swapped.is_alive()
    swapped.join()

    assert waited
    assert (answer.position, answer.rows[0].purchases, answer.rows[0].gross_minor) == (1, 1, 5)
    assert world.positions()["sales"] == 2


def test_missing_models_are_built_when_the_projector_starts(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5))
    with world.admin.transaction():
        build = builds.serving(world.admin)["sales"]
        world.admin.execute("DELETE FROM books.builds WHERE model = 'sales'")
        world.admin.execute(f'DROP TABLE books."{build.table}" CASCADE')

    assert [(build.model, build.position) for build in projector.prepare(world.url)] == [("sales", 1)]
    assert world.rows(Sales) == expected(Sales, world.entries())
    assert world.rows(PurchaseBehaviour)[named("ann")].purchases == 1


def test_missing_models_are_built_together(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5))
    world.admin.execute("UPDATE books.builds SET version = 99 WHERE model IN ('sales', 'remedies')")
    shown: list[list[str]] = []

    @contextmanager
    def show(missing: Sequence[type[ReadModel]]) -> Iterator[rebuilding.Advance]:
        shown.append([model.spec.name for model in missing])
        yield lambda _done, _total: None

    built = projector.prepare(world.url, show)

    assert [build.model for build in built] == ["remedies", "sales"]
    assert shown == [["remedies", "sales"]]
    assert world.rows(Sales) == expected(Sales, world.entries())


def test_a_rebuild_tells_how_far_it_has_got(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(5)])
    told: list[tuple[int, int | None]] = []

    rebuilding.rebuild(world.reader, world.connection, Sales, lambda done, total: told.append((done, total)))

    assert told[-1] == (5, 5)
    assert [done for done, _ in told] == sorted(done for done, _ in told)


@settings(max_examples=10, deadline=None)
@given(history=histories(), number=st.sampled_from([2, 3, 7]))
def test_however_many_parts_the_rows_are_the_same(shared_world: World, history: list[Event], number: int) -> None:
    world = shared_world
    world.wipe()
    world.enter(history)
    entries = world.entries()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(parts, "ROWS_MAX", max(1, len(entries) // number))
        for model in models().values():
            world.rebuild(model)

    assert world.everything() == {name: expected(model, entries) for name, model in models().items()}
    assert world.quarantine() == set()


def test_parts_are_folded_side_by_side_by_whatever_executor(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n % 9}", "2026-01-01", n + 1) for n in range(60)))
    rows, told = world.rows(PurchaseBehaviour), []

    with ThreadPoolExecutor(3) as executor:
        hands = Hands(executor, 3, world.url)
        rebuilding.rebuild(
            world.reader, world.connection, PurchaseBehaviour, lambda done, total: told.append((done, total)), hands
        )

    assert world.rows(PurchaseBehaviour) == rows
    assert len(told) >= 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (60, 60)


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


def test_tables_that_the_register_does_not_know_are_removed_unless_a_view_needs_them(world: World) -> None:
    world.admin.execute("CREATE TABLE books.sales_v1_b999 (position bigint)")
    world.admin.execute("CREATE TABLE books.sales_v1_b998 (position bigint)")
    world.admin.execute("CREATE VIEW books.still_needed AS SELECT * FROM books.sales_v1_b998")
    world.admin.execute("ALTER TABLE books.sales_v1_b999 OWNER TO daybook_projector")

    world.rebuild(Sales)

    assert {"sales_v1_b999", "sales_v1_b998"} & tables(world.admin) == {"sales_v1_b998"}
    world.admin.execute("DROP TABLE books.sales_v1_b998 CASCADE")


def test_a_trial_changes_nothing(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))
    serving = builds.serving(world.connection)

    made = rebuilding.make(world.reader, world.connection, Sales, compared=True, trial=True)

    assert made.difference is not None
    assert made.difference.is_empty
    assert not made.in_service
    assert builds.serving(world.connection) == serving
    assert registered_builds(world.admin) == SERVING


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
