"""A command is entered only while everything it was decided on still stands, whoever else is writing."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.case import Case
from domain.customer import Customer
from domain.remedy import Remedy
from domain.vocabulary import CaseState, Role
from ledger import basis as deciding
from ledger.application import RACES_MAX, Ledger
from ledger.basis import Basis, Histories
from ledger.vault import Vault
from ledger.writer import Answer, Writer
from tests.conftest import MASTER_KEY, acting
from tests.domain.specification import history
from tests.ledger.refusals import outcome_of, refused_with

SUPERVISOR, ADMIN = Role.SUPERVISOR, Role.ADMIN


@pytest.fixture
def here(module_ledger: Ledger) -> Ledger:
    """The ledger of one server."""
    return module_ledger


@pytest.fixture
def there(module_url: str, module_pool: ConnectionPool[Connection[Any]]) -> Iterator[Ledger]:
    """The ledger of another server, that knows nothing of what the first one keeps in mind."""
    opened = Ledger(module_pool, Writer(module_url), Vault(module_pool, MASTER_KEY, "test-1"))
    yield opened
    opened.close()


@pytest.fixture
def case(here: Ledger) -> UUID:
    """A case that ``here`` keeps in mind."""
    customer = here.execute("register_customer", {}, acting()).stream_id
    return here.execute(
        "open_case", {"customer_id": customer, "kind": "complaint", "channel": "phone"}, acting()
    ).stream_id


def acknowledge(ledger: Ledger, case: UUID) -> Any:
    """Acknowledge the case."""
    return ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())


def allow(ledger: Ledger, amount_minor: int) -> None:
    """Let agents settle up to an amount."""
    given = {
        "effective_from": "2024-01-01T00:00:00Z",
        "currency": "EUR",
        "limits": [{"role": "agent", "amount_minor": amount_minor}],
    }
    ledger.execute("publish_remedy_authority", given, acting(ADMIN))


def offer(ledger: Ledger, case: UUID, amount_minor: int) -> Any:
    """Offer a refund."""
    given = {"case_id": case, "kind": "refund", "amount_minor": amount_minor, "currency": "EUR"}
    return ledger.execute("offer_remedy", given, acting())


def test_a_command_goes_on_from_what_another_server_entered(here: Ledger, there: Ledger, case: UUID) -> None:
    acknowledge(there, case)

    done = here.execute("assign_case", {"id": case, "handler": "bob"}, acting())

    assert done.version == 3
    found = here.load(Case, case)
    assert isinstance(found, Case)
    assert found.state is CaseState.IN_PROGRESS


def test_what_memory_would_refuse_is_looked_up_first(here: Ledger, there: Ledger, case: UUID) -> None:
    acknowledge(there, case)

    assert here.execute("resolve_case", {"id": case, "resolution": "done"}, acting()).version == 3


def test_what_memory_would_allow_is_refused_by_what_stands(here: Ledger, there: Ledger, case: UUID) -> None:
    there.execute("close_case", {"id": case, "basis": "withdrawn"}, acting())

    with refused_with("CASE_SETTLED", here, state="closed"):
        acknowledge(here, case)


def test_the_expected_version_is_judged_by_what_stands(here: Ledger, there: Ledger, case: UUID) -> None:
    acknowledge(there, case)

    with refused_with("VERSION_CONFLICT", here, field="expectedVersion", current=2, expected=1):
        here.execute("assign_case", {"id": case, "handler": "bob"}, acting(), expected_version=1)
    assert here.execute("assign_case", {"id": case, "handler": "bob"}, acting(), expected_version=2).version == 3


def test_an_offer_is_judged_by_the_authority_that_stands(here: Ledger, there: Ledger, case: UUID) -> None:
    allow(here, 100_00)
    offer(here, case, 100_00)

    allow(there, 10_00)

    with refused_with("REMEDY_ABOVE_AUTHORITY", here, field="amountMinor", limit=10_00):
        offer(here, case, 100_00)
    allow(there, 200_00)
    entry = here.entry(offer(here, case, 200_00).position)
    assert isinstance(entry, Remedy.Offered)
    assert entry.limit_version == 3


def test_an_authority_published_while_an_offer_is_written_is_not_overlooked(
    here: Ledger, there: Ledger, case: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The offer was decided on the old authority and is on its way; the new one is entered before it arrives."""
    allow(here, 100_00)
    offer(here, case, 100_00)
    write, overtaken = here._writer.enter, []

    def overtake(*args: Any) -> Answer:
        if not overtaken:
            overtaken.append(True)
            allow(there, 10_00)
        return write(*args)

    monkeypatch.setattr(here._writer, "enter", overtake)

    assert outcome_of(lambda: offer(here, case, 100_00)) == "REMEDY_ABOVE_AUTHORITY"


def test_a_correction_elsewhere_counts_here(here: Ledger, there: Ledger, case: UUID) -> None:
    closed = here.execute("close_case", {"id": case, "basis": "withdrawn"}, acting())

    there.execute("void_entry", {"position": closed.position, "reason": "x"}, acting(SUPERVISOR))

    assert acknowledge(here, case).version == 4


