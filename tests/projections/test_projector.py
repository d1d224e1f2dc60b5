"""The projector: keeps posting, waits for a database that went away, and stops when told."""

import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
from psycopg import Connection

from ledger.database import DatabaseUnavailable
from projections.engine import posting, projector
from projections.engine.beside import Beside
from projections.engine.builds import PostedElsewhere
from projections.sales import Sales
from tests.projections.facts import bought
from tests.projections.world import World

PATIENCE_S = 10


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(projector, "RETRY_S", 0.05)
    monkeypatch.setattr(projector, "IDLE_S", 0.005)


def until(met: Callable[[], object]) -> None:
    """Wait for something that another thread does."""
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, "it did not happen"
        time.sleep(0.01)


class Running:
    """A projector in a thread."""

    def __init__(self, url: str) -> None:
        self.stop, self.notices = threading.Event(), list[str]()
        self.thread = threading.Thread(target=projector.run, args=(url, self.stop.is_set, self.notices.append))

    def __enter__(self) -> "Running":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive()


def sessions(world: World) -> list[int]:
    """The projector's own sessions, ours aside."""
    ours = [world.connection.info.backend_pid, world.reader.info.backend_pid]
    query = (
        "SELECT pid FROM pg_stat_activity WHERE datname = current_database()"
        " AND application_name = 'daybook projector' AND pid <> ALL (%s)"
    )
    return [pid for (pid,) in world.admin.execute(query, (ours,))]


def test_what_is_entered_is_posted_until_it_is_stopped(world: World) -> None:
    with Running(world.url) as running:
        world.enter([bought("p1", "ann", "2026-01-01", 5)])
        until(lambda: len(world.rows(Sales)) == 1)
        world.enter([bought("p2", "ann", "2026-01-02", 5)])
        until(lambda: len(world.rows(Sales)) == 2)

    world.enter([bought("p3", "ann", "2026-01-03", 5)])
    assert sessions(world) == []
    assert running.notices == []
    assert len(world.rows(Sales)) == 2


def test_a_lost_connection_is_told_and_made_again(world: World) -> None:
    with Running(world.url) as running:
        until(lambda: sessions(world))
        for pid in sessions(world):
            world.admin.execute("SELECT pg_terminate_backend(%s)", (pid,))
        until(lambda: running.notices)
        world.enter([bought("p1", "ann", "2026-01-01", 5)])
        until(lambda: len(world.rows(Sales)) == 1)

    assert all(notice.startswith("The database went away (") for notice in running.notices)


def test_losing_a_turn_to_another_projector_is_no_fault(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    catch_up, lost = projector.catch_up, []

    def losing_once(connection: Any, *, beside: Any) -> int:
        if not lost:
            lost.append(True)
            raise PostedElsewhere("another one was quicker")
        return catch_up(connection, beside=beside)

    monkeypatch.setattr(projector, "catch_up", losing_once)
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    with Running(world.url) as running:
        until(lambda: len(world.rows(Sales)) == 1)

    assert (lost, running.notices) == ([True], [])


def test_a_batch_that_failed_with_another_session_is_posted_without_it(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A login may have one connection only, and what lies far behind is to be posted all the same."""
    asked = []

    def refused() -> Connection[Any]:
        asked.append(True)
        raise DatabaseUnavailable("too many connections")

    monkeypatch.setattr(projector, "catch_up", partial(posting.catch_up, limit=2))
    world.enter([bought(f"p{n}", "ann", "2026-01-01", 5) for n in range(6)])
    with Beside(refused) as beside:
        turns = projector.Turns(print, beside)
        for posted in (2, 4):
            with pytest.raises(DatabaseUnavailable):
                turns.take(world.connection)
            assert turns.take(world.connection) == 2
            assert set(world.positions().values()) == {posted}
    turns.lease.give_back(world.connection)

    assert len(asked) >= 2
