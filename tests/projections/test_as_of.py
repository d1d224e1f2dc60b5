"""The law of the past: as of a cut, every row is the fold of the entries of then, however it is asked for."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from psycopg import sql

from domain.event import Event
from domain.rule import Refused
from projections.engine import as_of
from projections.engine.as_of import AsOf, resolve
from projections.engine.concerned import HUBS
from projections.engine.cut import Cut
from projections.engine.explaining import explain, state
from projections.engine.model import ReadModel, columns, models
from projections.engine.refolding import refold, refold_all
from projections.engine.sources import Sources
from tests.projections.facts import day, registered
from tests.projections.histories import BEGIN, histories
from tests.projections.world import World, as_kept, expected

Rows = dict[Any, Any]


def law(entries: list[Event], cut: Cut) -> dict[str, Rows]:
    """What every read model holds as a cut has it."""
    return {name: expected(model, entries[: cut.position], cut.occurred_until) for name, model in models().items()}


def folded(world: World, fold: Callable[[type[ReadModel]], Rows]) -> dict[str, Rows]:
    """The rows of every model, those that are not there left out."""
    found = {name: fold(model) for name, model in models().items()}
    return {name: {key: as_kept(row) for key, (row, _) in of.items() if row} for name, of in found.items()}


def read(
    world: World, gather: Callable[[Sources], None], cut: Cut, model: type[ReadModel], where: str = "true"
) -> Rows:
    """The rows of a model as a statement about the past reads them."""
    with world.connection.transaction():
        gathered = Sources(world.connection, cut)
        gather(gathered)
        head = gathered.head()
        name = sql.Identifier(model.spec.name).as_string()
        statement = head.before(f"SELECT row_to_json({name})::text FROM {name} WHERE {where}")
        rows = world.connection.execute(statement.encode(), head.parameters).fetchall()
    found = [msgspec.json.decode(text, type=model) for (text,) in rows]
    return {getattr(row, model.spec.key): row for row in found}


@st.composite
def cuts(draw: st.DrawFn, history: list[Event]) -> Cut:
    """A cut of a history: at any position, of all or of what had happened by some instant."""
    position = draw(st.integers(0, len(history)))
    hours = draw(st.none() | st.integers(-1, len(history) + 1))
    return Cut(position, None if hours is None else BEGIN + timedelta(hours=hours))


@settings(max_examples=60, deadline=None)
@given(history=histories(), data=st.data())
def test_as_of_any_cut_every_row_is_the_fold_of_the_entries_of_then(
    shared_world: World, history: list[Event], data: st.DataObject
) -> None:
    world, cut = shared_world, data.draw(cuts(history))
    world.wipe()
    world.enter(history)
    then = law(world.entries(), cut)

    by_key = {name: refold(world.connection, model, then[name], cut) for name, model in models().items()}

    assert folded(world, lambda model: by_key[model.spec.name]) == then
    assert folded(world, lambda model: refold_all(world.connection, model, cut)) == then


@settings(max_examples=20, deadline=None)
@given(history=histories())
def test_as_of_the_head_the_rows_are_those_that_serve(shared_world: World, history: list[Event]) -> None:
    world, cut = shared_world, Cut(len(history))
    world.wipe()
    world.enter(history)
    world.post()

    for name, model in models().items():
        assert read(world, lambda gathered: gathered.add_all(model), cut, model) == world.rows(model), name  # noqa: B023


@settings(max_examples=25, deadline=None)
@given(history=histories(), data=st.data())
def test_what_hangs_on_a_customer_or_a_case_is_found_whole(
    shared_world: World, history: list[Event], data: st.DataObject
) -> None:
    world, cut = shared_world, data.draw(cuts(history))
    world.wipe()
    world.enter(history)
    entries = world.entries()
    then = law(entries, cut)
    hub = data.draw(st.sampled_from(HUBS))
    known = sorted({value for entry in entries if (value := getattr(entry, hub))})
    some = data.draw(st.lists(st.sampled_from(known), max_size=3, unique=True)) if known else []

    for name, model in models().items():
        if hub in columns(model) and hub != model.spec.key and model.spec.follows_merges:
            where = f"{hub} = ANY('{{{','.join(map(str, some))}}}')"
            found = read(world, lambda gathered: gathered.add(model, hub, some), cut, model, where)  # noqa: B023

            assert found == {key: row for key, row in then[name].items() if getattr(row, hub) in some}, name


@settings(max_examples=25, deadline=None)
@given(history=histories(), data=st.data())
def test_a_row_is_explained_by_steps_that_end_in_what_it_says(
    shared_world: World, history: list[Event], data: st.DataObject
) -> None:
    world, cut = shared_world, data.draw(cuts(history))
    world.wipe()
    world.enter(history)
    entries = world.entries()
    then = law(entries, cut)

    for name, model in models().items():
        for key, row in list(then[name].items())[:5]:
            steps = explain(world.connection, model, key, cut)

            last: dict[str, Any] = {}
            for change in (change for step in steps for change in step.changes):
                assert last.get(change.field) == change.before or not last.get(change.field)
                last[change.field] = change.after
            said = {column: value for column, value in (state(row) or {}).items() if value}
            assert {column: value for column, value in last.items() if value} == said, name
            assert all(step.entry == entries[step.entry.position - 1] for step in steps)
            assert all(step.error is None for step in steps)


def test_a_recorded_time_is_found_between_the_entries(world: World) -> None:
    at = _entered_in_batches(world, [3, 1, 5, 2])

    def position(instant: datetime) -> int:
        return resolve(world.connection, AsOf(recorded_at=instant)).cut.position

    moment = timedelta(microseconds=1)
    assert [position(instant) for instant in at] == [3, 4, 9, 11]
    assert [position(instant - moment) for instant in at] == [0, 3, 4, 9]
    assert [position(instant + moment) for instant in at] == [3, 4, 9, 11]


def _entered_in_batches(world: World, sizes: list[int]) -> list[datetime]:
    at = []
    for size in sizes:
        world.enter([registered(str(uuid4())) for _ in range(size)])
        (recorded_at,) = world.connection.execute("SELECT recorded_at FROM ledger.head").fetchone() or ()
        at.append(recorded_at)
    return at


def test_of_a_large_ledger_a_recorded_time_takes_a_few_index_reads(world: World) -> None:
    world.enter([registered(str(number)) for number in range(5_000)])
    world.admin.execute("ANALYZE ledger.entries")
    query = "EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + as_of.LAST_BY

    row = world.connection.execute(query.encode(), {"at": datetime.now(UTC)}).fetchone()

    assert row is not None
    waiting, seen = [row[0][0]["Plan"]], set()
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node.get("Relation Name") == "entries":
            seen.add((node["Node Type"], node["Index Name"]))
            assert node["Actual Loops"] <= 13, "halving 5 000 entries until one is left"
    assert seen == {("Index Scan", "entries_pkey")}


def test_a_moment_has_its_instant(world: World) -> None:
    world.enter([registered("ann"), registered("bob")])
    (now,) = world.connection.execute("SELECT recorded_at FROM ledger.entries WHERE position = 1").fetchone() or ()
    then = day("2026-01-01")

    assert resolve(world.connection, AsOf(position=1)) == (Cut(1), now)
    assert resolve(world.connection, AsOf(recorded_at=then)) == (Cut(0), then)
    assert resolve(world.connection, AsOf(occurred_at=then)) == (Cut(2, then), then)
    assert resolve(world.connection, AsOf(position=1, occurred_at=then)) == (Cut(1, then), then)
    assert resolve(world.connection, AsOf()).cut == Cut(2)


@pytest.mark.parametrize("asked", [AsOf(position=3), AsOf(recorded_at=day("9000-01-01")), AsOf(position=0)])
def test_what_is_no_moment_of_the_past_is_refused(world: World, asked: AsOf) -> None:
    world.enter([registered("ann"), registered("bob")])

    with pytest.raises(Refused, match="ask as of"):
        resolve(world.connection, asked)
