"""Who looked is entered beside what was written: once for the hour, after the fact, and never lost on a clean stop."""

import threading
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace
from psycopg import Connection, OperationalError
from psycopg.errors import InsufficientPrivilege

from domain.command import Actor
from domain.customer import Customer
from domain.look import Look, LookPurpose
from domain.vocabulary import ActorKind, Role
from ledger import looks
from ledger.application import Ledger
from ledger.looks import Looks
from ledger.vault import VaultError, subject_of_sealed
from tests.conftest import acting

SUE = Actor(kind=ActorKind.EMPLOYEE, id="sue", role=Role.SUPERVISOR)
BOB = Actor(kind=ActorKind.EMPLOYEE, id="bob", role=Role.AGENT)
NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ANSWER, REPLAY, EXPORT = LookPurpose.ANSWER, LookPurpose.REPLAY, LookPurpose.EXPORT

Told = tuple[str, UUID, LookPurpose, list[str], str | None]


class Book:
    """What was entered, and whether anything can be."""

    def __init__(self) -> None:
        self.entered: list[list[Look]] = []
        self.fails = False

    def enter(self, begun: Sequence[Look]) -> None:
        if self.fails:
            raise OperationalError("the database went away")
        self.entered.append(list(begun))

    def told(self) -> list[Told]:
        """Everything that was entered: who, of whom, what for, which fields, what was taken."""
        events = [event for page in self.entered for look in page for event in look.pending_events]
        return [(e.actor_id, e.customer_id, e.purpose, e.fields, e.taken) for e in events]


@pytest.fixture
def book() -> Book:
    return Book()


@pytest.fixture
def noted(book: Book) -> Iterator[Looks]:
    """Looks that are entered only when told to."""
    yield Looks(book.enter, lambda: NOON, every_s=None)


@pytest.fixture
def sealed(ledger: Ledger) -> dict[str, str]:
    """The sealed names of two customers."""
    found = {}
    for name in ("Ann", "Ben"):
        customer = Customer.register(acting(), UUID(int=ord(name[0])), Customer.Registered(name=name))
        (event,) = customer.collect_events()
        found[name] = ledger.vault.sealed(event)["name"]
    return found


ANN, BEN = UUID(int=ord("A")), UUID(int=ord("B"))


def test_nothing_that_was_opened_is_nothing_entered(noted: Looks, book: Book) -> None:
    noted.note(SUE, ANSWER, [])
    noted.enter()

    assert book.entered == []


def test_what_was_opened_of_one_person_is_one_look(noted: Looks, book: Book, sealed: dict[str, str]) -> None:
    noted.note(SUE, ANSWER, [("name", sealed["Ann"]), ("value", sealed["Ann"]), ("name", sealed["Ben"])])
    noted.enter()

    assert book.told() == [
        ("sue", ANN, ANSWER, ["name", "value"], None),
        ("sue", BEN, ANSWER, ["name"], None),
    ]
    assert [e.occurred_at for page in book.entered for look in page for e in look.pending_events] == [NOON, NOON]


def test_who_reads_again_within_the_hour_has_looked_once(noted: Looks, book: Book, sealed: dict[str, str]) -> None:
    for _ in range(3):
        noted.note(SUE, ANSWER, [("name", sealed["Ann"])])
        noted.enter()
    noted.note(BOB, ANSWER, [("name", sealed["Ann"])])
    noted.note(SUE, ANSWER, [("name", sealed["Ann"]), ("value", sealed["Ann"])])
    noted.enter()

    assert book.told() == [
        ("sue", ANN, ANSWER, ["name"], None),
        ("bob", ANN, ANSWER, ["name"], None),
        ("sue", ANN, ANSWER, ["value"], None),
    ]


def test_after_the_hour_it_is_a_look_again(
    noted: Looks, book: Book, sealed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "SAME_FOR_S", 0.0)

    for _ in range(2):
        noted.note(SUE, ANSWER, [("name", sealed["Ann"])])
        noted.enter()

    assert book.told() == [("sue", ANN, ANSWER, ["name"], None)] * 2


def test_evidence_that_was_taken_is_told_whether_or_not_anything_was_opened(noted: Looks, book: Book) -> None:
    noted.note(SUE, REPLAY, (), subjects=[ANN, ANN], taken="case 7")
    noted.note(SUE, LookPurpose.EXPLANATION, (), subjects=[ANN], taken="tier_status 7")
    noted.enter()

    assert book.told() == [("sue", ANN, REPLAY, [], "case 7")]


def test_what_cannot_be_entered_waits_and_is_entered_once(noted: Looks, book: Book, sealed: dict[str, str]) -> None:
    noted.note(SUE, ANSWER, [("name", sealed["Ann"])])
    book.fails = True
    for _ in range(2):
        with pytest.raises(OperationalError):
            noted.enter()
    noted.note(BOB, ANSWER, [("name", sealed["Ben"])])
    book.fails = False

    noted.close()

    assert book.told() == [("sue", ANN, ANSWER, ["name"], None), ("bob", BEN, ANSWER, ["name"], None)]


def test_when_too_much_waits_whoever_looks_next_enters_it(
    noted: Looks, book: Book, sealed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "WAITING_MAX", 2)

    for who in (SUE, BOB):
        assert not noted.is_full
        noted.note(who, ANSWER, [("name", sealed["Ann"])])
    assert book.entered == []
    noted.note(SUE, ANSWER, [("name", sealed["Ben"])])

    assert [who for who, *_ in book.told()] == ["sue", "bob"]
    noted.close()
    assert [who for who, *_ in book.told()] == ["sue", "bob", "sue"]


