"""``daybook erase``, ``receipt``, ``export-subject`` and ``rotate-master-key`` as they are typed."""

import base64
import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import pytest
from psycopg import Connection

from ledger.application import Ledger
from ledger.destroyed import DestroyedKeys
from ledger.notes import Signer
from ledger.vault import FORGET_S_MAX
from ledger.verifier import Key, open_note
from tests.api.asking import open_api
from tests.conftest import MASTER_KEY, acting
from tests.ledger.sealed_world import unguarded

Typed = Callable[..., subprocess.CompletedProcess[str]]
SEED = base64.b64encode(b"s" * 32).decode()
ORIGIN = "ledger.example.com/cases"
NEW = base64.b64encode(b"the next master key, of 32 bytes").decode()
OLD = base64.b64encode(MASTER_KEY).decode()
LONG_AGO = datetime(2015, 3, 1, tzinfo=UTC)


@pytest.fixture
def typed(url: str, tmp_path: Path) -> Typed:
    """Runs the command in a folder; what else is set is given by name."""

    def run(*arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "DATABASE_URL": url,
            "DAYBOOK_HOME": str(tmp_path / "home"),
            "DAYBOOK_MASTER_KEY": OLD,
            "DAYBOOK_ORIGIN": ORIGIN,
            "DAYBOOK_SEAL_KEY": SEED,
            "COLUMNS": "300",
        }
        command = [sys.executable, "-c", "from api.cli import main; main()", *arguments]
        return subprocess.run(
            command, env=environment | settings, cwd=tmp_path, capture_output=True, text=True, check=False
        )

    return run


@pytest.fixture
def customer(ledger: Ledger) -> UUID:
    """A customer with a name."""
    return ledger.execute("register_customer", {"name": "王小明"}, acting(at=LONG_AGO)).stream_id


def alive(admin: Connection[Any], customer: UUID) -> bool:
    """Whether the customer's key is there."""
    query = "SELECT wrapped IS NOT NULL FROM vault.keys WHERE subject_id = %s"
    return admin.execute(query, (customer,)).fetchone() == (True,)


def test_a_person_is_erased_and_the_receipt_printed(
    typed: Typed, customer: UUID, admin: Connection[Any], tmp_path: Path
) -> None:
    done = typed("erase", str(customer), "--reason", "request 17")

    assert (done.returncode, done.stderr) == (0, "")
    said = open_note(done.stdout, [Key.parse(Signer(ORIGIN, SEED).vkey)]).text
    told = json.loads(said.splitlines()[1])
    assert (told["customer_id"], told["reason"]) == (str(customer), "request 17")
    assert told["erased_by"].startswith("terminal:")
    assert not alive(admin, customer)
    assert DestroyedKeys(tmp_path / "home" / "destroyed-keys").keys() == {customer}

    again = typed("erase", str(customer), "--reason", "request 18")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr.startswith("daybook: The customer was erased on 20")
    assert typed("receipt", str(customer)).stdout == done.stdout


def test_what_stands_against_it_is_one_sentence(
    typed: Typed, customer: UUID, ledger: Ledger, admin: Connection[Any]
) -> None:
    case = {"customer_id": customer, "kind": "complaint", "channel": "phone"}
    ledger.execute("open_case", case, acting())

    done = typed("erase", str(customer), "--reason", "request 17")

    assert (done.returncode, done.stdout) == (1, "")
    assert "must be kept until 20" in done.stderr
    assert done.stderr.count("\n") == 1
    assert alive(admin, customer)
    assert typed("erase", "Ada", "--reason", "x").returncode == 2
    assert typed("receipt", str(customer)).returncode == 1


def test_the_same_key_gives_the_first_answer(typed: Typed, customer: UUID) -> None:
    asked = ("erase", str(customer), "--reason", "request 17", "--key", str(uuid4()), "--json")

    first, again = (json.loads(typed(*asked).stdout) for _ in range(2))

    assert (first["repeated"], again["repeated"]) == (False, True)
    assert again | {"repeated": False} == first


def test_without_a_seal_key_it_says_that_nobody_signed(typed: Typed, customer: UUID) -> None:
    done = typed("erase", str(customer), "--reason", "x", DAYBOOK_SEAL_KEY="", DAYBOOK_ORIGIN="")

    assert done.returncode == 0
    assert done.stdout.startswith("daybook.erasure/v1\n{")
    assert done.stderr == "Nobody signed it: set DAYBOOK_ORIGIN and DAYBOOK_SEAL_KEY.\n"


