"""The append function: each command of a page is judged on its own, and what is accepted is dense and in order."""

import json
from collections.abc import Iterator
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from psycopg import Connection, errors

from domain.customer import Customer
from ledger import canonical, database
from ledger.database import Duty
from tests.domain.specification import NOON


class Asked(NamedTuple):
    """A command to be entered."""

    command_id: UUID
    stream_id: UUID
    versions: tuple[int, ...]
    fingerprint: bytes = b"f" * 32
    basis: tuple[tuple[UUID, int], ...] = ()


def command(*versions: int, stream_id: UUID | None = None, **more: Any) -> Asked:
    """A new command for these versions of a stream, a new one unless it is named."""
    return Asked(uuid4(), stream_id or uuid4(), versions or (1,), **more)


class Book:
    """The ledger from where it stands now: positions count from there."""

    def __init__(self, connection: Connection[Any]) -> None:
        self.connection = connection
        self.start: int = connection.execute("SELECT position FROM ledger.head").fetchone()[0]  # type: ignore[index]

    def append(self, *page: Asked) -> list[tuple[Any, ...]]:
        """Append a page; outcome, first and last position of each command."""
        bodies = [
            canonical.body(
                Customer.Registered(
                    stream_id=asked.stream_id, stream_version=version, occurred_at=NOON, command_id=asked.command_id
                ),
                {},
            ).decode()
            for asked in page
            for version in asked.versions
        ]
        basis = [
            {"command_id": str(asked.command_id), "stream_id": str(stream), "stream_version": version}
            for asked in page
            for stream, version in asked.basis
        ]
        rows = self.connection.execute(
            "SELECT outcome, first_position - %(start)s, last_position - %(start)s"
            " FROM ledger.append(%(entries)s::json, %(fingerprints)b, %(basis)s::json)",
            {
                "start": self.start,
                "entries": f"[{','.join(bodies)}]",
                "fingerprints": b"".join(asked.fingerprint * len(asked.versions) for asked in page),
                "basis": json.dumps(basis),
            },
        )
        return rows.fetchall()

    def entered(self) -> list[tuple[int, UUID, int]]:
        """Position, stream and version of every entry."""
        return self.connection.execute(
            "SELECT position - %(start)s, stream_id, stream_version FROM ledger.entries"
            " WHERE position > %(start)s ORDER BY position",
            {"start": self.start},
        ).fetchall()


@pytest.fixture
def book(module_url: str) -> Iterator[Book]:
    """The ledger under the API's duty."""
    with database.connect(module_url, Duty.API) as connection:
        yield Book(connection)


def test_commands_get_the_next_positions_in_the_order_they_were_asked(book: Book) -> None:
    one, two, three = command(1), command(1, 2, 3), command(1)

    assert book.append(one, two, three) == [("accepted", 1, 1), ("accepted", 2, 4), ("accepted", 5, 5)]

    streams = [one.stream_id, two.stream_id, two.stream_id, two.stream_id, three.stream_id]
    assert book.entered() == list(zip(range(1, 6), streams, (1, 1, 2, 3, 1), strict=True))


def test_a_bad_command_leaves_no_gap_between_its_neighbours(book: Book) -> None:
    book.append(known := command(1))

    answers = book.append(command(1), command(1, stream_id=known.stream_id), command(1))

    assert answers == [("accepted", 2, 2), ("version_conflict", None, None), ("accepted", 3, 3)]


@pytest.mark.parametrize("versions", [(1,), (3,), (2, 4), (3, 2), (2, 2), (1, 2)])
def test_a_command_continues_its_stream_without_a_gap_or_enters_nothing(book: Book, versions: tuple[int, ...]) -> None:
    book.append(known := command(1))

    assert book.append(command(*versions, stream_id=known.stream_id)) == [("version_conflict", None, None)]
    assert len(book.entered()) == 1


@pytest.mark.parametrize("versions", [(2,), (0,), (-1,)])
def test_a_stream_begins_with_version_one(book: Book, versions: tuple[int, ...]) -> None:
    assert book.append(command(*versions)) == [("version_conflict", None, None)]


def test_one_command_may_continue_several_streams_or_none(book: Book) -> None:
    book.append(known := command(1))
    fresh, both = command(1), uuid4()

    def page(version: int) -> list[tuple[Any, ...]]:
        return book.append(
            fresh._replace(command_id=both),
            known._replace(command_id=both, versions=(version,)),
        )

    assert page(1) == [("version_conflict", None, None)]
    assert page(2) == [("accepted", 2, 3)]


