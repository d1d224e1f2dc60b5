"""The writer: many commands to a transaction, each answered on its own, whatever happens to the others or the line."""

import random
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID, uuid4

import psycopg
import pytest
from psycopg import Connection

from domain.customer import Customer
from domain.purchase import Purchase
from ledger import canonical, database
from ledger import writer as writing
from ledger.application import Ledger
from ledger.database import DatabaseUnavailable
from ledger.writer import Answer, TooLarge, WriteFailed, Writer, WriterBusy
from tests.conftest import acting
from tests.domain.specification import NOON
from tests.ledger.refusals import refused_with


@pytest.fixture
def writer(module_url: str) -> Iterator[Writer]:
    """A writer of the test's own."""
    opened = Writer(module_url)
    yield opened
    opened.close()


@pytest.fixture
def callers() -> Iterator[ThreadPoolExecutor]:
    """Threads that wait for their answers."""
    with ThreadPoolExecutor(40) as threads:
        yield threads


class Clerk:
    """Gives the writer one entry at a time."""

    def __init__(self, writer: Writer, threads: ThreadPoolExecutor) -> None:
        self.writer, self.threads = writer, threads

    def write(self, stream_id: UUID | None = None, version: int = 1, spoilt: bool = False) -> Answer:
        """Write an entry; a spoilt one holds what PostgreSQL does not take."""
        event = Customer.Registered(
            stream_id=stream_id or uuid4(), stream_version=version, occurred_at=NOON, command_id=uuid4()
        )
        body = canonical.body(event, {"country": "\0" if spoilt else "France"})
        return self.writer.write(event.command_id, b"f" * 32, event.stream_id, [body])

    def later(self, **entry: Any) -> "Future[Answer]":
        """The same, in another thread."""
        return self.threads.submit(self.write, **entry)

    def waiting(self) -> int:
        """How many commits wait for the next page."""
        return self.writer._arriving.qsize()


@pytest.fixture
def clerk(writer: Writer, callers: ThreadPoolExecutor) -> Clerk:
    """Somebody to write."""
    return Clerk(writer, callers)


@contextmanager
def standstill(url: str) -> Iterator[Connection[Any]]:
    """While the block runs the ledger's head is locked, so that no page is done and all that comes has to wait."""
    with database.connect(url) as connection, connection.transaction():
        connection.execute("SELECT FROM ledger.head FOR UPDATE")
        yield connection


def until(true: Callable[[], bool]) -> None:
    """Wait until it is so, for ten seconds at most."""
    for _ in range(1000):
        if true():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about in ten seconds")


def positions(admin: Connection[Any]) -> list[int]:
    """All positions, in order."""
    return [position for (position,) in admin.execute("SELECT position FROM ledger.entries ORDER BY 1")]


def head(admin: Connection[Any]) -> int:
    """The last position."""
    row = admin.execute("SELECT position FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


def test_what_arrives_while_a_commit_is_in_flight_is_written_together(
    module_url: str, module_admin: Connection[Any], clerk: Clerk
) -> None:
    with standstill(module_url):
        first = clerk.later()
        until(lambda: blocked(module_admin) == 1)
        rest = [clerk.later() for _ in range(30)]
        until(lambda: clerk.waiting() == 30)

    answers = [future.result() for future in (first, *rest)]
    assert {answer.outcome for answer in answers} == {"accepted"}
    pages = module_admin.execute(
        "SELECT count(*) FROM ledger.entries WHERE position = ANY(%s) GROUP BY recorded_at ORDER BY recorded_at",
        ([answer.first for answer in answers],),
    ).fetchall()
    assert pages == [(1,), (30,)]


def blocked(admin: Connection[Any]) -> int:
    """How many sessions wait for the head of this database."""
    row = admin.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    ).fetchone()
    assert row is not None
    return int(row[0])


def test_one_entry_the_database_does_not_take_does_no_harm_to_its_neighbours(
    module_url: str, module_admin: Connection[Any], clerk: Clerk
) -> None:
    before = head(module_admin)

    with standstill(module_url):
        first = clerk.later()
        until(lambda: blocked(module_admin) == 1)
        entries = [clerk.later(spoilt=n == 5) for n in range(12)]
        until(lambda: clerk.waiting() == 12)

    spoilt = entries.pop(5)
    assert [future.result().outcome for future in (first, *entries)] == ["accepted"] * 12
    with pytest.raises(psycopg.DataError):
        spoilt.result()
    assert head(module_admin) == before + 12