def test_what_is_kept_in_mind_is_not_read_again(here: Ledger, case: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    acknowledge(here, case)
    read: list[UUID] = []
    select = here.recorder.select_events

    def noted(**asked: Any) -> Any:
        read.append(asked["originator_id"])
        return select(**asked)

    monkeypatch.setattr(here.recorder, "select_events", noted)

    here.execute("assign_case", {"id": case, "handler": "bob"}, acting())
    here.execute("confirm_case_facts", {"id": case, "restatement": "The cup broke."}, acting())
    assert read == []

    here._histories.forget([case])
    here.execute("assign_case", {"id": case, "handler": "eve"}, acting())
    assert read == [case]


def test_servers_that_fight_for_one_case_all_get_their_turn(here: Ledger, there: Ledger, case: UUID) -> None:
    def assign(n: int) -> int:
        return (here, there)[n % 2].execute("assign_case", {"id": case, "handler": str(n)}, acting()).version

    with ThreadPoolExecutor(8) as callers:
        versions = list(callers.map(assign, range(40)))

    assert sorted(versions) == list(range(2, 42))


def test_who_lost_every_race_is_let_in_alone(
    here: Ledger, there: Ledger, case: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other server gets in before each of the first tries, and waits for the last one."""
    write, others, last = here._writer.enter, [], here.load(Case, case).version

    def overtake(*args: Any) -> Answer:
        others.append(there.execute("assign_case", {"id": case, "handler": "eve"}, acting()).version)
        return write(*args)

    monkeypatch.setattr(here._writer, "enter", overtake)
    done = here.execute("assign_case", {"id": case, "handler": "bob"}, acting())

    assert others == [last + n for n in range(1, RACES_MAX + 1)]
    assert done.version == last + RACES_MAX + 1
    assert there.execute("assign_case", {"id": case, "handler": "eve"}, acting()).version == done.version + 1


def test_nothing_is_entered_while_one_is_let_in_alone(here: Ledger, there: Ledger, case: UUID) -> None:
    with ThreadPoolExecutor(1) as caller:
        with here._alone():
            other = caller.submit(there.execute, "assign_case", {"id": case, "handler": "eve"}, acting())
            with pytest.raises(TimeoutError):
                other.result(timeout=0.2)
        assert other.result(timeout=10).version == 2


def test_what_is_refused_alone_leaves_nothing_behind(here: Ledger, case: UUID, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(here._writer, "enter", lambda *_: Answer("version_conflict", None, None))
    acknowledge(here, case)

    with refused_with("CASE_ALREADY_ACKNOWLEDGED", here):
        acknowledge(here, case)
    assert here.load(Case, case).version == 2


class Shelf:
    """Histories that can be read, and how often each was."""

    def __init__(self) -> None:
        self.reads: list[UUID] = []
        self.histories = Histories(self.read)
        self.lengths: dict[UUID, int] = {}
        self.meanwhile: Callable[[], None] = lambda: None

    def read(self, stream_id: UUID) -> Any:
        """A history of the length it has."""
        self.reads.append(stream_id)
        self.meanwhile()
        return history(*[Customer.Registered()] * self.lengths.get(stream_id, 1), stream_id=stream_id)


def test_only_so_many_histories_are_kept_and_the_newest_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "STREAMS_KEPT_MAX", 3)
    shelf, streams = Shelf(), [uuid4() for _ in range(4)]

    for stream in (*streams[:3], streams[0], streams[3]):
        shelf.histories.read(stream)

    assert [shelf.histories.kept(stream) is not None for stream in streams] == [True, False, True, True]


def test_a_long_history_is_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deciding, "ENTRIES_KEPT_MAX", 2)
    shelf, stream = Shelf(), uuid4()

    for length, kept in ((2, True), (3, False)):
        shelf.lengths[stream] = length
        assert len(shelf.histories.read(stream)) == length
        assert (shelf.histories.kept(stream) is not None) is kept


def test_a_basis_knows_the_versions_it_read_and_whether_they_may_be_out_of_date() -> None:
    shelf, one, two = Shelf(), uuid4(), uuid4()
    shelf.lengths = {one: 3, two: 0}

    first = Basis(shelf.histories, afresh=False)
    first.history(one)
    first.history(two)
    second = Basis(shelf.histories, afresh=False)
    second.history(one)
    third = Basis(shelf.histories, afresh=True)
    third.history(one)

    assert (first.versions, first.from_memory) == ({one: 3, two: 0}, False)
    assert (second.versions, second.from_memory) == ({one: 3}, True)
    assert (third.versions, third.from_memory) == ({one: 3}, False)
    assert shelf.reads == [one, two, one]


def test_a_history_with_a_hole_is_not_kept() -> None:
    """Another thread may have forgotten the beginning of what is being continued."""
    shelf, stream = Shelf(), uuid4()
    shelf.lengths[stream] = 2
    basis = Basis(shelf.histories, afresh=False)
    read = basis.history(stream)
    basis.forget()

    later = history(*[Customer.Registered()] * 3, stream_id=stream)[2:]
    basis.entered(stream, later)
    assert shelf.histories.kept(stream) is None

    shelf.histories.keep(stream, read, shelf.histories.cleared)
    basis.entered(stream, later)
    assert shelf.histories.kept(stream) == (*read, *later)


def test_what_was_read_before_a_person_was_erased_is_not_kept_after_it() -> None:
    """It may hold what they said in clear, and nothing would let it go again."""
    shelf, stream, fresh = Shelf(), uuid4(), uuid4()
    shelf.lengths[stream] = 2
    basis = Basis(shelf.histories, afresh=False)
    shelf.meanwhile = shelf.histories.clear

    basis.history(stream)
    assert shelf.histories.kept(stream) is None
    basis.entered(fresh, history(Customer.Registered(), stream_id=fresh))
    assert shelf.histories.kept(fresh) is None

    shelf.meanwhile = lambda: None
    shelf.histories.read(stream)
    assert shelf.histories.kept(stream) is not None
