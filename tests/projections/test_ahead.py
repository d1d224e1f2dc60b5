"""Reading ahead: the same is posted as when every batch is read in its turn, whatever becomes of the session."""

import pytest

from projections.engine import posting
from projections.engine.ahead import Ahead
from projections.engine.model import models
from tests.projections.facts import bought, voided
from tests.projections.test_projector import sessions
from tests.projections.world import World, expected


def post(world: World, ahead: Ahead, limit: int) -> list[int]:
    """Post all there is in batches; gives by how many entries each moved on."""
    sizes = []
    while count := posting.catch_up(world.connection, limit, ahead.read):
        sizes.append(count)
    return sizes


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 21, 100])
def test_batches_read_ahead_give_the_same_rows(world: World, limit: int) -> None:
    purchases = [bought(f"p{n}", f"c{n % 3}", "2026-01-01", n) for n in range(18)]
    world.enter([*purchases, voided(purchases[2], 3), voided(purchases[16], 17)])

    with Ahead(world.url) as ahead:
        sizes = post(world, ahead, limit)

    whole, rest = divmod(20, limit)
    assert sizes == [limit] * whole + [rest] * (rest > 0)
    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}


def test_no_session_is_opened_for_what_one_batch_holds(world: World) -> None:
    with Ahead(world.url) as ahead:
        for n in range(3):
            world.enter([bought(f"p{n}", "ann", "2026-01-01", n)])
            assert post(world, ahead, 2) == [1]

            assert sessions(world) == []


def test_a_session_that_is_ended_is_done_without_and_opened_again(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(9)])
    with Ahead(world.url) as ahead:
        moved = 0
        while moved < 9:
            for pid in sessions(world):
                world.admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
            moved += posting.catch_up(world.connection, 2, ahead.read)

        assert moved == 9
        assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}
    assert sessions(world) == []


def test_what_was_read_ahead_for_another_position_is_not_used(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(6)])
    with Ahead(world.url) as ahead:
        first, _ = ahead.read(world.connection, 0, 2)

        again, last = ahead.read(world.connection, 1, 2)

    assert ([entry.position for entry in first], [entry.position for entry in again], last) == ([1, 2], [2, 3], 3)