def test_the_commands_of_one_stream_are_written_in_the_order_they_came(
    module_url: str, module_admin: Connection[Any], clerk: Clerk
) -> None:
    stream = uuid4()

    with standstill(module_url):
        first = clerk.later()
        until(lambda: blocked(module_admin) == 1)
        entries = []
        for version in (1, 2, 3, 2):
            entries.append(clerk.later(stream_id=stream, version=version))
            until(lambda: clerk.waiting() == len(entries))

    first.result()
    outcomes = [future.result().outcome for future in entries]
    assert outcomes == ["accepted", "accepted", "accepted", "version_conflict"]


def test_a_command_that_was_decided_on_a_stream_waits_for_who_came_before(
    module_url: str, module_admin: Connection[Any], writer: Writer, clerk: Clerk
) -> None:
    """Written in one page, the basis would be looked up as it stood before the page."""
    stream = uuid4()
    event = Customer.Registered(stream_id=uuid4(), stream_version=1, occurred_at=NOON, command_id=uuid4())
    body = canonical.body(event, {})

    with standstill(module_url):
        first = clerk.later()
        until(lambda: blocked(module_admin) == 1)
        before = clerk.later(stream_id=stream)
        until(lambda: clerk.waiting() == 1)
        after = clerk.threads.submit(writer.write, event.command_id, b"f" * 32, event.stream_id, [body], {stream: 0})
        until(lambda: clerk.waiting() == 2)

    assert [future.result().outcome for future in (first, before, after)] == [
        "accepted",
        "accepted",
        "version_conflict",
    ]


def test_a_connection_lost_while_writing_loses_and_doubles_nothing(
    module_url: str, module_admin: Connection[Any], clerk: Clerk
) -> None:
    before = head(module_admin)

    with standstill(module_url):
        entries = [clerk.later()]
        until(lambda: blocked(module_admin) == 1)
        entries += [clerk.later() for _ in range(5)]
        module_admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )

    assert [future.result().outcome for future in entries] == ["accepted"] * 6
    assert head(module_admin) == before + 6


