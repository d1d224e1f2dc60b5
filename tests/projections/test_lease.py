"""The lease: one projector posts, another takes over when it is silent, and who woke up too late posts nothing."""

import json
import os
import re
import socket
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import psycopg
import pytest
from psycopg import Connection

from ledger import database
from ledger.database import Duty
from projections.engine import lease, projector
from projections.engine.lease import Lease, ProjectorState
from projections.engine.projector import Turns
from projections.sales import Sales
from tests.projections.facts import bought
from tests.projections.test_commands import daybook
from tests.projections.test_projector import Running, until
from tests.projections.world import World

LASTS_S = 1.0
HERE = f"process {os.getpid()} on {socket.gethostname()}"


@pytest.fixture(autouse=True)
def hurried(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "LEASE_S", LASTS_S)
    monkeypatch.setattr(lease, "BEAT_S", 0.05)
    monkeypatch.setattr(projector, "IDLE_S", 0.005)
    monkeypatch.setenv("DATABASE_URL", world.url)


@pytest.fixture
def other(world: World) -> Iterator[Connection[Any]]:
    """The connection of a second projector."""
    with database.connect(world.url, Duty.PROJECTOR) as connection:
        yield connection


def test_one_has_it_until_it_is_given_back(world: World, other: Connection[Any]) -> None:
    first, second = Lease(), Lease()

    assert (first.keep(world.connection), second.keep(other), first.keep(world.connection)) == (True, False, True)
    second.give_back(other)
    assert not second.keep(other)
    first.give_back(world.connection)
    assert (second.keep(other), first.keep(world.connection)) == (True, False)


def test_another_one_takes_it_once_it_is_over_and_the_first_stands_by(world: World, other: Connection[Any]) -> None:
    first, second = Lease(), Lease()
    assert first.keep(world.connection)
    assert not second.keep(other)

    time.sleep(LASTS_S + 0.1)

    assert second.keep(other)
    assert (first.keep(world.connection), first.held) == (False, False)


def test_in_a_transaction_it_is_kept_however_long_that_takes_and_nobody_waits(
    world: World, other: Connection[Any]
) -> None:
    first, second = Lease(), Lease()

    with world.connection.transaction():
        assert first.keep(world.connection)
        time.sleep(LASTS_S + 0.1)
        assert not second.keep(other)
    assert second.keep(other)


def test_it_tells_who_posts_since_when_and_who_was_last_heard_of_when(world: World) -> None:
    ours = Lease()
    assert lease.standing(world.connection) == (ProjectorState.STOPPED, None, None, None, None)

    ours.keep(world.connection)
    begun = lease.standing(world.connection)
    ours.keep(world.connection)
    posting = lease.standing(world.connection)
    time.sleep(LASTS_S + 0.1)
    lost = lease.standing(world.connection)
    ours.keep(world.connection)
    again = lease.standing(world.connection)
    ours.give_back(world.connection)
    stopped = lease.standing(world.connection)

    assert begun.last_heard_at and posting.last_heard_at and posting.silent_s is not None and lost.silent_s is not None
    assert (posting.state, posting.process, posting.since) == (ProjectorState.POSTING, HERE, begun.since)
    assert posting.last_heard_at > begun.last_heard_at
    assert posting.silent_s < LASTS_S
    assert lost[:4] == (ProjectorState.LOST, *posting[1:4])
    assert lost.silent_s > LASTS_S
    assert again.since and lost.since and again.since > lost.since
    assert stopped[:3] == (ProjectorState.STOPPED, HERE, again.since)


def test_a_second_projector_stands_by_and_takes_over_when_the_first_stops(world: World) -> None:
    with Running(world.url) as first:
        until(lambda: lease.standing(world.connection).state is ProjectorState.POSTING)
        with Running(world.url) as second:
            until(lambda: second.notices)
            first.stop.set()
            until(lambda: len(second.notices) == 2)
            world.enter([bought("p1", "ann", "2026-01-01", 5)])
            until(lambda: len(world.rows(Sales)) == 1)

    assert first.notices == []
    assert second.notices == [f"Another projector has the lease ({HERE}); standing by.", "Posting in its place."]
    assert lease.standing(world.connection).state is ProjectorState.STOPPED


