"""What the API proves: the last checkpoint, an entry, each step of a case; and what it says while nothing is sealed."""

from base64 import b64decode
from datetime import datetime
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api.proofs import ALTERED, NOT_SEALED
from domain.vocabulary import Role
from ledger.verifier import Key, check_proof, open_checkpoint
from tests.api.asking import Api
from tests.ledger.sealed_world import SIGNER, seal

LEDGER = "{ ledger { head vkey checkpoint { size root note issuedAt } } }"
ENTRY = """query ($at: Long!) { entry(position: $at) { position type actorId data voidedBy amendedBy
    proof { text reason } } }"""
REPLAY = "query ($id: UUID!) { caseReplay(id: $id) { id steps { position type evidence: proof { text reason } } } }"


def opened(api: Api) -> tuple[str, int]:
    customer = api.done("registerCustomer", name="Ada")
    case = api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE")
    return case, api.do("acknowledgeCase", id=case, channel="EMAIL")["position"]


def test_while_nothing_is_sealed_the_reason_stands_where_the_proof_would(fresh_api: Api) -> None:
    case, _ = opened(fresh_api)

    assert fresh_api.ask(LEDGER)["ledger"] == {"head": 3, "vkey": None, "checkpoint": None}
    missing = {"text": None, "reason": NOT_SEALED}
    assert fresh_api.ask(ENTRY, {"at": 1})["entry"]["proof"] == missing
    steps = fresh_api.ask(REPLAY, {"id": case})["caseReplay"]["steps"]
    assert [step["evidence"] for step in steps] == [missing] * 2


def test_the_checkpoint_is_told_and_verifies(fresh_api: Api) -> None:
    opened(fresh_api)
    issued = seal(fresh_api.url)
    assert issued

    told = fresh_api.ask(LEDGER)["ledger"]

    assert (told["head"], told["vkey"]) == (3, SIGNER.vkey)
    assert (told["checkpoint"]["size"], told["checkpoint"]["note"]) == (3, issued.note)
    assert b64decode(told["checkpoint"]["root"]) == issued.root
    assert datetime.fromisoformat(told["checkpoint"]["issuedAt"]) == issued.issued_at
    assert open_checkpoint(told["checkpoint"]["note"], [Key.parse(told["vkey"])]).tree.size == 3


def test_an_entry_comes_with_its_proof(fresh_api: Api) -> None:
    _, position = opened(fresh_api)
    seal(fresh_api.url)
    void = fresh_api.do("voidEntry", position=position, reason="a slip")

    told = fresh_api.ask(ENTRY, {"at": position})["entry"]
    proven = check_proof(told["proof"]["text"], [Key.parse(SIGNER.vkey)])

    assert (told["type"], told["actorId"], told["voidedBy"], told["amendedBy"]) == (
        "Case.Acknowledged", proven.entry.body["actor_id"], void["position"], None,
    )  # fmt: skip
    assert (proven.entry.position, proven.entry.body["type"]) == (position, "Case.Acknowledged")
    assert told["proof"]["reason"] is None
    later = fresh_api.ask(ENTRY, {"at": void["position"]})["entry"]
    assert later["proof"] == {"text": None, "reason": NOT_SEALED}


def test_each_step_of_a_case_comes_with_its_proof(fresh_api: Api) -> None:
    case, _ = opened(fresh_api)
    seal(fresh_api.url)
    fresh_api.done("assignCase", id=case, handler="bob")

    steps = fresh_api.ask(REPLAY, {"id": case})["caseReplay"]["steps"]

    *sealed, last = steps
    for step in sealed:
        proven = check_proof(step["evidence"]["text"], [Key.parse(SIGNER.vkey)])
        assert (proven.entry.position, proven.entry.body["type"]) == (step["position"], step["type"])
    assert len(sealed) == 2
    assert last["evidence"] == {"text": None, "reason": NOT_SEALED}


def test_an_altered_entry_is_not_proved(fresh_api: Api) -> None:
    case, position = opened(fresh_api)
    seal(fresh_api.url)
    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER ALL")
        admin.execute("UPDATE ledger.entries SET actor_id = 'mallory' WHERE position = %s", (position,))

    steps = fresh_api.ask(REPLAY, {"id": case})["caseReplay"]["steps"]

    assert [step["evidence"]["reason"] for step in steps] == [None, ALTERED]


def test_an_altered_entry_is_told_of_wherever_it_is_shown(fresh_api: Api) -> None:
    case, position = opened(fresh_api)
    queries = {
        "caseReplay": "query ($id: UUID!) { caseReplay(id: $id) { steps { position altered } } }",
        "explain": "query ($key: String!) {"
        " explain(readModel: CASE_REGISTER, key: $key) { steps { position altered } } }",
    }

    def shown() -> list[list[int]]:
        steps = [fresh_api.ask(query, {"id": case, "key": case})[field]["steps"] for field, query in queries.items()]
        return [[step["position"] for step in each if step["altered"]] for each in steps]

    entry = "query ($at: Long!) { entry(position: $at) { altered } }"
    assert shown() == [[], []]
    assert fresh_api.ask(entry, {"at": position}) == {"entry": {"altered": False}}

    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER ALL")
        admin.execute("UPDATE ledger.entries SET actor_id = 'mallory' WHERE position = %s", (position,))

    assert shown() == [[position], [position]]
    assert fresh_api.ask(entry, {"at": position}) == {"entry": {"altered": True}}


def test_personal_text_in_an_entry_is_for_those_who_may_see_it_and_never_in_the_proof(fresh_api: Api) -> None:
    fresh_api.done("registerCustomer", name="Ada Lovelace")
    seal(fresh_api.url)

    told: dict[str, Any] = fresh_api.ask(ENTRY, {"at": 1}, role=Role.AUDITOR)["entry"]

    assert told["data"]["name"] == "Ada Lovelace"
    proven = check_proof(told["proof"]["text"], [Key.parse(SIGNER.vkey)])
    assert b"Ada" not in proven.entry.canonical


@pytest.mark.parametrize("role", list(Role))
def test_entries_are_for_those_who_may_see_the_audit_trail(api: Api, role: Role) -> None:
    api.done("registerCustomer", name=str(uuid4()))
    if role in (Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN):
        assert api.ask(ENTRY, {"at": 1}, role=role)["entry"]["position"] == 1
    else:
        assert api.code(ENTRY, {"at": 1}, role=role) == "FORBIDDEN"


def test_there_is_no_entry_where_there_is_none(api: Api) -> None:
    assert api.code(ENTRY, {"at": 9_999_999}) == "NOT_FOUND"
    assert api.code(ENTRY, {"at": 0}) == "NOT_FOUND"
