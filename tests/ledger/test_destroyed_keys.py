"""The list of destroyed keys: never behind the database wherever a process ends, and enforced on what is restored."""

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.rule import Refused
from ledger import database, forgetting, vault
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import Destroyed, DestroyedKeys
from ledger.vault import Vault
from ledger.writer import Writer
from tests.backups import dump, restore
from tests.conftest import MASTER_KEY, acting
from tests.ledger.erasing import erase, register
from tests.real import ROOT

Pool = ConnectionPool[Connection[Any]]
LINES = st.builds(
    Destroyed,
    ledger=st.text("0123456789abcdef", min_size=64, max_size=64),
    customer=st.uuids(),
    keys=st.lists(st.uuids(), min_size=1, max_size=5),
    erased_at=st.just("2026-01-01T00:00:00+00:00"),
    position=st.integers(1, 2**53),
)


@pytest.fixture(name="vault")
def with_a_list(pool: Pool, listed: DestroyedKeys) -> Vault:
    """The vault of the ledger, with a list of destroyed keys."""
    return Vault(pool, MASTER_KEY, "test-1", destroyed=listed)


def enforce(url: str, listed: DestroyedKeys) -> list[UUID]:
    """What a process does at its start."""
    with database.pool(url, Duty.API, size=2) as pool:
        return forgetting.enforce(url, Vault(pool, MASTER_KEY, "test-1", destroyed=listed))


def names(url: str) -> list[str | None]:
    """All names in the order of their entries, opened by a process that has just started."""
    with database.connect(url) as connection, database.pool(url, Duty.API, size=2) as pool:
        rows = connection.execute(
            "SELECT data ->> 'name' FROM ledger.entries WHERE type = 'Customer.Registered' ORDER BY position"
        ).fetchall()
        return Vault(pool, MASTER_KEY, "test-1").open_many([("name", name) for (name,) in rows])


def erasures(url: str) -> list[tuple[UUID, int, str, str]]:
    """The erasures a ledger tells of: of whom, where, by whom and why."""
    with database.connect(url) as connection:
        return connection.execute(
            "SELECT customer_id, position, actor_kind, data ->> 'reason' FROM ledger.entries"
            " WHERE type = 'Customer.Erased' ORDER BY position"
        ).fetchall()


# The file.


@given(st.lists(LINES, max_size=5), st.lists(LINES, min_size=1, max_size=3), st.data())
def test_whatever_was_added_is_on_the_list_and_a_line_cut_short_is_none(
    tmp_path_factory: pytest.TempPathFactory, first: list[Destroyed], then: list[Destroyed], data: st.DataObject
) -> None:
    listed = DestroyedKeys(tmp_path_factory.mktemp("list") / "destroyed-keys")
    listed.add(first)
    whole = listed.path.read_bytes() if first else b""
    listed.add(then)
    written = listed.path.read_bytes()
    cut = data.draw(st.integers(len(whole), len(written) - 1))

    assert listed.lines() == [*first, *then]
    assert listed.keys() == {key for line in (*first, *then) for key in line.keys}

    listed.path.write_bytes(written[:cut])
    left = written[:cut].count(b"}")
    assert listed.lines() == [*first, *then][:left]
    listed.add(then)
    assert listed.lines() == [*[*first, *then][:left], *then]


def test_it_is_the_owners_alone_and_holds_ids_only(ledger: Ledger, listed: DestroyedKeys) -> None:
    erase(ledger, register(ledger))

    assert listed.path.stat().st_mode & 0o777 == 0o600
    assert "王小明" not in listed.path.read_text("utf-8")
    assert DestroyedKeys(listed.path.with_name("none")).lines() == []


# Wherever a process ends.

ERASING = """
import os, sys
from pathlib import Path
from uuid import UUID
from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.vault import Vault
from ledger.writer import Writer
from domain.vocabulary import Role
from tests.conftest import MASTER_KEY, acting

url, path, customer, when = sys.argv[1:]
listed = DestroyedKeys(Path(path))
adding = listed.add

def add(lines):
    if when == "before the list has it":
        os._exit(9)
    adding(lines)
    if when == "before the commit":
        os._exit(9)

listed.add = add
with database.pool(url, Duty.API, size=2) as pool:
    ledger = Ledger(pool, Writer(url), Vault(pool, MASTER_KEY, "test-1", destroyed=listed))
    ledger.execute("erase_customer", {"id": UUID(customer), "reason": "R-1"}, acting(Role.ADMIN, "root"))
    os._exit(9)
"""


@pytest.mark.parametrize("when", ["before the list has it", "before the commit", "after the commit"])
def test_killed_at_any_moment_nobody_comes_back(
    url: str, ledger: Ledger, listed: DestroyedKeys, tmp_path: Path, when: str
) -> None:
    ada = register(ledger)
    backup = tmp_path / "backup"
    with database.connect(url) as connection:
        connection.execute("CHECKPOINT")
    dump(url, backup)

    done = subprocess.run(
        [sys.executable, "-c", ERASING, url, str(listed.path), str(ada), when], cwd=ROOT, check=False, timeout=60
    )

    assert done.returncode == 9
    committed, known = bool(erasures(url)), bool(listed.keys())
    assert (committed, known) == {
        "before the list has it": (False, False),
        "before the commit": (False, True),
        "after the commit": (True, True),
    }[when], "the list is never behind the database"
    again = enforce(url, listed)
    assert again == ([ada] if when == "before the commit" else [])
    assert names(url) == (["王小明"] if when == "before the list has it" else [None])
    assert [(customer, actor) for customer, _, actor, _ in erasures(url)] == {
        "before the list has it": [],
        "before the commit": [(ada, "system")],
        "after the commit": [(ada, "employee")],
    }[when]
    assert enforce(url, listed) == [], "it is done once"