def test_everything_held_is_written_for_the_owner_alone(typed: Typed, customer: UUID, tmp_path: Path) -> None:
    done = typed("export-subject", str(customer), "--output", "out")

    assert (done.returncode, done.stderr) == (0, "")
    written, page = (tmp_path / "out" / f"subject-{customer}.{kind}" for kind in ("json", "html"))
    assert [stat.S_IMODE(path.stat().st_mode) for path in (written, page)] == [0o600, 0o600]
    told = json.loads(written.read_text("utf-8"))
    assert told["entries"][0]["says"]["name"] == "王小明"
    assert "王小明" in page.read_text("utf-8")

    again = typed("export-subject", str(customer), "--output", "out")
    assert (again.returncode, again.stdout) == (1, "")
    assert "is there already" in again.stderr


@pytest.mark.parametrize("there", ["json", "html"])
def test_where_the_files_cannot_be_written_nobody_looked(
    there: str, typed: Typed, customer: UUID, admin: Connection[Any], tmp_path: Path
) -> None:
    typed("seal", "--once")
    out = tmp_path / "out"
    out.mkdir()
    (out / f"subject-{customer}.{there}").write_text("an older one")
    (out / f"customer-{customer}.dossier.{there}").mkdir()
    (out / "file").touch()

    exported = typed("export-subject", str(customer), "--output", "out")
    within = typed("export-subject", str(customer), "--output", "out/file/further")
    proved = typed("prove", "--customer", str(customer), "--out", "out")

    assert [done.returncode for done in (exported, within, proved)] == [1, 1, 1]
    assert exported.stderr == (
        f"daybook: out/subject-{customer}.{there} is there already; move it away, or name another folder.\n"
    )
    assert within.stderr == "daybook: out/file/further: Not a directory.\n"
    assert typed("export-subject", str(customer), "--output", "out/file").returncode == 2
    assert proved.stderr == (
        f"daybook: out/customer-{customer}.dossier.{there} cannot be written over; move it away, or name another"
        " folder.\n"
    )
    assert len(list(out.iterdir())) == 3
    looks = "SELECT count(*) FROM ledger.entries WHERE type = 'Look.Recorded'"
    assert admin.execute(looks).fetchone() == (0,)
    assert typed("export-subject", str(customer), "--output", "other").returncode == 0
    assert admin.execute(looks).fetchone() == (1,)


def test_what_was_said_and_is_erased_is_told_from_what_was_never_said(
    typed: Typed, customer: UUID, ledger: Ledger
) -> None:
    told = {"customer_id": customer, "kind": "request", "channel": "phone"}
    said = ledger.execute("open_case", told | {"description": "Kaputt."}, acting()).stream_id
    unsaid = ledger.execute("open_case", told, acting()).stream_id
    assert "    description: Kaputt.\n" in typed("replay", str(said)).stdout

    typed("erase", str(customer), "--reason", "x")

    assert "    description: erased\n" in typed("replay", str(said)).stdout
    assert "description" not in typed("replay", str(unsaid)).stdout
    explained = typed("explain", "customer_profile", str(customer)).stdout
    assert "    name: erased\n" in explained
    steps = [json.loads(typed("replay", str(each), "--json").stdout)[0] for each in (said, unsaid)]
    assert [(step["erased"], step["data"]["description"]) for step in steps] == [(["description"], None), ([], None)]


def test_a_case_with_an_entry_that_was_altered_is_shown_and_told(
    typed: Typed, customer: UUID, ledger: Ledger, admin: Connection[Any]
) -> None:
    case = ledger.execute("open_case", {"customer_id": customer, "kind": "request", "channel": "phone"}, acting())
    assert typed("replay", str(case.stream_id)).returncode == 0
    unguarded(admin, f"UPDATE ledger.entries SET actor_id = 'mallory' WHERE position = {case.position}")
    admin.execute("ALTER TABLE ledger.entries ENABLE ALWAYS TRIGGER keep_dense")

    for asked in ((), ("--json",)):
        done = typed("replay", str(case.stream_id), *asked)
        assert (done.returncode, "mallory" in done.stdout) == (1, True), done.stderr
        assert done.stderr == (
            f"daybook: Altered in the database: entry {case.position} of this case;"
            " find out more with: daybook verify\n"
        )


