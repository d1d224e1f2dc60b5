"""``daybook prove`` and ``daybook check``: evidence is written, holds, and says so where it does not."""

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import psycopg
import pytest

from api import dossiers, proofs
from api.cli import main
from api.cli.operator import operator
from api.replay import replay
from domain.vocabulary import Role
from ledger import checkpoints, database, sealing, verifier
from ledger.database import Duty
from ledger.evidence import EvidenceError
from ledger.notes import Signer
from ledger.verifier import Key, ProvenDossier, ProvenEntry, ProvenGrowth, check_file
from tests.api.asking import SECRET, Api
from tests.conftest import MASTER_KEY
from tests.ledger import second_verifier as second

ORIGIN = "ledger.example.com/cases"
SEED = base64.b64encode(b"the key of a ledger, of 32 bytes").decode()
SIGNER = Signer(ORIGIN, SEED)
NAME = "王小明 <b>"


class Done(NamedTuple):
    """What a command said, and how it ended."""

    code: int
    out: str
    err: str


Daybook = Callable[..., Done]


@pytest.fixture
def daybook(api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Daybook:
    """Runs commands in an empty folder."""
    monkeypatch.setenv("DATABASE_URL", api.url)
    monkeypatch.setenv("DAYBOOK_MASTER_KEY", base64.b64encode(MASTER_KEY).decode())
    monkeypatch.setenv("DAYBOOK_TOKEN_SECRET", SECRET)
    monkeypatch.chdir(tmp_path)

    def run(*arguments: object) -> Done:
        monkeypatch.setattr("sys.argv", ["daybook", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        printed = capsys.readouterr()
        return Done(int(ended.value.code or 0), printed.out, printed.err)

    return run


@pytest.fixture
def check(daybook: Daybook, monkeypatch: pytest.MonkeyPatch) -> Daybook:
    """Checks files with a public key and nothing else."""

    def run(*files: object) -> Done:
        for name in ("DATABASE_URL", "DAYBOOK_MASTER_KEY", "DAYBOOK_TOKEN_SECRET"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("DAYBOOK_HOME", "/nowhere")
        return daybook("check", *files, "--key", SIGNER.vkey)

    return run


def seal(api: Api) -> int:
    """Issue a checkpoint; gives its size."""
    with database.connect(api.url, Duty.SEALER) as connection:
        sealing.seal(connection, [SIGNER])
        last = checkpoints.latest(connection)
    assert last is not None
    return last.size


class Told(NamedTuple):
    """A case, as it was entered."""

    customer: str
    case: str
    void: int
    last: int


@pytest.fixture(scope="module")
def told(api: Api) -> Told:
    """A case with a mistake, an amendment, a remedy under a policy, and a customer merged into another; sealed."""
    api.done("publishRemedyAuthority", role=Role.ADMIN, effectiveFrom="2020-01-01T00:00:00Z", currency="EUR",
             limits=[{"role": "SUPERVISOR", "amountMinor": 5000}])  # fmt: skip
    customer = api.done("registerCustomer", name=NAME)
    survivor = api.done("registerCustomer", name="Ada")
    opened = api.do("openCase", customerId=customer, kind="REQUEST", channel="PHONE", description="Kaputt.",
                    occurredAt="2026-01-01T10:00:00Z", role=Role.AGENT, subject="ann")  # fmt: skip
    case = opened["id"]
    mistake = api.do("assignCase", id=case, handler="bob")
    api.done("offerRemedy", caseId=case, kind="VOUCHER", amountMinor=500, currency="EUR")
    api.done("voidEntry", position=mistake["position"], reason="the wrong case")
    api.done("amendEntry", position=opened["position"], changes={"kind": "complaint"}, reason="it was one")
    api.done("mergeCustomer", id=customer, survivorId=survivor, reason="one address")
    last = api.do("acknowledgeCase", id=case, channel="EMAIL")
    seal(api)
    return Told(survivor, case, mistake["position"], last["position"])


def written(done: Done) -> list[str]:
    """The files that a command wrote."""
    assert done.code == 0, done.err
    files: list[str] = json.loads(done.out)["files"]
    return files


def dossier_of(daybook: Daybook, *arguments: object) -> dict[str, Any]:
    [file, page] = written(daybook("prove", *arguments, "--json"))
    assert file.endswith(".dossier.json")
    assert page == file.replace(".json", ".html")
    found: dict[str, Any] = json.loads(Path(file).read_bytes())
    return found


def test_one_file_proves_an_entry(api: Api, told: Told, daybook: Daybook, check: Daybook) -> None:
    done = daybook("prove", told.void)

    assert done.out.splitlines()[0] == f"entry-{told.void}.tlog-proof"
    proven = check_file(Path(f"entry-{told.void}.tlog-proof").read_bytes(), [Key.parse(SIGNER.vkey)])
    assert isinstance(proven, ProvenEntry)
    assert (proven.entry.position, proven.entry.body["type"]) == (told.void, "Case.Assigned")
    assert proven.entry.body["data"]["handler"] == "bob"
    said = check(f"entry-{told.void}.tlog-proof")
    assert said.code == 0
    assert said.out.startswith(f"entry-{told.void}.tlog-proof: PROVEN\n  Entry {told.void}, Case.Assigned of ")


def test_every_entry_of_the_ledger_is_proven_and_each_by_the_other_implementation_too(api: Api, told: Told) -> None:
    with api.desk.pool.connection() as connection:
        sealed = proofs.checkpoint(connection, None)
        files = {at: proofs.proof(connection, at, sealed) for at in range(1, sealed.size + 1)}

    size, root = second.tree_of(sealed.note, ORIGIN, SIGNER._key.public_key())
    for position, text in files.items():
        proven = check_file(text.encode(), [Key.parse(SIGNER.vkey)])
        assert isinstance(proven, ProvenEntry)
        assert proven.entry.position == position
        path = verifier.Proof.parse(text).path
        assert second.included(proven.entry.canonical, position - 1, size, path) == root


def test_a_dossier_tells_a_case_as_its_replay_does(api: Api, told: Told, daybook: Daybook) -> None:
    account = dossier_of(daybook, "--case", told.case)["account"]

    with api.desk.pool.connection() as connection:
        steps = replay(connection, UUID(told.case))
    assert [step["type"] for step in account] == [step.entry.type_name for step in steps] == [
        "Case.Opened", "Case.Assigned", "Remedy.Offered", "Entry.Voided", "Entry.Amended", "Customer.Merged",
        "Case.Acknowledged",
    ]  # fmt: skip
    for told_, step in zip(account, steps, strict=True):
        assert [(each["field"], str(each["after"])) for each in told_["changes"]][:1] == [
            (change.field, str(change.after)) for change in step.changes
        ][:1]
        assert (told_["voided_by"], told_["amended_by"]) == (step.voided_by, step.amended_by)
    assert account[0]["explained"] == "A customer told us something that we must answer."
    assert account[0]["actor"] == {"kind": "employee", "id": "ann", "role": "agent"}
    assert account[2]["says"]["limit_version"] == 1


def test_what_is_personal_stays_sealed_unless_it_is_opened_for_a_role(told: Told, daybook: Daybook) -> None:
    sealed = dossier_of(daybook, "--case", told.case)
    page = Path(f"case-{told.case}.dossier.html").read_text("utf-8")
    opened = dossier_of(daybook, "--case", told.case, "--open-for", "auditor")
    opened_page = Path(f"case-{told.case}.dossier.html").read_text("utf-8")

    assert [step["opened"] for step in sealed["account"]] == [{}] * 7
    assert "Kaputt." not in json.dumps(sealed) + page
    assert "<dt>description<dd><span class=sealed>sealed</span>" in page
    assert [step["opened"] for step in opened["account"]] == [{"description": "Kaputt."}, *([{}] * 6)]
    assert "<dt>description<dd><span class=opened><bdi>Kaputt.</bdi></span>" in opened_page
    assert (sealed["made_by"]["opened_for"], opened["made_by"]["opened_for"]) == (None, "auditor")


def test_for_an_analyst_nothing_personal_is_opened(told: Told, daybook: Daybook) -> None:
    done = daybook("prove", "--case", told.case, "--open-for", "analyst")

    assert done.code == 1
    assert "analyst" in done.err
    assert not list(Path().iterdir())


def test_of_an_erased_person_the_dossier_holds_and_shows_no_text(
    api: Api, daybook: Daybook, check: Daybook, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = api.done("registerCustomer", name=NAME)
    seal(api)
    assert dossier_of(daybook, "--customer", customer, "--open-for", "auditor")["account"][0]["opened"] == {
        "name": NAME
    }
    with psycopg.connect(api.url, autocommit=True) as admin:
        admin.execute("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s", (customer,))

    for options in ([], ["--open-for", "auditor"]):
        found = dossier_of(daybook, "--customer", customer, *options)
        assert found["account"][0]["opened"] == {"name": None}
    page = f"customer-{customer}.dossier.html"
    assert "<dt>name<dd><span class=sealed>erased</span>" in Path(page).read_text("utf-8")
    assert check(page).code == 0


def test_a_dossier_and_its_page_are_checked_and_reckoned_again(told: Told, daybook: Daybook, check: Daybook) -> None:
    dossier_of(daybook, "--case", told.case, "--open-for", "auditor")

    done = check(f"case-{told.case}.dossier.json", f"case-{told.case}.dossier.html")

    assert done.code == 0
    for part in done.out.split(f"case-{told.case}.dossier.")[1:]:
        assert f"All 7 entries shown of case {told.case}, up to position {told.last}, stood in {ORIGIN} when" in part
        assert "The clear text of 1 sealed fields is Daybook's word, and not proven." in part
        assert "What they changed was reckoned once more just now, and it is the same." in part


def test_changes_that_do_not_follow_from_the_entries_are_refused(told: Told, daybook: Daybook, check: Daybook) -> None:
    found = dossier_of(daybook, "--case", told.case)
    found["account"][-1]["changes"][0]["after"] = "closed"
    Path("forged.json").write_text(json.dumps(found), "utf-8")
    found["made_by"]["program"] = "Daybook 99"
    Path("other.json").write_text(json.dumps(found), "utf-8")

    forged, other = check("forged.json"), check("other.json")

    last = f"step {told.last} of the account"
    assert forged.code == 1
    assert forged.out == f"forged.json: NOT PROVEN\n  'changes' in {last} is not what follows from the entries.\n"
    assert other.code == 0
    assert "What they changed could not be reckoned again, as another version of Daybook made this." in other.out


def test_a_dossier_of_a_customer_has_the_entries_of_those_merged_into_it(
    told: Told, daybook: Daybook, check: Daybook
) -> None:
    found = dossier_of(daybook, "--customer", told.customer)

    types = [step["type"] for step in found["account"]]
    assert types[:3] == ["Customer.Registered", "Customer.Registered", "Case.Opened"]
    assert "Customer.Merged" in types
    merge = found["account"][types.index("Customer.Merged")]
    assert {"field": "case_count", "before": 0, "after": 1} in merge["changes"]
    assert check(f"customer-{told.customer}.dossier.html").code == 0


def test_an_entry_that_is_not_sealed_yet_is_not_proven_and_the_error_says_what_to_do(
    api: Api, told: Told, daybook: Daybook
) -> None:
    size = seal(api)
    new = api.done("openCase", customerId=told.customer, kind="REQUEST", channel="PHONE")
    later = api.do("assignCase", id=told.case, handler="eve")["position"]

    one, whole = daybook("prove", size + 1), daybook("prove", "--case", told.case)
    begun = daybook("prove", "--case", new, "--checkpoint", size)
    partly = dossier_of(daybook, "--case", told.case, "--checkpoint", size)

    assert (one.code, one.err) == (
        1, f"daybook: Entry {size + 1} is newer than the checkpoint of {size} entries; run: daybook seal --once\n"
    )  # fmt: skip
    assert whole.code == 1
    assert whole.err.startswith(f"daybook: Entry {later} of the case is newer than the checkpoint of {size} entries;")
    assert (begun.code, begun.err) == (
        1, f"daybook: The case begins at entry {size + 1}, and the checkpoint has {size} entries.\n"
    )  # fmt: skip
    assert partly["account"][-1]["position"] == told.last


def test_two_checkpoints_are_proven_to_be_of_one_ledger(api: Api, told: Told, daybook: Daybook, check: Daybook) -> None:
    old = seal(api)
    api.done("registerCustomer", name="Eve")
    new = seal(api)

    [file] = written(daybook("prove", "--between", new, old, "--json", "--out", "evidence"))

    assert file == f"evidence/{old}-{new}.consistency.json"
    proven = check_file(Path(file).read_bytes(), [Key.parse(SIGNER.vkey)])
    assert isinstance(proven, ProvenGrowth)
    assert (proven.old.tree.size, proven.new.tree.size) == (old, new)
    said = json.loads(check(file, "--json").out)
    assert [(each["file"], each["proven"]) for each in said] == [(file, True)]
    assert said[0]["says"][0].startswith(f"The {old} entries of the older checkpoint, unaltered, stood in {ORIGIN}")


def test_who_took_evidence_away_is_entered_and_does_not_make_the_next_dossier_wait(api: Api, daybook: Daybook) -> None:
    customer = api.done("registerCustomer", name=NAME)
    size = seal(api)

    dossier_of(daybook, "--customer", customer)
    dossier_of(daybook, "--customer", customer, "--open-for", "auditor")
    written(daybook("prove", size, "--json"))
    again = dossier_of(daybook, "--customer", customer)

    with psycopg.connect(api.url) as connection:
        looks = connection.execute(
            "SELECT data ->> 'purpose', data ->> 'taken', data -> 'fields', actor_id FROM ledger.entries"
            " WHERE type = 'Look.Recorded' AND customer_id = %s ORDER BY position",
            (customer,),
        ).fetchall()
    taken, who = f"dossier of customer {customer}", operator().id
    assert looks == [
        ("proof", taken, [], who),
        ("proof", taken, ["name"], who),
        ("proof", f"proof of entry {size}", [], who),
        ("proof", taken, [], who),
    ]
    assert [step["type"] for step in again["account"]] == ["Customer.Registered"]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        ([], 2, "Say what to prove: a position, --case ID, --customer ID or --between OLD NEW."),
        (["1", "--case", str(uuid4())], 2, "Say what to prove"),
        (["1", "--open-for", "auditor"], 2, "Only a dossier opens text: --open-for goes with --case or --customer."),
        (["--between", "1", "2", "--checkpoint", "1"], 2, "Two checkpoints are named by --between already"),
        (["99999"], 1, "There is no entry with the id 99999."),
        (["1", "--checkpoint", "99999"], 1, "No checkpoint of 99999 entries was issued; the last one is of "),
        (["--between", "1", "99999"], 1, "No checkpoint of 1 entries was issued"),
        (["--case", str(UUID(int=5))], 1, f"There is no case with the id {UUID(int=5)}."),
        (["--customer", str(UUID(int=5))], 1, f"There is no customer with the id {UUID(int=5)}."),
    ],
)
def test_what_cannot_be_proven_is_refused_and_nothing_is_written(
    arguments: list[str], code: int, said: str, told: Told, daybook: Daybook
) -> None:
    done = daybook("prove", *arguments)

    assert (done.code, said in done.err) == (code, True), done.err
    assert not list(Path().iterdir())


def test_a_key_that_is_none_is_told_at_once(daybook: Daybook) -> None:
    done = daybook("check", "any", "--key", "a+b+c")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith("daybook: The public key is not written in base64")


def test_a_case_with_too_much_to_read_is_refused(
    api: Api, told: Told, daybook: Daybook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dossiers, "ENTRIES_MAX", 3)

    done = daybook("prove", "--case", told.case, "--checkpoint", seal(api))

    assert (done.code, done.err) == (
        1, "daybook: There are more than 3 entries; a dossier of an older checkpoint has fewer.\n"
    )  # fmt: skip


def test_an_entry_that_was_altered_in_the_database_is_not_proven(fresh_api: Api, daybook: Daybook) -> None:
    position = fresh_api.do("registerCustomer", name=NAME)["position"]
    seal(fresh_api)
    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER append_only")
        admin.execute("UPDATE ledger.entries SET actor_id = 'somebody else' WHERE position = %s", (position,))

    with fresh_api.desk.pool.connection() as connection:
        sealed = proofs.checkpoint(connection, None)
        with pytest.raises(EvidenceError, match=f"The entry {position} was altered in the database"):
            proofs.proof(connection, position, sealed)


def test_all_cases_and_customers_of_a_simulated_world_are_proven(
    fresh_api: Api, daybook: Daybook, monkeypatch: pytest.MonkeyPatch
) -> None:
    api = fresh_api
    monkeypatch.setenv("DATABASE_URL", api.url)
    world = ("--customers", 20, "--months", 6, "--seed", 3, "--until", "2026-01-01")
    assert daybook("simulate", *world, "--json").code == 0
    seal(api)
    with api.desk.pool.connection() as connection:
        sealed = proofs.checkpoint(connection, None)
        subjects = connection.execute(
            "SELECT DISTINCT 'case', case_id FROM ledger.entries WHERE case_id IS NOT NULL"
            " UNION SELECT DISTINCT 'customer', customer_id FROM ledger.entries WHERE customer_id IS NOT NULL"
        ).fetchall()
    made = [
        dossiers.dossier(api.desk, dossiers.About(*subject), sealed, operator(), role=Role.AUDITOR)
        for subject in subjects
    ]

    assert len({about for each in made for about in each["about"]}) == 2
    for each in made:
        page = verifier.page(dossiers.as_text(each))
        proven = check_file(page.encode(), [Key.parse(SIGNER.vkey)])
        assert isinstance(proven, ProvenDossier)
        assert dossiers.refuse_misreckoned(proven) is True