def test_where_the_list_cannot_be_written_nobody_is_erased(url: str, ledger: Ledger, listed: DestroyedKeys) -> None:
    ada = register(ledger)
    listed.path.parent.write_text("a file where the folder should be")

    with pytest.raises(OSError, match="kept"):
        erase(ledger, ada)

    assert (names(url), erasures(url)) == (["王小明"], [])
    listed.path.parent.unlink()
    assert erase(ledger, ada).position == 2


# What is restored.


@pytest.fixture
def restored(url: str, ledger: Ledger, listed: DestroyedKeys, empty_url: str, tmp_path: Path) -> tuple[str, UUID]:
    """A ledger restored from a backup made before a customer was erased, and that customer."""
    ada, _ = register(ledger), register(ledger, "Bob")
    backup = dump(url, tmp_path / "backup")
    erase(ledger, ada)
    restore(backup, empty_url)
    return empty_url, ada


def test_a_restored_backup_brings_nobody_back(restored: tuple[str, UUID], listed: DestroyedKeys) -> None:
    there, ada = restored
    assert names(there) == ["王小明", "Bob"], "without the list it would"

    assert enforce(there, listed) == [ada]

    assert names(there) == [None, "Bob"]
    ((customer, position, actor, reason),) = erasures(there)
    assert (customer, position, actor) == (ada, 3, "system")
    assert reason.startswith("The list of destroyed keys names it since 20")
    with database.pool(there, Duty.API, size=2) as pool:
        opened = Ledger(pool, Writer(there), Vault(pool, MASTER_KEY, "test-1", destroyed=listed))
        with pytest.raises(Refused) as refused:
            opened.execute("change_customer_profile", {"id": ada, "name": "Ada"}, acting())
        opened.close()
    assert refused.value.code == "PERSON_ERASED"


def test_processes_that_start_together_enter_it_once(restored: tuple[str, UUID], listed: DestroyedKeys) -> None:
    there, ada = restored
    done: list[list[UUID]] = []
    starting = [threading.Thread(target=lambda: done.append(enforce(there, listed))) for _ in range(4)]
    for thread in starting:
        thread.start()
    for thread in starting:
        thread.join()

    assert sorted(done) == [[], [], [], [ada]]
    assert len(erasures(there)) == 1


def test_one_who_is_not_in_the_backup_yet_gets_no_key_either(
    url: str, ledger: Ledger, listed: DestroyedKeys, empty_url: str, tmp_path: Path
) -> None:
    register(ledger, "Bob")
    backup = dump(url, tmp_path / "backup")
    ada = register(ledger)
    erase(ledger, ada)
    restore(backup, empty_url)

    assert enforce(empty_url, listed) == [ada]

    with database.pool(empty_url, Duty.API, size=2) as pool:
        assert Vault(pool, MASTER_KEY, "test-1").erased([ada]) == {ada}
    assert names(empty_url) == ["Bob"]


def test_another_ledger_is_left_alone(ledger: Ledger, listed: DestroyedKeys, other_url: str, pool: Pool) -> None:
    erase(ledger, register(ledger))
    with database.pool(other_url, Duty.API, size=2) as others:
        other = Ledger(others, Writer(other_url), Vault(others, MASTER_KEY, "test-1"))
        register(other, "Bob")
        other.close()

    assert enforce(other_url, listed) == []
    assert (names(other_url), erasures(other_url)) == (["Bob"], [])


def test_a_list_that_was_lost_is_written_anew_from_the_ledger(url: str, ledger: Ledger, listed: DestroyedKeys) -> None:
    erased = [register(ledger), register(ledger, "Bob")]
    for customer in erased:
        erase(ledger, customer)
    lines = listed.lines()
    listed.path.unlink()

    assert enforce(url, listed) == []

    assert listed.lines() == lines
    enforce(url, listed)
    assert listed.lines() == lines


def test_another_process_lists_what_it_sees_within_seconds(
    url: str, ledger: Ledger, pool: Pool, tmp_path: Path
) -> None:
    own = DestroyedKeys(tmp_path / "another")
    other = Vault(pool, MASTER_KEY, "test-1", destroyed=own)
    ada = register(ledger)
    other.provide([ada])

    with forgetting.watching(url, other):
        erase(ledger, ada)
        stop = threading.Event()
        deadline = vault.FORGET_S_MAX * 2 + 2
        while deadline > 0 and own.keys() != {ada}:
            stop.wait(0.1)
            deadline -= 0.1

    assert own.keys() == {ada}
    assert other._keys == {}


def test_the_entry_of_the_system_is_an_entry_like_any_other(restored: tuple[str, UUID], listed: DestroyedKeys) -> None:
    there, ada = restored
    enforce(there, listed)

    with database.pool(there, Duty.API, size=2) as pool:
        opened = Ledger(pool, Writer(there), Vault(pool, MASTER_KEY, "test-1", destroyed=listed))
        entry = opened.entry(3)
        assert isinstance(entry, Customer.Erased)
        assert (entry.keys, entry.stream_version, entry.actor_id) == ([ada], 2, "vault")
        assert entry.sealed == ["Customer.Registered.name"]
        loaded = opened.load(Customer, ada)
        assert isinstance(loaded, Customer)
        assert loaded.erased_at == entry.occurred_at
        opened.close()