def test_a_dossier_in_clear_is_for_its_owner_alone(typed: Typed, customer: UUID, tmp_path: Path) -> None:
    typed("seal", "--once")

    for folder, asked in (("sealed", ()), ("opened", ("--open-for", "auditor"))):
        assert typed("prove", "--customer", str(customer), "--out", folder, *asked).returncode == 0

    modes = [
        {stat.S_IMODE(each.stat().st_mode) for each in (tmp_path / name).iterdir()} for name in ("sealed", "opened")
    ]
    assert modes[0] != {0o600}, "what is sealed may be read by whom the system lets"
    assert modes[1] == {0o600}


def test_of_an_erased_person_nothing_is_written(typed: Typed, customer: UUID, tmp_path: Path) -> None:
    typed("erase", str(customer), "--reason", "x")

    done = typed("export-subject", str(customer), "--output", "out")

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("daybook: The person was erased on 20")
    assert not (tmp_path / "out").exists()


def test_the_master_key_is_changed(typed: Typed, customer: UUID, tmp_path: Path) -> None:
    assert typed("rotate-master-key").stderr == (
        "daybook: Set DAYBOOK_OLD_MASTER_KEY to the master key until now, DAYBOOK_MASTER_KEY to the new one.\n"
    )

    done = typed("rotate-master-key", "--json", DAYBOOK_MASTER_KEY=NEW, DAYBOOK_OLD_MASTER_KEY=OLD,
                 DAYBOOK_MASTER_KEY_ID="master-2")  # fmt: skip

    assert json.loads(done.stdout) == {"rewrapped": 2, "master_key": "master-2"}
    assert typed("export-subject", str(customer), "--output", "out", DAYBOOK_MASTER_KEY=NEW).returncode == 0
    refused = typed("export-subject", str(customer), "--output", "other")
    assert refused.stderr == (
        "daybook: The master key is not the one this ledger was sealed with; check DAYBOOK_MASTER_KEY.\n"
    )


def test_a_key_service_wraps_and_unwraps_the_master_key(typed: Typed, customer: UUID) -> None:
    made = typed("new-master-key", "--json", DAYBOOK_KEY_WRAP="rev")
    told = json.loads(made.stdout)
    assert told["wrapped"] is True
    clear = told["master_key"][::-1]
    assert len(base64.b64decode(clear, validate=True)) == 32

    service = {"DAYBOOK_KEY_UNWRAP": "rev", "DAYBOOK_MASTER_KEY": OLD[::-1]}
    assert typed("export-subject", str(customer), "--output", "out", **service).returncode == 0
    broken = typed("export-subject", str(customer), "--output", "other", **service | {"DAYBOOK_KEY_UNWRAP": "false"})
    assert broken.stderr == "daybook: The key service's command failed: 1\n"
    wrong = typed("export-subject", str(customer), "--output", "o", **service | {"DAYBOOK_KEY_UNWRAP": "echo no"})
    assert wrong.stderr.startswith("daybook: DAYBOOK_MASTER_KEY must be 32 bytes in base64")


def test_what_was_proved_before_is_proved_after(typed: Typed, customer: UUID, tmp_path: Path) -> None:
    key = Signer(ORIGIN, SEED).vkey
    assert typed("seal", "--once").returncode == 0
    proved = typed("prove", "1", "--out", "proofs")
    assert proved.returncode == 0, proved.stderr
    before = sorted((tmp_path / "proofs").iterdir())
    assert before

    assert typed("erase", str(customer), "--reason", "x").returncode == 0

    checked = typed("check", *map(str, before), "--key", key)
    assert checked.returncode == 0, checked.stderr
    assert typed("seal", "--once").returncode == 0
    for position in ("1", "2"):
        assert typed("prove", position, "--out", f"proofs {position}").returncode == 0
        after = map(str, (tmp_path / f"proofs {position}").iterdir())
        assert typed("check", *after, "--key", key).returncode == 0
    verified = typed("verify")
    assert verified.returncode == 0, verified.stdout + verified.stderr


def test_a_server_that_showed_a_name_no_longer_does_within_seconds(typed: Typed, url: str) -> None:
    """The read model is left as it was, so that the key alone decides."""
    query = "query ($id: UUID!) { customer(id: $id) { name } }"
    with open_api(url) as api:
        customer = api.done("registerCustomer", name="王小明", occurredAt="2015-03-01T00:00:00Z")
        assert api.ask(query, {"id": customer})["customer"] == {"name": "王小明"}

        assert typed("erase", customer, "--reason", "x").returncode == 0

        deadline = time.monotonic() + FORGET_S_MAX + 1
        while api.ask(query, {"id": customer})["customer"] != {"name": None}:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        (error,) = api.do("changeCustomerProfile", id=customer, name="Ada")["userErrors"]
        assert error["code"] == "PERSON_ERASED"