def test_an_idle_projector_is_heard_of_again_and_again(world: World) -> None:
    with Running(world.url) as running:
        until(lambda: lease.standing(world.connection).state is ProjectorState.POSTING)
        seen = set()
        for _ in range(30):
            seen.add(lease.standing(world.connection)[0:1] + lease.standing(world.connection)[3:4])
            time.sleep(0.03)

    assert {state for state, _ in seen} == {ProjectorState.POSTING}
    assert len(seen) > 5
    assert running.notices == []


def test_who_was_paused_past_its_lease_posts_nothing_when_it_wakes(world: World, other: Connection[Any]) -> None:
    notices = list[str]()
    paused, awake = Turns(notices.append), Turns(notices.append)
    assert paused.take(other) == 0
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    time.sleep(LASTS_S + 0.1)
    assert awake.take(world.connection) == 1
    world.enter([bought("p2", "ann", "2026-01-02", 7)])

    assert paused.take(other) == 0

    assert set(world.rows(Sales)) == {1}
    assert notices == [f"Another projector has the lease ({HERE}); standing by."]
    assert awake.take(world.connection) == 1
    assert set(world.rows(Sales)) == {1, 2}


def test_who_hangs_in_the_middle_of_a_batch_loses_its_locks_and_the_batch(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "HUNG_S", 0.3)
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    hung = projector._connected(world.url)

    with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout), hung.transaction():
        Lease().keep(hung)
        projector.catch_up(hung)
        time.sleep(LASTS_S + 0.1)
        with Running(world.url) as other:
            until(lambda: len(world.rows(Sales)) == 1)
        hung.execute("SELECT 1")

    hung.close()
    assert other.notices == []
    assert set(world.positions().values()) == {1}


def test_who_does_not_read_an_answer_in_the_middle_of_a_batch_loses_its_locks_too(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(projector, "HUNG_S", 0.3)
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    with closing(database.connect(world.url, Duty.PROJECTOR)) as hung:
        hung.execute("BEGIN")
        assert Lease().keep(hung)
        hung.pgconn.send_query(b"SELECT repeat('x', 100000000)")

        with Running(world.url) as other:
            until(lambda: len(world.rows(Sales)) == 1)

    assert other.notices == ["Another projector has the lease (just begun); standing by.", "Posting in its place."]
    assert lease.end_unread(world.connection, 0) is False


def test_one_off_posting_takes_turns_with_a_projector_that_has_the_lease(world: World) -> None:
    lost = Lease()
    lost.keep(world.connection)
    world.enter([bought("p1", "ann", "2026-01-01", 5)])

    done = daybook("project", "--once", "--json")

    assert json.loads(done.stdout) == {"built": [], "posted": 1}
    assert lost.keep(world.connection)


def test_status_tells_whether_the_read_models_are_posted(world: World) -> None:
    ours = Lease()
    never = daybook("status").stdout
    ours.keep(world.connection)
    posting, in_step = daybook("status").stdout, daybook("status", "--lag-max", "0")
    told = json.loads(daybook("status", "--json").stdout)["projector"]
    world.connection.execute(
        "UPDATE books.lease SET beat_at = beat_at - interval '7 s', until = until - interval '7 s'"
    )
    lost, alarming = daybook("status").stdout, daybook("status", "--lag-max", "0")
    ours.give_back(world.connection)
    stopped = daybook("status").stdout

    assert "No projector has run yet; start one with: daybook project\n" in never
    assert f"The projector ({HERE}) has been posting since 20" in posting
    assert in_step.exit_code == 0
    assert (told["state"], told["process"]) == ("posting", HERE)
    assert set(told) == {"state", "process", "since", "last_heard_at", "silent_s"}
    assert re.search(
        rf"The projector \({HERE}\) is lost: last heard of [78] s ago; start one with: daybook project\n", lost
    )
    assert alarming.exit_code == 1
    assert alarming.stderr.startswith(f"daybook: The projector ({HERE}) is lost: last heard of ")
    assert f"The projector ({HERE}) stopped at 20" in stopped