def test_while_nothing_can_be_entered_no_more_than_so_much_is_seen_and_held(
    noted: Looks, book: Book, sealed: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "WAITING_MAX", 2)
    book.fails = True
    for who in (SUE, BOB):
        noted.note(who, ANSWER, [("name", sealed["Ann"])])

    for _ in range(3):
        with pytest.raises(OperationalError):
            noted.note(SUE, ANSWER, [("value", sealed["Ann"])])
    book.fails = False
    noted.note(SUE, ANSWER, [("note", sealed["Ann"])])
    noted.close()

    assert [(who, fields) for who, _, _, fields, _ in book.told()] == [
        ("sue", ["name"]), ("bob", ["name"]), ("sue", ["note"]),
    ]  # fmt: skip


def test_what_waits_holds_nothing_that_was_sealed(noted: Looks, sealed: dict[str, str]) -> None:
    """A page may have megabytes of it."""
    noted.note(SUE, ANSWER, [("name", sealed["Ann"])] * 1_000)

    (waiting,) = noted._waiting
    assert [(field, len(told)) for field, told in waiting.fields] == [("name", 22)]


def test_who_sees_one_person_in_many_places_has_looked_once(noted: Looks, book: Book, ledger: Ledger) -> None:
    """A sealed value tells its stream, too, and a person's cases are many."""
    (event,) = Customer.register(acting(), ANN, Customer.Registered(name="Ann")).collect_events()
    for number in range(64):
        elsewhere = replace(event, stream_id=UUID(int=number << 120))
        noted.note(SUE, ANSWER, [("name", ledger.vault.sealed(elsewhere)["name"])])
    noted.enter()

    assert book.told() == [("sue", ANN, ANSWER, ["name"], None)]


def test_a_ledger_that_refuses_once_is_told_all_of_it_later(
    ledger: Ledger, admin: Connection[Any], sealed: dict[str, str]
) -> None:
    """What could not be entered is not lost with the attempt."""
    noted = Looks(ledger.enter_all, lambda: NOON, every_s=0.01)
    admin.execute("REVOKE EXECUTE ON FUNCTION ledger.append FROM daybook_api")
    noted.note(SUE, ANSWER, [("name", sealed["Ann"])])
    for _ in range(2):
        with pytest.raises(InsufficientPrivilege):
            noted.enter()
    admin.execute("GRANT EXECUTE ON FUNCTION ledger.append TO daybook_api")
    noted.note(BOB, ANSWER, [("name", sealed["Ann"])])
    noted.close()

    entries = [ledger.entry(position) for position in (1, 2)]
    assert [(entry.type_name, entry.actor_id, entry.customer_id) for entry in entries] == [
        ("Look.Recorded", "sue", ANN), ("Look.Recorded", "bob", ANN),
    ]  # fmt: skip
    assert ledger.recorder.max_notification_id() == 2


def test_they_are_entered_every_moment_and_what_waits_when_it_stops(book: Book, sealed: dict[str, str]) -> None:
    entered = threading.Event()

    def enter(begun: Sequence[Look]) -> None:
        book.enter(begun)
        entered.set()

    going = Looks(enter, lambda: NOON, every_s=0.01)
    going.note(SUE, ANSWER, [("name", sealed["Ann"])])
    assert entered.wait(10)
    slow = Looks(book.enter, lambda: NOON, every_s=3_600)
    slow.note(BOB, ANSWER, [("name", sealed["Ann"])])
    going.close()
    slow.close()
    slow.close()

    assert [who for who, *_ in book.told()] == ["sue", "bob"]


def test_many_are_entered_together_each_as_a_command_of_its_own(ledger: Ledger) -> None:
    noted = Looks(ledger.enter_all, lambda: NOON, every_s=None)
    for number in range(1, 301):
        noted.note(SUE, EXPORT, (), subjects=[UUID(int=number)], taken="all that is held")

    noted.enter()

    entries = [ledger.entry(position) for position in range(1, 301)]
    assert {entry.type_name for entry in entries} == {"Look.Recorded"}
    assert {entry.customer_id for entry in entries} == {UUID(int=number) for number in range(1, 301)}
    assert len({entry.command_id for entry in entries}) == 300
    assert {entry.occurred_at for entry in entries} == {NOON}
    assert all(entry.recorded_at > NOON - timedelta(days=1) for entry in entries)


def test_entering_the_same_again_changes_nothing(ledger: Ledger) -> None:
    look = Look.record(acting(), UUID(int=5), Look.Recorded(purpose=EXPORT, subject_id=ANN))
    again = Look.record(acting(), UUID(int=6), Look.Recorded(purpose=EXPORT, subject_id=BEN))
    events = list(look.pending_events)

    ledger.enter_all([look])
    look.pending_events.extend(events)
    ledger.enter_all([look, again])

    assert [ledger.entry(position).customer_id for position in (1, 2)] == [ANN, BEN]
    assert ledger.recorder.max_notification_id() == 2


def test_the_subject_of_a_sealed_value_is_told_without_its_key(sealed: dict[str, str]) -> None:
    assert subject_of_sealed(sealed["Ann"]) == ANN

    with pytest.raises(VaultError, match="not a sealed value"):
        subject_of_sealed("Ann")