def test_a_connection_lost_after_the_commit_and_before_the_answer_doubles_nothing(
    ledger: Ledger, admin: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, lost = Connection.execute, []

    def lose_the_answer(connection: Connection[Any], query: Any, *args: Any, **kwargs: Any) -> Any:
        answered = execute(connection, query, *args, **kwargs)
        if query is writing.APPEND and not lost:
            lost.append(True)
            connection.close()
            raise psycopg.OperationalError("the line is dead")
        return answered

    monkeypatch.setattr(Connection, "execute", lose_the_answer)

    done = ledger.execute("register_customer", {"name": "Ada"}, acting())

    assert lost == [True]
    assert (done.first, done.position, done.version) == (1, 1, 1)
    assert positions(admin) == [1]


def test_a_writer_whose_connection_is_cut_again_and_again_loses_and_doubles_nothing(
    url: str, ledger: Ledger, admin: Connection[Any], callers: ThreadPoolExecutor
) -> None:
    """Whatever a caller was told was accepted stands in the ledger once; the cuts come at any moment."""
    cut_off, stop, random_ = threading.Semaphore(0), threading.Event(), random.Random(7)

    def cut() -> None:
        with database.connect(url) as killer:
            while not stop.wait(random_.uniform(0.03, 0.15)):
                found = killer.execute(
                    "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity"
                    " WHERE datname = current_database() AND query LIKE '%ledger.append(%' AND pid <> pg_backend_pid()"
                ).fetchone()
                if found and found[0]:
                    cut_off.release(found[0])

    def register(one: Any) -> int:
        while True:
            try:
                return ledger.execute("register_customer", {}, one).position
            except WriteFailed:
                continue

    cutter = callers.submit(cut)
    contexts: list[Any] = []
    told: list[int] = []
    # As long as it takes: on a busy machine the cutter seldom gets its turn.
    for _ in range(3):
        while not cut_off.acquire(blocking=False):
            page = [acting() for _ in range(64)]
            told += callers.map(register, page)
            contexts += page
    stop.set()
    cutter.result()

    assert positions(admin) == list(range(1, len(told) + 1)) == sorted(told)
    rows = admin.execute("SELECT command_id, position FROM ledger.entries").fetchall()
    assert dict(rows) == dict(zip((context.command_id for context in contexts), told, strict=True))


def test_a_database_that_does_not_come_back_is_an_error_for_each_caller_and_not_a_wait(
    module_url: str,
    module_admin: Connection[Any],
    writer: Writer,
    clerk: Clerk,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def gone(*_: object) -> None:
        raise DatabaseUnavailable("The database cannot be reached.")

    before = head(module_admin)
    monkeypatch.setattr(writing, "RETRY_AFTER_S", 0)
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(writing, "connect", gone)
        writer._connection.close()
        with pytest.raises(WriteFailed, match="give the command again under the same key"):
            clerk.write()

    assert clerk.write().first == head(module_admin) == before + 1


def test_a_fault_of_our_own_is_told_to_the_caller_and_the_writer_goes_on(
    writer: Writer, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as meanwhile:
        meanwhile.setattr(writer, "_append", lambda _: 1 // 0)
        with pytest.raises(ZeroDivisionError):
            clerk.write()

    assert clerk.write().outcome == "accepted"


def test_an_entry_of_several_megabytes_is_written_and_read(ledger: Ledger) -> None:
    lines = [{"sku": str(n), "quantity": 1, "amount_minor": n, "name": f"杯子\\{n:04d}" * 300} for n in range(2_000)]

    done = ledger.execute("record_purchase", {"currency": "EUR", "lines": lines}, acting())

    entry = ledger.entry(done.position)
    assert isinstance(entry, Purchase.Recorded)
    assert [line.name for line in entry.lines] == [line["name"] for line in lines]
    assert sum(len(line.name or "") for line in entry.lines) > 4 * 2**20


def test_many_large_entries_at_once_are_written_in_pages_that_fit(
    module_url: str, module_admin: Connection[Any], clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "BATCH_BYTES_MAX", 2_000)

    with standstill(module_url):
        first = clerk.later()
        until(lambda: blocked(module_admin) == 1)
        rest = [clerk.later() for _ in range(12)]
        until(lambda: clerk.waiting() == 12)

    assert [future.result().outcome for future in (first, *rest)] == ["accepted"] * 13
    pages = module_admin.execute(
        "SELECT max(n) FROM (SELECT count(*) AS n FROM ledger.entries WHERE position = ANY(%s) GROUP BY recorded_at)",
        ([future.result().first for future in rest],),
    ).fetchone()
    assert pages is not None
    assert 2 <= pages[0] <= 6


def test_more_than_one_command_may_enter_is_refused(
    module_ledger: Ledger, clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "COMMIT_BYTES_MAX", 100)

    with pytest.raises(TooLarge, match=r"^One command may enter 100 bytes, not \d+; split it\.$"):
        clerk.write()
    with refused_with("INVALID_INPUT", module_ledger):
        module_ledger.execute("register_customer", {}, acting())


def test_when_too_many_wait_the_next_is_told_to_come_back(
    module_url: str, module_admin: Connection[Any], clerk: Clerk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(writing, "QUEUE_MAX", 5)
    before = head(module_admin)

    with standstill(module_url):
        entries = [clerk.later()]
        until(lambda: blocked(module_admin) == 1)
        entries += [clerk.later() for _ in range(5)]
        until(lambda: clerk.waiting() == 5)
        with pytest.raises(WriterBusy, match="try again in a moment"):
            clerk.write()

    assert [future.result().outcome for future in entries] == ["accepted"] * 6
    assert head(module_admin) == before + 6


def test_closing_writes_what_waits_and_takes_nothing_more(
    module_url: str, module_admin: Connection[Any], callers: ThreadPoolExecutor
) -> None:
    writer = Writer(module_url)
    clerk = Clerk(writer, callers)

    with standstill(module_url):
        entries = [clerk.later()]
        until(lambda: blocked(module_admin) == 1)
        entries += [clerk.later() for _ in range(8)]
        until(lambda: clerk.waiting() == 8)
        closing = callers.submit(writer.close)
        until(lambda: writer._closing)
        with pytest.raises(WriterBusy):
            clerk.write()

    closing.result()
    assert [future.result().outcome for future in entries] == ["accepted"] * 9
    assert not writer._thread.is_alive()
    assert writer._connection.closed
    writer.close()
