"""The law of posting: live in whatever batches, rebuilt, or refolded key by key, the rows are the same."""

import random
from typing import Any

from hypothesis import given, settings

from domain.event import Event, events
from projections.engine.cut import Cut
from projections.engine.model import ReadModel, models
from projections.engine.refolding import refold
from tests.projections.histories import THINGS, batches, histories, told
from tests.projections.world import World, as_kept, expected


def law(entries: list[Event], position: int) -> dict[str, dict[Any, ReadModel]]:
    """What every read model holds at a position."""
    return {name: expected(model, entries[:position]) for name, model in models().items()}


@settings(max_examples=80, deadline=None)
@given(history=histories(), sizes=batches())
def test_live_in_any_batches_every_row_is_the_fold_of_its_entries_at_every_step(
    shared_world: World, history: list[Event], sizes: list[int]
) -> None:
    world = shared_world
    world.wipe()
    world.enter(history)
    entries, position = world.entries(), 0

    for size in [*sizes, len(history)]:
        world.post([size])

        position = min(position + size, len(history))
        assert set(world.positions().values()) == {position}
        assert world.everything() == law(entries, position)
    assert world.quarantine() == set()


@settings(max_examples=12, deadline=None)
@given(history=histories())
def test_rebuilt_and_refolded_rows_are_those_of_live_posting(shared_world: World, history: list[Event]) -> None:
    world = shared_world
    world.wipe()
    world.enter(history)
    live = law(world.entries(), len(history))

    for name, model in models().items():
        world.rebuild(model)
        refolded = refold(world.connection, model, live[name], Cut(len(history)))

        assert {key: row and as_kept(row) for key, (row, _) in refolded.items()} == live[name]
    assert world.everything() == live
    assert set(world.positions().values()) == {len(history)}
    assert world.quarantine() == set()


def test_the_histories_contain_every_kind_of_entry_of_the_aggregates_they_tell_of() -> None:
    chance = random.Random(1)
    seen: set[str] = set()
    for _ in range(300):
        steps = [(chance.choice(THINGS), chance.randrange(10_000)) for _ in range(60)]
        seen |= {event.type_name for event in told(steps)}

    told_of = {events()[name].aggregate for name in seen}
    assert len(told_of) == 9
    assert seen == {name for name, event in events().items() if event.aggregate in told_of}
