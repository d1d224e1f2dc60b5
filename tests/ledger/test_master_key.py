"""Another master key: every key is wrapped anew and none is lost, whatever comes between; no entry is touched."""

import subprocess
import sys
import time
from base64 import b64encode
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.rule import Refused
from ledger import master_key
from ledger.application import Ledger
from ledger.master_key import MasterKey, key_bytes, rotate, through
from ledger.vault import NOBODY, Vault, VaultError
from ledger.writer import Writer
from tests.conftest import MASTER_KEY, acting
from tests.real import ROOT

Pool = ConnectionPool[Connection[Any]]
NEW = b"the next master key, of 32 bytes"
MASTER = MasterKey(NEW, "test-2", MASTER_KEY)


def only_new(pool: Pool) -> Vault:
    """The vault of a process that has the new master key alone."""
    return Vault(pool, NEW, "test-2")


def both(pool: Pool) -> Vault:
    """The vault of a process that has both."""
    return Vault(pool, NEW, "test-2", old_master_key=MASTER_KEY)


def names(admin: Connection[Any]) -> list[tuple[str, str]]:
    """All names, as they are stored."""
    rows = admin.execute("SELECT data ->> 'name' FROM ledger.entries ORDER BY position").fetchall()
    return [("name", name) for (name,) in rows]


def kept(admin: Connection[Any]) -> list[Any]:
    """Everything that must not change, and whose key there is."""
    return [
        admin.execute("SELECT t::text FROM ledger.entries t ORDER BY position").fetchall(),
        admin.execute("SELECT subject_id, destroyed_at, created_at FROM vault.keys ORDER BY 1").fetchall(),
    ]


def wrapped_by(admin: Connection[Any]) -> dict[str, int]:
    """How many keys are there by the name of the master key that wraps them."""
    query = "SELECT master_key_id, count(*) FROM vault.keys WHERE wrapped IS NOT NULL GROUP BY 1"
    return dict(admin.execute(query).fetchall())


@pytest.fixture
def people(ledger: Ledger) -> list[UUID]:
    """Some customers."""
    return [ledger.execute("register_customer", {"name": f"王{n}"}, acting()).stream_id for n in range(7)]


def test_every_key_is_wrapped_anew_and_nothing_else_changes(
    pool: Pool, admin: Connection[Any], people: list[UUID]
) -> None:
    before, told = kept(admin), list[tuple[int, int | None]]()

    assert rotate(admin, MASTER, lambda *done: told.append((done[0], done[-1]))) == 8

    assert kept(admin) == before
    assert wrapped_by(admin) == {"test-2": 8}
    assert told == [(8, 8)]
    assert only_new(pool).open_many(names(admin)) == [f"王{n}" for n in range(7)]
    with pytest.raises(VaultError, match="The master key is not the one"):
        Vault(pool, MASTER_KEY, "test-1").open_many(names(admin))


def test_done_again_it_does_nothing(pool: Pool, admin: Connection[Any], people: list[UUID]) -> None:
    rotate(admin, MASTER, lambda *_: None)
    before = admin.execute("SELECT k::text FROM vault.keys k ORDER BY 1").fetchall()

    assert rotate(admin, MASTER, lambda *_: None) == 0
    assert admin.execute("SELECT k::text FROM vault.keys k ORDER BY 1").fetchall() == before


def test_a_command_of_before_is_known_again_after(url: str, pool: Pool, admin: Connection[Any], ledger: Ledger) -> None:
    key = uuid4()
    first = ledger.execute("register_customer", {"name": "Ada"}, acting(command_id=key))

    rotate(admin, MASTER, lambda *_: None)

    after = Ledger(pool, Writer(url), only_new(pool))
    assert after.execute("register_customer", {"name": "Ada"}, acting(command_id=key)) == first._replace(repeated=True)
    with pytest.raises(Refused) as refused:
        after.execute("register_customer", {"name": "Bob"}, acting(command_id=key))
    assert refused.value.code == "IDEMPOTENCY_CONFLICT"
    after.close()


def test_a_ledger_of_before_keeps_its_fingerprints_too(pool: Pool, admin: Connection[Any], ledger: Ledger) -> None:
    """Until now the fingerprints were keyed by the master key itself; the ledger's own key is made of the first one."""
    told = ledger.vault.fingerprint(b"Ada")
    admin.execute("DELETE FROM vault.keys WHERE subject_id = %s", (NOBODY,))

    assert both(pool).fingerprint(b"Ada") == told
    rotate(admin, MASTER, lambda *_: None)
    assert only_new(pool).fingerprint(b"Ada") == told


