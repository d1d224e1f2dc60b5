"""Rebuilding and posting killed at any moment, and rebuilding while everything runs."""

import multiprocessing
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import psutil
import pytest
from psycopg import Connection

from domain.vocabulary import Role
from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.sources.simulation import World as Imagined
from ledger.sources.simulation import house_rules, imagine, silent, simulate
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import posting
from projections.engine.model import models
from tests.conftest import acting
from tests.projections.world import World, expected

REBUILDS_KILLED, SEVERAL_KILLED, POSTINGS_KILLED = 20, 5, 25
WRITERS, READERS, SECONDS = 16, 3, 6.0
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)


def daybook(url: str, *arguments: str) -> None:
    """Run a command as its own process does, in a process that has all modules already."""
    import api.cli

    os.environ |= {"DATABASE_URL": url, "DAYBOOK_MASTER_KEY": "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM="}
    sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115  (progress is for people)
    sys.stdout = sys.stderr
    sys.argv = ["daybook", *arguments]
    api.cli.main()


@pytest.fixture(scope="module")
def forks() -> Any:
    """Processes that start at once, from one that has loaded what they need."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["api.cli", "tests.e2e.test_rebuild_faults"])
    return context


@pytest.fixture
def world(url: str) -> Iterator[World]:
    """A lifelike ledger, posted."""
    with World(url) as opened:
        simulate(
            opened.importer, opened.vault, Imagined(until=UNTIL, customers=60, seed=3, complaint_share=0.5), silent
        )
        opened.post()
        yield opened


def laws(world: World) -> dict[str, dict[Any, Any]]:
    entries = world.entries()
    return {name: expected(model, entries) for name, model in models().items()}


def tables(admin: Connection[Any]) -> set[str]:
    query = "SELECT tablename FROM pg_tables WHERE schemaname = 'books'"
    return {name for (name,) in admin.execute(query)} - {"builds", "quarantine", "alarms", "lease"}


def registered(admin: Connection[Any]) -> set[str]:
    return {name for (name,) in admin.execute("SELECT table_name FROM books.builds")}


def killed(forks: Any, chance: random.Random, longest: float, *arguments: str) -> int:
    """Run a command and kill it at a random moment; gives its exit code."""
    process = forks.Process(target=daybook, args=arguments)
    process.start()
    process.join(chance.uniform(0, longest))
    if process.exitcode is None:
        process.kill()
    process.join()
    code = process.exitcode
    process.close()
    return int(code)


def finished(forks: Any, *arguments: str) -> float:
    """Run a command to its end; gives how long it took."""
    began = time.monotonic()
    process = forks.Process(target=daybook, args=arguments)
    process.start()
    process.join(60)
    assert process.exitcode == 0, arguments
    process.close()
    return time.monotonic() - began


@pytest.fixture
def chance() -> random.Random:
    seed = int(os.environ.get("DAYBOOK_FAULT_SEED") or time.time())
    print(f"repeat this run with DAYBOOK_FAULT_SEED={seed}")
    return random.Random(seed)


def test_a_rebuild_killed_at_any_moment_leaves_the_books_in_service_and_nothing_behind(
    world: World, forks: Any, chance: random.Random
) -> None:
    wanted = laws(world)
    names = sorted(models())
    # The first one also starts the process that the others are forked from.
    usual = min(finished(forks, world.url, "rebuild", name) for name in chance.sample(names, 4))

    codes = []
    for _ in range(REBUILDS_KILLED):
        codes.append(killed(forks, chance, usual, world.url, "rebuild", chance.choice(names)))
        assert world.everything() == wanted

    assert codes.count(-signal.SIGKILL) > REBUILDS_KILLED // 3, codes
    finished(forks, world.url, "rebuild", "--all")
    assert world.everything() == wanted
    assert tables(world.admin) == registered(world.admin)
    states = [state for (state,) in world.admin.execute("SELECT state FROM books.builds")]
    assert (states.count("serving"), states.count("building")) == (len(names), 0)


def test_a_rebuild_by_several_processes_that_is_killed_leaves_no_process_and_nothing_behind(
    world: World, forks: Any, chance: random.Random
) -> None:
    wanted = laws(world)
    several = (world.url, "rebuild", "--all", "--processes", "2")
    usual = min(finished(forks, *several) for _ in range(2))

    codes = []
    for _ in range(SEVERAL_KILLED):
        codes.append(killed(forks, chance, usual, *several))
        assert world.everything() == wanted
        assert left_behind(world.url) == []

    assert codes.count(-signal.SIGKILL) > SEVERAL_KILLED // 3, codes
    finished(forks, *several)
    assert world.everything() == wanted
    assert tables(world.admin) == registered(world.admin)


def left_behind(url: str) -> list[psutil.Process]:
    """The processes started for a rebuild of this ledger that are still there a moment later."""
    _, alive = psutil.wait_procs([each for each in psutil.process_iter() if _works_for(each, url)], timeout=10)
    return list(alive)


def _works_for(process: psutil.Process, url: str) -> bool:
    try:
        return any("spawn_main" in word for word in process.cmdline()) and process.environ()["DATABASE_URL"] == url
    except (psutil.Error, KeyError):
        return False


def test_posting_killed_at_any_moment_goes_on_where_it_stopped(world: World, forks: Any, chance: random.Random) -> None:
    more = Imagined(until=UNTIL, customers=12 * POSTINGS_KILLED, seed=4, complaint_share=0.5)
    lives = list(imagine(more, house_rules(more)))

    codes = []
    for number in range(POSTINGS_KILLED):
        world.enter([event for life in lives[12 * number : 12 * number + 12] for event in life])
        codes.append(killed(forks, chance, 0.5, world.url, "project"))

    assert codes.count(-signal.SIGKILL) == POSTINGS_KILLED
    finished(forks, world.url, "project", "--once")
    assert world.everything() == laws(world)
    assert set(world.positions().values()) == {len(world.entries())}
    assert world.quarantine() == set()


@contextmanager
def running(*loops: Any) -> Iterator[threading.Event]:
    """Run loops in threads until the block ends; each is called again and again."""
    ended = threading.Event()

    def repeat(loop: Any) -> int:
        times = 0
        while not ended.is_set():
            loop()
            times += 1
        return times

    with ThreadPoolExecutor(len(loops)) as threads:
        going = [threads.submit(repeat, loop) for loop in loops]
        try:
            yield ended
        finally:
            ended.set()
        for each in going:
            assert each.result() > 0


def test_a_rebuild_while_everything_runs_loses_nothing_and_nobody_sees_the_swap(
    world: World, ledger: Ledger, forks: Any
) -> None:
    """Writers write, a projector posts, readers read all the while; every model is rebuilt under them."""
    with database.connect(world.url, Duty.PROJECTOR) as poster, database.pool(world.url, Duty.API, READERS) as pool:
        seen: list[list[int]] = [[] for _ in range(READERS)]

        def write() -> None:
            customer = ledger.execute("register_customer", {"country": "FR"}, acting()).stream_id
            given = {"customer_id": customer, "kind": "complaint", "channel": "phone"}
            case = ledger.execute("open_case", given, acting()).stream_id
            done = ledger.execute("assign_case", {"id": case, "handler": "bob"}, acting())
            ledger.execute("void_entry", {"position": done.position, "reason": "x"}, acting(Role.SUPERVISOR, "sue"))

        def read(number: int) -> None:
            with pool.connection() as connection:
                row = connection.execute("SELECT count(*), max(position) FROM books.audit_trail").fetchone()
            assert row is not None
            count, last = row
            assert count == last
            seen[number].append(count)

        readers = [lambda n=n: read(n) for n in range(READERS)]
        with running(*[write] * WRITERS, *readers, lambda: posting.catch_up(poster)):
            began = time.monotonic()
            rounds = 0
            while rounds == 0 or time.monotonic() - began < SECONDS:
                finished(forks, world.url, "rebuild", "--all")
                rounds += 1

    world.post()
    assert all(counts == sorted(counts) and counts[-1] > counts[0] for counts in seen)
    assert world.everything() == laws(world)
    assert world.quarantine() == set()