def test_two_commands_for_one_stream_in_a_call_are_not_both_accepted(book: Book) -> None:
    stream = uuid4()

    answers = book.append(command(1, stream_id=stream), command(1, stream_id=stream), command(2, stream_id=stream))

    assert answers == [("accepted", 1, 1), ("version_conflict", None, None), ("version_conflict", None, None)]


def test_a_refused_command_is_not_continued_by_its_neighbour(book: Book) -> None:
    book.append(known := command(1, 2, 3))

    answers = book.append(command(2, stream_id=known.stream_id), command(5, stream_id=known.stream_id))

    assert answers == [("version_conflict", None, None)] * 2
    assert len(book.entered()) == 3


def test_a_command_done_before_gets_the_first_answer(book: Book) -> None:
    book.append(command(1), done := command(1, 2))

    answers = book.append(command(1), done, done._replace(versions=(7,), stream_id=uuid4()))[:2]

    assert answers == [("accepted", 4, 4), ("done", 2, 3)]
    assert len(book.entered()) == 4


def test_a_key_used_for_another_command_conflicts(book: Book) -> None:
    book.append(done := command(1))

    answers = book.append(done._replace(versions=(2,), fingerprint=b"g" * 32), command(1))

    assert answers == [("key_conflict", 1, 1), ("accepted", 2, 2)]


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_fingerprint_has_32_bytes(book: Book, length: int) -> None:
    with pytest.raises(errors.CheckViolation):
        book.append(command(1, fingerprint=b"f" * length))

    assert book.entered() == []


def test_a_command_whose_basis_was_overtaken_enters_nothing(book: Book) -> None:
    book.append(read := command(1, 2))
    nowhere = uuid4()

    def decided_on(stream: UUID, version: int) -> tuple[Any, ...]:
        return book.append(command(1, basis=((nowhere, 0), (stream, version))))[0]

    assert decided_on(read.stream_id, 1) == ("version_conflict", None, None)
    assert decided_on(read.stream_id, 2) == ("accepted", 3, 3)
    assert decided_on(read.stream_id, 3) == ("version_conflict", None, None)
    assert decided_on(read.stream_id, 0) == ("version_conflict", None, None)


def test_an_overtaken_basis_does_no_harm_to_the_neighbours(book: Book) -> None:
    book.append(read := command(1))

    answers = book.append(command(1), command(1, basis=((read.stream_id, 9),)), command(1))

    assert answers == [("accepted", 2, 2), ("version_conflict", None, None), ("accepted", 3, 3)]


def test_an_empty_page_changes_nothing(book: Book) -> None:
    assert book.append() == []
    assert book.entered() == []


@pytest.mark.parametrize(
    "entries",
    ['{"a": 1}', "[1]", '[{"stream_id": "x"}]', "[{}]", '[{"stream_id": null}]', "not json"],
)
def test_what_is_no_page_of_entries_enters_nothing(book: Book, entries: str) -> None:
    with pytest.raises(errors.Error):
        book.connection.execute("SELECT * FROM ledger.append(%s::json, %b, '[]')", (entries, b"f" * 32))

    assert book.entered() == []


def test_the_plan_stays_on_the_indexes_when_the_ledger_has_grown(module_url: str, book: Book) -> None:
    """A page of the very plan that was made for an empty ledger is not read through a grown one."""
    book.append(command(1))
    with database.connect(module_url, Duty.IMPORTER) as importer, database.connect(module_url) as admin:
        importer.execute(
            "INSERT INTO ledger.entries SELECT h.position + n, gen_random_uuid(), 1, type, schema, NULL, NULL,"
            " occurred_at, h.recorded_at, 'import', 'x', NULL, gen_random_uuid(), NULL, NULL, NULL, NULL, '{}', leaf"
            " FROM ledger.entries, ledger.head h, generate_series(1, 20000) n WHERE entries.position = h.position"
        )
        book.append(*(command(1) for _ in range(30)))
        admin.execute("ANALYZE ledger.entries")
        book.connection.execute("SELECT pg_stat_force_next_flush()")
        before = scans(admin)

        book.append(*(command(1) for _ in range(30)))

        book.connection.execute("SELECT pg_stat_force_next_flush()")
        assert scans(admin) == before


def scans(admin: Connection[Any]) -> dict[str, int]:
    """How often each table of the ledger was read from end to end, save for the head with its one row."""
    return dict(
        admin.execute(
            "SELECT relname, seq_scan FROM pg_stat_user_tables WHERE schemaname = 'ledger' AND relname <> 'head'"
        ).fetchall()
    )
