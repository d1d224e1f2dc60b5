"""``daybook seal``, ``seal-key`` and ``verify`` from the command line: what they print, and how they end."""

import json
import os
import subprocess
import sys
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from api.cli import main
from ledger.application import Ledger
from ledger.notes import Signer
from projections.engine import projector
from tests.conftest import acting
from tests.ledger.sealed_world import OLD, ORIGIN, SIGNER, unguarded
from tests.real import ROOT

SEED, OLD_SEED = b64encode(bytes(range(32))).decode(), b64encode(b"o" * 32).decode()
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DAYBOOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DAYBOOK_ORIGIN", ORIGIN)
    monkeypatch.setenv("DAYBOOK_SEAL_KEY", SEED)


@pytest.fixture
def daybook(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit code and what it said on stdout and stderr."""

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["daybook", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, " ".join(said.err.split())

    return run


@pytest.fixture
def entries(ledger: Ledger) -> Ledger:
    """Three entries."""
    for _ in range(3):
        ledger.execute("register_customer", {}, acting())
    return ledger


# Sealing.


def test_one_checkpoint_is_issued_and_none_where_nothing_was_added(entries: Ledger, daybook: Run) -> None:
    first, second = (daybook("seal", "--once", "--json") for _ in range(2))

    told = json.loads(first[1])
    assert (first[0], told["size"], told["issued"], told["failed"]) == (0, 3, True, [])
    assert json.loads(second[1]) == told | {"issued": False}


def test_an_empty_ledger_is_not_sealed(daybook: Run) -> None:
    code, out, _ = daybook("seal", "--once", "--json")

    assert (code, json.loads(out)) == (0, {"size": 0, "issued": False, "root": None, "failed": []})


def test_without_a_key_it_is_told_what_to_do(daybook: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAYBOOK_SEAL_KEY")

    for command in (("seal", "--once"), ("seal-key",)):
        code, _, err = daybook(*command)
        assert code == 1
        assert err == ("daybook: Set DAYBOOK_ORIGIN and DAYBOOK_SEAL_KEY; make a key with: openssl rand -base64 32")


def test_a_place_that_fails_is_an_exit_code_and_the_checkpoint_stands(
    entries: Ledger, daybook: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_PUBLISH_COMMAND", "false")

    code, out, err = daybook("seal", "--once")

    assert (code, "issued  True" in out) == (1, True)
    assert err == "daybook: The command false failed: It ended with 1: nothing was said"
    monkeypatch.setenv("DAYBOOK_PUBLISH_FOLDER", "/dev/null/nowhere")
    monkeypatch.delenv("DAYBOOK_PUBLISH_COMMAND")
    assert daybook("seal", "--once")[2] == "daybook: The folder /dev/null/nowhere failed: Not a directory"
    _, status, _ = daybook("status")
    assert "The command false does not answer and is tried again: It ended with 1: nothing was said" in status


def test_what_no_longer_fits_is_not_sealed_and_said_loudly(
    entries: Ledger, admin: Connection[Any], daybook: Run
) -> None:
    daybook("seal", "--once")
    unguarded(admin, "UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 2")
    entries.execute("register_customer", {}, acting())

    code, _, err = daybook("seal", "--once")

    assert (code, err) == (1, "daybook: The entries up to 3 are not what was sealed; run: daybook verify")


def test_the_keys_are_printed_the_current_one_first(daybook: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DAYBOOK_SEAL_KEY", f"{SEED}, {OLD_SEED}")
    older = Signer(ORIGIN, b64encode(b"p" * 32).decode()).vkey
    monkeypatch.setenv("DAYBOOK_SEAL_OLD_KEYS", older)

    assert daybook("seal-key")[:2] == (0, f"{SIGNER.vkey}\n{OLD.vkey}\n{older}\n")
    assert json.loads(daybook("seal-key", "--json")[1]) == {
        "vkey": SIGNER.vkey,
        "vkeys": [SIGNER.vkey, OLD.vkey, older],
    }


def test_a_sealer_that_is_late_is_told(entries: Ledger, admin: Connection[Any], daybook: Run) -> None:
    daybook("seal", "--once")
    admin.execute("ALTER TABLE seals.checkpoints DISABLE TRIGGER ALL")
    admin.execute("UPDATE seals.checkpoints SET issued_at = issued_at - interval '9 minutes'")
    assert daybook("seal", "--late-max", "500")[0] == 0
    entries.execute("register_customer", {}, acting())

    code, _, err = daybook("seal", "--late-max", "500")
    assert (code, err) == (1, "daybook: Entries were added and nothing was sealed for 540 s; is daybook seal running?")
    assert daybook("seal", "--late-max", "600")[0] == 0


def test_status_tells_how_far_the_ledger_is_sealed(entries: Ledger, daybook: Run) -> None:
    assert "Nothing is sealed yet. Run: daybook seal" in daybook("status")[1]

    daybook("seal", "--once")
    entries.execute("register_customer", {}, acting())

    assert "The last checkpoint is over 3 entries, issued 20" in daybook("status")[1]
    assert "; 1 entry since." in daybook("status")[1]
    assert json.loads(daybook("status", "--json")[1])["seals"]["last"]["size"] == 3


def test_beside_a_server_it_seals_until_its_standard_input_closes(entries: Ledger, admin: Connection[Any]) -> None:
    command = [sys.executable, "-m", "api", "seal", "--attached", "--every", "0.05"]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def sealed() -> bool:
        return admin.execute("SELECT size FROM seals.checkpoints").fetchall() == [(3,)]

    admin.execute("SET statement_timeout = 0")
    for _ in range(600):
        if sealed():
            break
        admin.execute("SELECT pg_sleep(0.1)")
    _, said = process.communicate(timeout=60)

    assert sealed()
    assert (process.returncode, said) == (0, "")


# Verifying.


def test_nothing_was_altered(entries: Ledger, url: str, daybook: Run) -> None:
    projector.prepare(url)
    daybook("seal", "--once")

    code, out, err = daybook("verify")

    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "3 rows hashed again from the columns, 3 in all.",
        f"1 checkpoint, 0 cosignatures, 0 copies, {len(projector.models())} certificates compared.",
        "The last checkpoint is over 3 entries.",
        "Nothing was altered.",
    ]


def test_what_is_not_sealed_is_compared_with_its_own_leaf(
    entries: Ledger, admin: Connection[Any], daybook: Run
) -> None:
    assert "Nothing is sealed yet" in daybook("verify", "--no-books")[1]
    unguarded(admin, "UPDATE ledger.entries SET schema = 9 WHERE position = 2")

    assert daybook("verify", "--no-books")[0] == 1


def test_the_first_fault_is_named_with_its_position_and_column(
    entries: Ledger, admin: Connection[Any], daybook: Run
) -> None:
    daybook("seal", "--once")
    unguarded(admin, "UPDATE ledger.entries SET actor_id = 'mallory' WHERE position = 2")

    code, out, err = daybook("verify", "--no-books")
    told = json.loads(daybook("verify", "--no-books", "--json")[1])

    what = "Its columns do not give the leaf that was sealed. Altered was actor_id: it was 'ann'."
    assert (code, err) == (1, f"daybook: 1 fault; the first: Entry 2: {what}")
    assert f"Entry 2: {what} (row_altered)" in out
    assert told["findings"] == [
        {"kind": "row_altered", "position": 2, "until": None, "what": what, "column": "actor_id"}
    ]
    assert told["faults"] == 1


def test_keys_may_stand_in_a_file(entries: Ledger, tmp_path: Path, daybook: Run) -> None:
    daybook("seal", "--once")
    keys = tmp_path / "ledger.vkey"
    keys.write_text(daybook("seal-key")[1])

    assert daybook("verify", "--no-books", "--key", str(keys))[::2] == (0, "")


def test_what_rests_on_an_earlier_verification_is_told(entries: Ledger, daybook: Run) -> None:
    daybook("seal", "--once")
    assert "verified before" not in daybook("verify", "--no-books")[1]
    entries.execute("register_customer", {}, acting())

    code, out, _ = daybook("verify", "--incremental")

    assert (code, out.splitlines()) == (
        0,
        [
            "1 row hashed again from the columns, 4 in all.",
            "0 checkpoints, 0 cosignatures, 0 copies, 0 certificates compared.",
            "The last checkpoint is over 3 entries; not sealed yet: 1.",
            "Nothing was altered.",
            "The rows up to 3 were verified before, and not all of them were hashed again.",
        ],
    )


def test_of_a_ledger_cut_short_no_entries_are_told_to_wait_for_a_seal(
    entries: Ledger, admin: Connection[Any], daybook: Run
) -> None:
    daybook("seal", "--once")
    unguarded(admin, "DELETE FROM ledger.entries WHERE position = 3")

    code, out, _ = daybook("verify", "--no-books")

    assert (code, "The last checkpoint is over 3 entries.\n" in out) == (1, True), out


def test_a_key_of_somebody_else_verifies_nothing(entries: Ledger, daybook: Run) -> None:
    daybook("seal", "--once")

    code, _, err = daybook("verify", "--no-books", "--key", OLD.vkey)

    assert code == 1
    assert "The checkpoint of 3 entries is not what was signed: The note is not signed by a key you gave." in err
    assert daybook("verify", "--no-books", "--key", SIGNER.vkey)[0] == 0
    assert daybook("verify", "--no-books", "--key", "nonsense")[0] == 2


def test_without_keys_of_ones_own_it_is_said_and_nothing_is_remembered(
    entries: Ledger, admin: Connection[Any], daybook: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    daybook("seal", "--once")
    monkeypatch.delenv("DAYBOOK_SEAL_KEY")

    code, out, _ = daybook("verify", "--no-books")

    assert code == 0
    assert "Signatures were checked with keys of the database itself." in out
    assert admin.execute("SELECT count(*) FROM seals.verifications").fetchone() == (0,)


def test_only_what_is_new_is_hashed_where_that_is_asked(entries: Ledger, daybook: Run) -> None:
    daybook("seal", "--once")
    daybook("verify", "--no-books")
    entries.execute("register_customer", {}, acting())

    told = json.loads(daybook("verify", "--incremental", "--json")[1])

    assert (told["since"], told["head"], told["faults"], told["certificates"]) == (3, 4, 0, [])


def test_copies_are_compared(
    entries: Ledger, daybook: Run, tmp_path: Path, admin: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_PUBLISH_FOLDER", str(tmp_path))
    daybook("seal", "--once")
    assert json.loads(daybook("verify", "--no-books", "--copies", str(tmp_path), "--json")[1])["copies"] == 1
    admin.execute("ALTER TABLE seals.publications DISABLE TRIGGER ALL; DELETE FROM seals.publications")
    unguarded(admin, "DELETE FROM seals.checkpoints")

    assert daybook("verify", "--no-books")[0] == 0
    code, out, _ = daybook("verify", "--no-books", "--copies", str(tmp_path))
    assert code == 1
    assert "is not there any more. (checkpoint_missing)" in out


def test_a_certificate_that_the_entries_do_not_bear_out_is_a_fault(
    entries: Ledger, url: str, admin: Connection[Any], daybook: Run
) -> None:
    projector.prepare(url)
    admin.execute("UPDATE books.builds SET checksum = repeat('0', 16) WHERE model = 'customer_profile'")

    code, out, _ = daybook("verify")

    assert code == 1
    assert "customer_profile was certified at 3 with other rows than its entries give. (certificate_wrong)" in out
    assert out.count("certificate_wrong") == 1
    assert admin.execute("SELECT count(*) FROM books.builds WHERE state <> 'serving'").fetchone() == (0,)


def test_a_certificate_of_other_code_is_not_compared(
    entries: Ledger, url: str, admin: Connection[Any], daybook: Run
) -> None:
    projector.prepare(url)
    admin.execute("UPDATE books.builds SET fingerprint = 'other' WHERE model = 'customer_profile'")

    told = json.loads(daybook("verify", "--json")[1])

    assert [each["model"] for each in told["certificates"] if not each["compared"]] == ["customer_profile"]
    assert told["faults"] == 0
