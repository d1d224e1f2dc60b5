"""Thirty-two writers in several processes, and a reader that tails: nothing lost, doubled or skipped.

The same check is put to an append that was broken on purpose, and must then complain.
"""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import UUID, uuid5

import pytest
from psycopg import Connection

from domain.case import Case
from domain.event import NIL
from domain.policy import SERVICE_TARGETS
from domain.vocabulary import Role
from ledger import database
from ledger import writer as writing
from ledger.application import Ledger
from ledger.database import Duty
from ledger.vault import Vault
from ledger.writer import Writer
from tests.conftest import MASTER_KEY, acting

PROCESSES, THREADS, EACH = 4, 8, 20
SHARED = 3
"""How many cases all writers fight for."""

BROKEN = """
    CREATE SEQUENCE ledger.loose;
    ALTER TABLE ledger.entries DISABLE TRIGGER keep_dense;
    CREATE OR REPLACE FUNCTION ledger.take_head() RETURNS ledger.head LANGUAGE plpgsql SECURITY DEFINER AS $$
    DECLARE head ledger.head;
    BEGIN
        -- No lock: who takes the next number first may commit last. The pause only makes that happen soon.
        head := (true, nextval('ledger.loose') - 1, clock_timestamp());
        PERFORM pg_sleep(random() * 0.01);
        RETURN head;
    END $$;
"""


class Told(NamedTuple):
    """What a writer was told: its command was accepted at this position, now or before."""

    command_id: UUID
    position: int


