"""Who looked stands in the audit trail beside what was written."""

from typing import Any

import pytest

from api.cli import explain as explaining
from api.cli.operator import operator
from domain.vocabulary import Role
from ledger import database, looks
from tests.api.asking import Api

LOOKS = """query ($customer: UUID!) { looks(customerId: $customer, oldestFirst: true) {
    nodes { actorId actorRole purpose fields taken customerId } } }"""
TRAIL = "{ auditTrail(oldestFirst: true) { nodes { type actorId } } }"
PAGE = "query ($id: UUID!) { customer(id: $id) { name cases { nodes { description } } } }"


@pytest.fixture
def person(fresh_api: Api) -> dict[str, str]:
    """A customer with a case, both with personal text."""
    customer = fresh_api.done("registerCustomer", name="王小明", subject="ann")
    case = fresh_api.done(
        "openCase", customerId=customer, kind="COMPLAINT", channel="PHONE", description="Kaputt.", subject="ann"
    )
    return {"customer": customer, "case": case}


def looked(api: Api, customer: str) -> list[dict[str, Any]]:
    """What was looked at, as an auditor sees it, once it is entered and posted."""
    api.desk.looks.enter()
    api.post_entries()
    nodes: list[dict[str, Any]] = api.ask(LOOKS, {"customer": customer}, role=Role.AUDITOR)["looks"]["nodes"]
    return nodes


def test_an_answer_with_personal_text_is_a_look_however_often_it_is_asked(
    fresh_api: Api, person: dict[str, str]
) -> None:
    for _ in range(3):
        fresh_api.ask(PAGE, {"id": person["customer"]}, role=Role.AGENT, subject="bob")

    assert looked(fresh_api, person["customer"]) == [
        {
            "actorId": "bob", "actorRole": "AGENT", "purpose": "ANSWER", "fields": ["description", "name"],
            "taken": None, "customerId": person["customer"],
        }
    ]  # fmt: skip


def test_reads_stand_beside_writes_in_the_audit_trail_and_not_in_the_history(
    fresh_api: Api, person: dict[str, str]
) -> None:
    fresh_api.ask(PAGE, {"id": person["customer"]}, role=Role.AGENT, subject="bob")
    looked(fresh_api, person["customer"])

    trail = fresh_api.ask(TRAIL, role=Role.AUDITOR)["auditTrail"]["nodes"]
    assert [(node["type"], node["actorId"]) for node in trail] == [
        ("Customer.Registered", "ann"), ("Case.Opened", "ann"), ("Look.Recorded", "bob"),
    ]  # fmt: skip
    history = "query ($customer: UUID!) { customer(id: $customer) { history { nodes { type } } } }"
    told = fresh_api.ask(history, {"customer": person["customer"]})["customer"]["history"]["nodes"]
    assert {node["type"] for node in told} == {"Customer.Registered", "Case.Opened"}


def test_who_sees_nothing_personal_has_not_looked(fresh_api: Api, person: dict[str, str]) -> None:
    fresh_api.ask(PAGE, {"id": person["customer"]}, role=Role.ANALYST)
    fresh_api.ask("query ($id: UUID!) { customer(id: $id) { country } }", {"id": person["customer"]})

    assert looked(fresh_api, person["customer"]) == []


def test_a_replay_is_told_even_of_who_sees_no_personal_text(fresh_api: Api, person: dict[str, str]) -> None:
    replay = "query ($id: UUID!) { caseReplay(id: $id) { steps { type data } } }"
    fresh_api.ask(replay, {"id": person["case"]}, role=Role.ANALYST, subject="ana")
    fresh_api.ask(replay, {"id": person["case"]}, role=Role.AUDITOR, subject="sue")

    told = [(look["actorId"], look["purpose"], look["fields"]) for look in looked(fresh_api, person["customer"])]
    assert told == [("ana", "REPLAY", []), ("sue", "REPLAY", ["description"])]
    assert looked(fresh_api, person["customer"])[0]["taken"] == f"case {person['case']}"


def test_looks_are_for_stewards(fresh_api: Api, person: dict[str, str]) -> None:
    for role in (Role.AGENT, Role.ANALYST):
        assert fresh_api.code(LOOKS, {"customer": person["customer"]}, role=role) == "FORBIDDEN"


def test_a_row_explained_at_the_terminal_is_a_look_of_its_operator(
    fresh_api: Api, person: dict[str, str], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(explaining, "load", lambda: fresh_api.settings)

    explaining.explain_("case_register", person["case"], json=True)

    assert "Kaputt." in capsys.readouterr().out
    assert [(look["actorId"], look["purpose"], look["fields"], look["taken"])
            for look in looked(fresh_api, person["customer"])] == [
        (operator().id, "EXPLANATION", ["description"], f"case_register {person['case']}")
    ]  # fmt: skip


def test_each_part_of_a_request_that_takes_something_is_a_look(fresh_api: Api, person: dict[str, str]) -> None:
    other = fresh_api.done("registerCustomer", name="Ada", subject="ann")
    fresh_api.post_entries()
    asked = """query ($case: UUID!, $other: UUID!) {
        first: entry(position: 1) { data proof { reason } } second: entry(position: 3) { data proof { reason } }
        caseReplay(id: $case) { steps { data } } customer(id: $other) { name } }"""
    fresh_api.ask(asked, {"case": person["case"], "other": other}, role=Role.AUDITOR, subject="sue")

    mine, others = looked(fresh_api, person["customer"]), looked(fresh_api, other)
    assert [(look["purpose"], look["taken"], look["fields"]) for look in mine] == [
        ("PROOF", "entry 1", ["description", "name"]),
        ("REPLAY", f"case {person['case']}", ["description", "name"]),
    ]
    assert [(look["purpose"], look["taken"], look["fields"]) for look in others] == [("PROOF", "entry 3", ["name"])]


def test_what_cannot_be_noted_is_not_shown(
    fresh_api: Api, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Reading may work where writing does not: then as much is seen as can wait in memory, and no more."""
    fresh_api.post_entries()
    with database.connect(fresh_api.url) as admin:
        admin.execute("REVOKE EXECUTE ON FUNCTION ledger.append FROM daybook_api")
        monkeypatch.setattr(looks, "WAITING_MAX", 1)
        seen = fresh_api.ask(PAGE, {"id": person["customer"]}, role=Role.AGENT, subject="bob")
        told = fresh_api.send(PAGE, {"id": person["customer"]}, role=Role.AGENT, subject="eve").json()
        admin.execute("GRANT EXECUTE ON FUNCTION ledger.append TO daybook_api")

    assert seen["customer"]["name"] == "王小明"
    assert told["data"] == {"customer": {"name": None, "cases": {"nodes": [{"description": None}]}}}
    assert len(told["errors"]) == 1
    assert [look["actorId"] for look in looked(fresh_api, person["customer"])] == ["bob"]
