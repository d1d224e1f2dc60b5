"""Rebuilding: beside the build in service, while entries come in and readers read, and put in its place at once."""

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
from projections.engine import (
    building,
    builds,
    copying,
    metric,
    mirroring,
    parts,
    posting,
    projector,
    rebuilding,
    table,
)
from projections.engine.hands import Hands
from projections.engine.model import ReadModel, models
from projections.metrics.sales_totals import SalesTotals
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.projections.facts import bought, named, voided
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
    def show(missing: Sequence[type[ReadModel]]) -> Iterator[building.Advance]:
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


class CountingExecutor(ThreadPoolExecutor):
    """Counts what it is given to do."""

    submitted = 0

    def submit(self, *work: Any, **named: Any) -> Any:
        self.submitted += 1
        return super().submit(*work, **named)


def test_parts_are_folded_side_by_side_by_whatever_executor(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n % 9}", "2026-01-01", n + 1) for n in range(60)))
    rows, told = world.rows(PurchaseBehaviour), []

    with CountingExecutor(3) as executor:
        hands = Hands(executor, 3, world.url)
        rebuilding.rebuild(
            world.reader, world.connection, PurchaseBehaviour, lambda done, total: told.append((done, total)), hands
        )

    assert world.rows(PurchaseBehaviour) == rows
    assert executor.submitted == 3
    assert [done for done, _ in told] == sorted(done for done, _ in told)
    assert told[-1] == (60, 60)


def test_tables_that_the_register_does_not_know_are_removed_unless_a_view_needs_them(world: World) -> None:
    world.admin.execute("CREATE TABLE books.sales_v1_b999 (position bigint)")
    world.admin.execute("CREATE TABLE books.sales_v1_b998 (position bigint)")
    world.admin.execute("CREATE VIEW books.still_needed AS SELECT * FROM books.sales_v1_b998")
    world.admin.execute("ALTER TABLE books.sales_v1_b999 OWNER TO daybook_projector")

    world.rebuild(Sales)

    assert {"sales_v1_b999", "sales_v1_b998"} & tables(world.admin) == {"sales_v1_b998"}
    world.admin.execute("DROP TABLE books.sales_v1_b998 CASCADE")


def test_where_a_mirror_cannot_be_made_nothing_of_the_same_run_is_put_in_service(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: Any) -> None:
        raise ConnectionError("the disk is full")

    world.given(bought("p1", "ann", "2026-01-01", 5))
    before = builds.serving(world.connection)
    monkeypatch.setattr(mirroring, "fill", failing)

    with pytest.raises(ConnectionError, match="the disk is full"):
        list(rebuilding.make_all(world.reader, world.connection, [*models().values()]))

    assert builds.serving(world.connection) == before
    monkeypatch.undo()
    assert len(list(rebuilding.make_all(world.reader, world.connection, [*models().values()]))) == len(models())
    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}