class Tail:
    """A reader that knows only its last position, and asks again and again what came after it."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.seen: list[Told] = []

    def look(self) -> None:
        """Read on, a few entries at a time."""
        after = self.seen[-1].position if self.seen else 0
        rows = self.connection.execute(
            "SELECT command_id, position FROM ledger.entries WHERE position > %s ORDER BY position LIMIT 50", (after,)
        )
        self.seen += [Told(*row) for row in rows]


def complaints(seen: list[Told], told: list[Told], stored: list[Told]) -> set[str]:
    """What is wrong with what a reader saw, given what writers were told and what stands in the ledger."""
    found = set()
    if [entry.position for entry in stored] != list(range(1, len(stored) + 1)):
        found.add("positions are not 1…N")
    if set(stored) - set(seen):
        found.add("an entry was skipped")
    if max(Counter(seen).values(), default=0) > 1:
        found.add("an entry was seen twice")
    if seen != sorted(seen, key=lambda entry: entry.position):
        found.add("entries were seen out of order")
    if set(told) - set(stored):
        found.add("an accepted command was lost")
    if max(Counter(entry.command_id for entry in stored).values(), default=0) > 1:
        found.add("a command was entered twice")
    return found


def run(url: str, batch: int, shared: bool) -> tuple[list[Told], list[Told], list[Told]]:
    """Let all write while one tails; what was seen, told and stored."""
    command = [sys.executable, "-c", "from tests.ledger.test_concurrency import main; main()", url]
    writers = [
        subprocess.Popen(
            [*command, str(number), str(batch), str(int(shared))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for number in range(PROCESSES)
    ]
    with database.connect(url, Duty.PROJECTOR) as connection, ThreadPoolExecutor(PROCESSES) as readers:
        tail = Tail(connection)
        for writer in writers:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
        answers = [readers.submit(writer.communicate, "go\n", 120) for writer in writers]
        while not all(answer.done() for answer in answers):
            tail.look()
        for writer, answer in zip(writers, answers, strict=True):
            assert writer.returncode == 0, answer.result()[1]
        told = [Told(UUID(key), position) for answer in answers for key, position in json.loads(answer.result()[0])]
        before = -1
        while len(tail.seen) != before:
            before = len(tail.seen)
            tail.look()
        rows = connection.execute("SELECT command_id, position FROM ledger.entries ORDER BY position")
        return tail.seen, told, [Told(*row) for row in rows]


def main() -> None:
    """One process of writers: takes its place, waits for the word, writes, and tells what it was told."""
    url, number, batch, shared = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "1"
    writing.BATCH_MAX = batch
    with database.pool(url, Duty.API, size=4) as pool:
        ledger = Ledger(pool, Writer(url), Vault(pool, MASTER_KEY, "test-1"))
        print("ready", flush=True)
        sys.stdin.readline()
        with ThreadPoolExecutor(THREADS) as threads:
            told = list(threads.map(lambda n: _write(ledger, number, n, shared), range(THREADS * EACH)))
        print(json.dumps([(str(command_id), position) for command_id, position in told]))
        ledger.close()


def _write(ledger: Ledger, process: int, n: int, shared: bool) -> Told:
    """One command: mostly of its own, some on a stream that all fight for, some that other processes give as well."""
    if shared and n % 4 == 0:
        context = acting()
        given = {"id": _case(n % SHARED), "handler": f"{process}-{n}"}
        return Told(context.command_id, ledger.execute("assign_case", given, context).position)
    # Every tenth is given by all the processes, under one key.
    key = f"{n}" if shared and n % 10 == 1 else f"{process} {n}"
    context = acting(command_id=uuid5(NIL, key))
    return Told(context.command_id, ledger.execute("register_customer", {"country": "France"}, context).position)


def _case(n: int) -> UUID:
    return uuid5(uuid5(NIL, f"shared {n}"), "Case")


@pytest.fixture
def contested(url: str, ledger: Ledger) -> Iterator[str]:
    """A ledger with the cases that all fight for."""
    customer = ledger.execute("register_customer", {}, acting()).stream_id
    for n in range(SHARED):
        given = {"customer_id": customer, "kind": "complaint", "channel": "phone"}
        opened = ledger.execute("open_case", given, acting(command_id=uuid5(NIL, f"shared {n}")))
        assert opened.stream_id == _case(n)
    yield url


def test_thirty_two_writers_and_a_reader_that_tails(contested: str, ledger: Ledger) -> None:
    seen, told, stored = run(contested, writing.BATCH_MAX, shared=True)

    assert complaints(seen, told, stored) == set()
    # One registration and the cases; each command of its own; those given by every process once.
    shared_keys = sum(1 for n in range(THREADS * EACH) if n % 10 == 1 and n % 4)
    each = THREADS * EACH - shared_keys
    assert len(stored) == 1 + SHARED + PROCESSES * each + shared_keys
    assert len(told) == PROCESSES * THREADS * EACH
    fought_for = [ledger.load(Case, _case(n)).version for n in range(SHARED)]
    assert sum(fought_for) == SHARED + PROCESSES * sum(1 for n in range(THREADS * EACH) if n % 4 == 0)


def test_the_check_complains_when_the_order_is_broken(url: str) -> None:
    with database.connect(url) as admin:
        admin.execute(BROKEN)

    seen, told, stored = run(url, 1, shared=False)

    assert complaints(seen, told, stored) == {"an entry was skipped"}
    assert len(stored) == PROCESSES * THREADS * EACH


@pytest.mark.parametrize(
    ("seen", "told", "stored", "complaint"),
    [
        ([1, 2, 2, 3], [], [1, 2, 3], "an entry was seen twice"),
        ([2, 1, 3], [], [1, 2, 3], "entries were seen out of order"),
        ([1, 3], [], [1, 3], "positions are not 1…N"),
        ([1, 2], [1, 2, 3], [1, 2], "an accepted command was lost"),
    ],
)
def test_the_check_complains_of_everything_it_should(
    seen: list[int], told: list[int], stored: list[int], complaint: str
) -> None:
    def entries(numbers: list[int]) -> list[Told]:
        return [Told(uuid5(NIL, str(number)), number) for number in numbers]

    assert complaints(entries(seen), entries(told), entries(stored)) == {complaint}


def test_the_check_complains_of_a_command_that_was_entered_twice() -> None:
    twice = [Told(NIL, 1), Told(NIL, 2)]

    assert complaints(twice, twice, twice) == {"a command was entered twice"}


def test_policies_published_at_once_are_numbered_one_after_the_other(ledger: Ledger) -> None:
    def publish(_: int) -> int:
        given = {"effective_from": "2024-01-01T00:00:00Z", "acknowledge_within_s": 60, "resolve_within_s": 60}
        return ledger.execute("publish_service_targets", given, acting(Role.ADMIN)).version

    with ThreadPoolExecutor(12) as admins:
        versions = list(admins.map(publish, range(12)))

    assert sorted(versions) == list(range(1, 13))
    published = [event.version for event in ledger.events.get(SERVICE_TARGETS)]  # type: ignore[attr-defined]
    assert published == list(range(1, 13))
