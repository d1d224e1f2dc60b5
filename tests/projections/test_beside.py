"""A session beside: the same is posted as without one, whatever becomes of it."""

from threading import Thread
from typing import Any

import pytest
from psycopg import Connection, OperationalError
from psycopg.errors import LockNotAvailable, QueryCanceled

from ledger import database
from projections.engine import beside as beside_module
from projections.engine import posting
from projections.engine.beside import Beside
from projections.engine.model import models
from projections.engine.posting import post_all
from tests.projections.facts import bought, voided
from tests.projections.test_projector import sessions, until
from tests.projections.world import World, expected


def post(world: World, beside: Beside, limit: int) -> list[int]:
    """Post all there is in batches; gives by how many entries each moved on."""
    sizes = []
    while count := posting.catch_up(world.connection, limit, beside):
        sizes.append(count)
    return sizes


@pytest.mark.parametrize("limit", [1, 3, 7, 20, 21, 100])
def test_batches_posted_with_a_session_beside_give_the_same_rows(world: World, limit: int) -> None:
    purchases = [bought(f"p{n}", f"c{n % 3}", "2026-01-01", n) for n in range(18)]
    world.enter([*purchases, voided(purchases[2], 3), voided(purchases[16], 17)])

    with Beside.like(world.connection) as beside:
        sizes = post(world, beside, limit)

    whole, rest = divmod(20, limit)
    assert sizes == [limit] * whole + [rest] * (rest > 0)
    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}


def test_no_session_is_opened_for_what_one_batch_holds(world: World) -> None:
    with Beside.like(world.connection) as beside:
        for n in range(3):
            world.enter([bought(f"p{n}", "ann", "2026-01-01", n)])
            assert post(world, beside, 2) == [1]

            assert sessions(world) == []


def test_a_session_that_is_lost_fails_the_batch_and_is_opened_again_for_the_next(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(9)])
    with Beside.like(world.connection) as beside:
        assert posting.catch_up(world.connection, 2, beside) == 2
        beside.taken((2, 2))
        for pid in sessions(world):
            world.admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        until(lambda: sessions(world) == [])

        with pytest.raises(OperationalError):
            posting.catch_up(world.connection, 2, beside)

        assert set(world.positions().values()) == {2}
        assert post(world, beside, 2) == [2, 2, 2, 1]
        assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}
    until(lambda: sessions(world) == [])


def test_what_was_prepared_for_another_position_is_not_taken(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(6)])
    with Beside.like(world.connection) as beside:
        beside.prepare((0, 2), posting.read)
        assert beside.taken((1, 2)) is None

        beside.prepare((2, 2), posting.read)
        taken = beside.taken((2, 2))

        assert taken is not None
        assert ([entry.position for entry in taken[0]], taken[1]) == ([3, 4], 4)
        assert beside.taken((2, 2)) is None


def test_what_was_entered_since_nothing_could_be_prepared_is_posted(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", n) for n in range(2)])
    with Beside.like(world.connection) as beside:
        assert posting.catch_up(world.connection, 2, beside) == 2
        beside.do(lambda _: None).result()
        world.enter([bought(f"q{n}", "ann", "2026-01-01", n) for n in range(3)])

        assert post(world, beside, 2) == [2, 1]
    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}


def test_two_sessions_do_not_wait_for_each_other_by_way_of_a_third(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody asks for a lock that the first one stands in the way of, and the other one queues up behind."""
    purchase = bought("p0", "ann", "2026-01-01")
    world.enter([purchase, voided(purchase, 1), bought("p1", "ann", "2026-01-01")])
    waiting = "SELECT pid FROM pg_locks WHERE relation = 'ledger.entries'::regclass AND NOT granted"

    def altering() -> None:
        with database.connect(world.url) as operator, operator.transaction():
            operator.execute("LOCK TABLE ledger.entries IN ACCESS EXCLUSIVE MODE")

    def posting_meanwhile(*rest: Any) -> None:
        operator.start()
        until(lambda: world.admin.execute(waiting).fetchone())
        post_all(*rest)

    monkeypatch.setattr(beside_module, "LOCK_S", 0.2)
    operator = Thread(target=altering)
    with Beside.like(world.connection) as beside, monkeypatch.context() as patched:
        patched.setattr(posting, "post_all", posting_meanwhile)
        with pytest.raises(LockNotAvailable):
            posting.catch_up(world.connection, 2, beside)
    operator.join()

    assert set(world.positions().values()) == {0}
    world.post()
    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}


def test_what_is_being_done_is_ended_where_the_block_fails(world: World) -> None:
    with pytest.raises(KeyboardInterrupt), Beside.like(world.connection) as beside:
        done = beside.do(lambda connection: connection.execute("SELECT pg_sleep(60)"))
        never = beside.do(lambda connection: connection.execute("SELECT 1"))
        until(lambda: sessions(world))
        raise KeyboardInterrupt

    assert isinstance(done.exception(), QueryCanceled)
    assert never.cancelled()
    until(lambda: sessions(world) == [])


def test_the_failure_of_the_block_is_seen_where_nothing_can_be_ended(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unreachable(*_: object, **__: object) -> None:
        raise OperationalError("connection refused")

    monkeypatch.setattr(Connection, "cancel_safe", unreachable)
    with pytest.raises(KeyboardInterrupt), Beside.like(world.connection) as beside:
        done = beside.do(lambda connection: connection.execute("SELECT pg_sleep(0.3)"))
        until(lambda: sessions(world))
        raise KeyboardInterrupt

    assert done.exception() is None
    until(lambda: sessions(world) == [])
