"""After an erasure: nothing personal is recorded any more, and whoever had the key in memory forgets it."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import Any

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.vocabulary import ContactKind
from ledger import bulk, database, vault
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.vault import Vault, VaultError
from ledger.writer import Writer
from tests.conftest import MASTER_KEY, acting
from tests.ledger.erasing import LONG_AGO, alive, complain, erase, everything, register, sealed_names, stranger
from tests.ledger.refusals import outcome_of, refused_with

Pool = ConnectionPool[Connection[Any]]


@pytest.fixture(name="vault")
def with_a_list(pool: Pool, listed: DestroyedKeys) -> Vault:
    """The vault of the ledger, with a list of destroyed keys."""
    return Vault(pool, MASTER_KEY, "test-1", destroyed=listed)


def test_nothing_personal_is_recorded_in_their_name_any_more(ledger: Ledger, admin: Connection[Any]) -> None:
    ada = register(ledger)
    case = complain(ledger, ada)
    ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())
    erase(ledger, ada)
    before = everything(admin)

    for name, given in (
        ("confirm_case_facts", {"id": case, "restatement": "Too late."}),
        ("open_case", {"customer_id": ada, "kind": "complaint", "channel": "phone", "description": "again"}),
        ("add_contact_point", {"id": ada, "contact": "home", "kind": ContactKind.EMAIL, "value": "a@b.c"}),
        ("record_touchpoint", {"customer_id": ada, "channel": "phone", "direction": "inbound", "purpose": "x",
                               "summary": "She called."}),
    ):  # fmt: skip
        with refused_with("PERSON_ERASED", ledger):
            ledger.execute(name, given, acting())
    assert everything(admin) == before

    ledger.execute("open_case", {"customer_id": ada, "kind": "complaint", "channel": "phone"}, acting())


def test_a_person_without_a_key_never_gets_one(ledger: Ledger, admin: Connection[Any]) -> None:
    ada = register(ledger, None)

    erase(ledger, ada)

    with refused_with("PERSON_ERASED", ledger):
        ledger.execute("change_customer_profile", {"id": ada, "name": "Ada"}, acting())
    assert alive(admin) == set()


def test_whoever_has_the_key_in_memory_forgets_it_within_seconds(
    ledger: Ledger, pool: Pool, admin: Connection[Any]
) -> None:
    ada = register(ledger)
    other = stranger(pool)
    names = sealed_names(admin)
    assert other.open_many(names) == other.open_held(names) == ["王小明"]

    erase(ledger, ada)

    assert ledger.vault.open_many(names) == [None], "whoever erased knows it at once"
    deadline = time.monotonic() + vault.FORGET_S_MAX + 1
    while other.open_many(names) != [None]:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert other.open_held(names) is None
    with pytest.raises(VaultError):
        other.provide([ada])


def test_it_is_forgotten_at_once_where_that_is_asked(ledger: Ledger, pool: Pool, admin: Connection[Any]) -> None:
    ada, bob = register(ledger), register(ledger, "Bob")
    other, called = stranger(pool), list[int]()
    names = sealed_names(admin)
    other.open_many(names)
    other.on_forgotten.append(lambda: called.append(1))
    erase(ledger, ada)

    other.refresh(at_once=True)

    assert other._keys.keys() == {bob}
    assert called == [1]
    other.refresh(at_once=True)
    assert called == [1]


def test_whoever_reads_of_it_forgets_the_key_without_being_told(url: str, ledger: Ledger, pool: Pool) -> None:
    ada = register(ledger)
    other = Ledger(pool, Writer(url), stranger(pool))
    other.vault.provide([ada])
    other.vault._looked += 3_600
    erase(ledger, ada)
    given = {"customer_id": ada, "kind": "complaint", "channel": "phone", "description": "again"}

    with refused_with("PERSON_ERASED", ledger):
        other.execute("open_case", given, acting())

    assert other.vault._keys == {}
    other.close()


def test_a_key_read_just_before_it_was_destroyed_is_not_kept(
    ledger: Ledger, pool: Pool, admin: Connection[Any]
) -> None:
    ada = register(ledger)
    other = stranger(pool)
    other.refresh()
    (row,) = admin.execute("SELECT subject_id, wrapped FROM vault.keys WHERE subject_id = %s", (ada,)).fetchall()
    erase(ledger, ada)
    other.refresh(at_once=True)

    assert other._keep([row]) == {}
    assert other._keys == {}


def test_histories_kept_in_clear_are_forgotten_with_the_key(ledger: Ledger, admin: Connection[Any]) -> None:
    ada = register(ledger)
    ledger.execute("change_customer_profile", {"id": ada, "country": "CN"}, acting())
    assert ledger._histories.kept(ada)

    erase(ledger, ada)

    assert ledger._histories.kept(ada) is None


def test_an_import_enters_nothing_personal_of_them(ledger: Ledger, admin: Connection[Any], url: str) -> None:
    ada = register(ledger)
    erase(ledger, ada)
    fact = Customer.ContactPointAdded(
        contact="home", kind=ContactKind.EMAIL, value="a@b.c", stream_id=ada, customer_id=ada, occurred_at=LONG_AGO
    )

    with (
        database.connect(url, Duty.IMPORTER) as importer,
        database.pool(url, Duty.IMPORTER, size=2) as keys,
        pytest.raises(VaultError, match="was erased"),
    ):
        bulk.enter(importer, Vault(keys, MASTER_KEY, "test-1"), [fact])


def test_whoever_wins_nothing_personal_stands_after_the_erasure_in_the_persons_own_history(
    ledger: Ledger, admin: Connection[Any]
) -> None:
    """Commands of the same moment are decided on a history in which the person was not erased yet."""
    ada = register(ledger)
    stop, done = threading.Event(), list[str]()

    def add(worker: int) -> None:
        for n in count():
            if stop.is_set():
                return
            given = {"id": ada, "contact": f"{worker} {n}", "kind": ContactKind.EMAIL, "value": "a@b.c"}
            done.append(outcome_of(lambda given=given: ledger.execute("add_contact_point", given, acting())))  # type: ignore[misc]

    with ThreadPoolExecutor(4) as workers:
        running = [workers.submit(add, worker) for worker in range(4)]
        while done.count("done") < 8:
            time.sleep(0.01)
        position = erase(ledger, ada).position
        deadline = time.monotonic() + 10
        while done.count("PERSON_ERASED") < 8 and time.monotonic() < deadline:
            time.sleep(0.01)
        stop.set()
        for each in running:
            each.result()

    assert set(done) == {"done", "PERSON_ERASED"}
    after = admin.execute("SELECT type FROM ledger.entries WHERE position > %s", (position,)).fetchall()
    assert after == []