def test_while_it_goes_on_processes_with_both_keys_seal_and_open(
    pool: Pool, admin: Connection[Any], people: list[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_key, "REWRAPPED_AT_ONCE", 2)
    opened: list[list[str | None]] = []

    def meanwhile(*_: Any) -> None:
        vault = both(pool)
        vault.check()
        vault.provide([uuid4()])
        opened.append(vault.open_many(names(admin)))

    rotate(admin, MASTER, meanwhile)

    assert len(opened) >= 4
    assert opened == [[f"王{n}" for n in range(7)]] * len(opened)
    assert wrapped_by(admin).keys() == {"test-2"}, "what was made meanwhile was wrapped with the new one"


def test_what_was_destroyed_stays_destroyed(pool: Pool, admin: Connection[Any], people: list[UUID]) -> None:
    admin.execute("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s", (people[0],))

    assert rotate(admin, MASTER, lambda *_: None) == 7
    assert only_new(pool).open_many(names(admin))[:2] == [None, "王1"]


def test_a_key_that_neither_wrapped_stops_it_and_is_left_as_it_is(admin: Connection[Any], people: list[UUID]) -> None:
    stranger = MasterKey(NEW, "test-2", b"a master key that was never used")
    before = admin.execute("SELECT k::text FROM vault.keys k ORDER BY 1").fetchall()

    with pytest.raises(VaultError, match="The master key is not the one"):
        rotate(admin, stranger, lambda *_: None)

    assert admin.execute("SELECT k::text FROM vault.keys k ORDER BY 1").fetchall() == before


ROTATING = """
import sys, time
from ledger import database, master_key
from tests.ledger.test_master_key import MASTER
master_key.REWRAPPED_AT_ONCE = 5
with database.connect(sys.argv[1]) as connection:
    print("begun", flush=True)
    master_key.rotate(connection, MASTER, lambda *_: time.sleep(0.01))
"""


@pytest.fixture
def crowd(pool: Pool, admin: Connection[Any]) -> Iterator[set[UUID]]:
    """Many keys."""
    subjects = {uuid4() for _ in range(400)}
    Vault(pool, MASTER_KEY, "test-1").provide(subjects)
    yield subjects


def test_killed_at_any_moment_it_goes_on_where_it_was(
    url: str, pool: Pool, admin: Connection[Any], crowd: set[UUID]
) -> None:
    interrupted = 0
    for wait in (0.0, 0.05, 0.15, 0.3):
        process = subprocess.Popen([sys.executable, "-c", ROTATING, url], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout
        assert process.stdout.readline() == "begun\n"
        time.sleep(wait)
        process.kill()
        process.wait()
        process.stdout.close()
        interrupted += len(wrapped_by(admin)) == 2
        assert both(pool).provide(crowd).keys() == crowd

    assert interrupted > 0, "it was killed halfway at least once"
    rotate(admin, MASTER, lambda *_: None)
    assert wrapped_by(admin) == {"test-2": 400}
    assert only_new(pool).provide(crowd).keys() == crowd


def test_a_process_with_the_new_key_alone_does_not_start_before_all_is_done(
    pool: Pool, admin: Connection[Any], crowd: set[UUID], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(master_key, "REWRAPPED_AT_ONCE", 100)

    def interrupt(done: int, _: int | None = None) -> None:
        if done == 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rotate(admin, MASTER, interrupt)

    for vault in (only_new(pool), Vault(pool, MASTER_KEY, "test-1")):
        with pytest.raises(VaultError, match="The master key is not the one"):
            vault.check()
    both(pool).check()
    rotate(admin, MASTER, lambda *_: None)
    only_new(pool).check()


# A key service.


def test_a_command_of_the_operators_is_given_text_and_gives_text() -> None:
    assert through("rev", "abc") == "cba"
    assert through("tr a-z A-Z", "wrapped") == "WRAPPED"


@pytest.mark.parametrize(
    ("command", "said"),
    [
        ("false", "The key service's command failed: 1"),
        ("sh -c 'echo no such key >&2; exit 3'", "The key service's command failed: no such key"),
        ("/no/such/program", "The key service's command gave no answer: "),
        ("'", "The key service's command gave no answer: No closing quotation"),
    ],
)
def test_one_that_fails_is_told_in_a_sentence(command: str, said: str) -> None:
    with pytest.raises(VaultError) as error:
        through(command, "a key")

    assert str(error.value).startswith(said)
    assert "a key" not in str(error.value)


@pytest.mark.parametrize("text", ["", "abc", "é", b64encode(b"x" * 31).decode(), b64encode(b"x" * 33).decode()])
def test_what_is_no_key_is_none(text: str) -> None:
    assert key_bytes(text) is None
    assert key_bytes(b64encode(NEW).decode()) == NEW
