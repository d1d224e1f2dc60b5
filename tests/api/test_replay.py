"""Replaying a case: each entry with who, when and what it changed; the last step is what the register shows."""

import json
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from rich.console import Console

from api import replay as replaying
from api.cli import replay as command
from api.cli.operator import operator
from api.replay import Step, opened, replay
from domain.case import Case
from domain.vocabulary import Role
from ledger import database
from tests.api.asking import Api, open_api

REPLAY = """query ($id: UUID!, $at: Long) { caseReplay(id: $id, atPosition: $at) { id steps {
    position type occurredAt recordedAt actorKind actorId actorRole commandId streamId streamVersion data
    stateBefore stateAfter voidedBy amendedBy changes { field before after } } } }"""


@pytest.fixture(scope="module")
def case(api: Api) -> str:
    """A case with a touchpoint, an assignment that was a mistake, and a remedy."""
    api.done("publishRemedyAuthority", role=Role.ADMIN, effectiveFrom="2020-01-01T00:00:00Z", currency="EUR",
             limits=[{"role": "SUPERVISOR", "amountMinor": 5000}])  # fmt: skip
    customer = api.done("registerCustomer", name="Ada")
    case = api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE", description="Kaputt.",
                    occurredAt="2026-01-01T10:00:00Z", role=Role.AGENT, subject="ann")  # fmt: skip
    api.done("recordTouchpoint", customerId=customer, caseId=case, channel="PHONE", direction="INBOUND", purpose="x")
    api.done("acknowledgeCase", id=case, channel="EMAIL")
    mistake = api.do("assignCase", id=case, handler="bob")
    api.done("offerRemedy", caseId=case, kind="VOUCHER", amountMinor=500, currency="EUR")
    payload = api.do("voidEntry", position=mistake["position"], reason="the wrong case")
    assert payload["userErrors"] == []
    return case


def steps_of(api: Api, case: str, at: int | None = None) -> list[dict[str, Any]]:
    steps: list[dict[str, Any]] = api.ask(REPLAY, {"id": case, "at": at})["caseReplay"]["steps"]
    return steps


def test_every_step_tells_who_did_what_and_what_it_changed(api: Api, case: str) -> None:
    opening, contact, acknowledged, assigned, remedy, void = steps_of(api, case)

    assert [step["type"] for step in (opening, contact, acknowledged, assigned, remedy, void)] == [
        "Case.Opened", "Touchpoint.Recorded", "Case.Acknowledged", "Case.Assigned", "Remedy.Offered", "Entry.Voided"
    ]  # fmt: skip
    assert (opening["actorKind"], opening["actorId"], opening["actorRole"]) == ("EMPLOYEE", "ann", "AGENT")
    assert opening["occurredAt"] == "2026-01-01T10:00:00+00:00"
    assert (opening["stateBefore"], opening["stateAfter"]) == (None, "OPEN")
    assert opening["data"]["description"] == "Kaputt."
    assert (contact["stateBefore"], contact["stateAfter"], contact["changes"]) == ("OPEN", "OPEN", [])
    assert (acknowledged["stateBefore"], acknowledged["stateAfter"]) == ("OPEN", "ACKNOWLEDGED")
    assert {"field": "handler", "before": None, "after": "bob"} in assigned["changes"]
    assert {"field": "state", "before": "acknowledged", "after": "in_progress"} in assigned["changes"]
    (offered,) = remedy["changes"]
    assert offered["field"] == "remedies"
    assert offered["before"] == []
    assert [(each["kind"], each["amount_minor"], each["state"]) for each in offered["after"]] == [
        ("voucher", 500, "offered")
    ]


def test_a_void_entry_takes_its_change_back(api: Api, case: str) -> None:
    *_, assigned, _remedy, void = steps_of(api, case)

    assert assigned["voidedBy"] == void["position"]
    assert {"field": "handler", "before": "bob", "after": None} in void["changes"]
    assert (void["stateBefore"], void["stateAfter"]) == ("IN_PROGRESS", "ACKNOWLEDGED")


def test_the_last_step_is_what_the_register_shows(api: Api, case: str) -> None:
    query = "query ($id: UUID!) { case(id: $id) { state handler assignments remedies { state } } }"
    shown = api.ask(query, {"id": case})["case"]

    last = steps_of(api, case)[-1]

    assert last["stateAfter"] == shown["state"] == "ACKNOWLEDGED"
    assert (shown["handler"], shown["assignments"], len(shown["remedies"])) == (None, 0, 1)


def test_an_amendment_changes_what_was_known_when_it_was_made(api: Api) -> None:
    customer = api.done("registerCustomer", name="Ada")
    opened = api.do("openCase", customerId=customer, kind="REQUEST", channel="PHONE")
    api.done("acknowledgeCase", id=opened["id"], channel="EMAIL")
    amended = api.do("amendEntry", position=opened["position"], changes={"kind": "complaint"}, reason="it was one")

    first, _, last = steps_of(api, opened["id"])

    assert (first["amendedBy"], first["data"]["kind"]) == (amended["position"], "request")
    assert {"field": "kind", "before": None, "after": "request"} in first["changes"]
    assert (last["type"], last["amendedBy"]) == ("Entry.Amended", None)
    assert last["data"]["changes"] == {"kind": "complaint"}
    assert last["changes"] == [{"field": "kind", "before": "request", "after": "complaint"}]
    assert (last["stateBefore"], last["stateAfter"]) == ("ACKNOWLEDGED", "ACKNOWLEDGED")
    assert steps_of(api, opened["id"], at=amended["position"] - 1)[0]["amendedBy"] is None


def test_the_merges_of_its_customer_are_steps_of_a_case(api: Api) -> None:
    absorbed, survivor, last = (api.done("registerCustomer") for _ in range(3))
    opened = api.do("openCase", customerId=absorbed, kind="REQUEST", channel="PHONE")
    case = opened["id"]
    merge = api.do("mergeCustomer", id=absorbed, survivorId=survivor, reason="one address")
    api.done("acknowledgeCase", id=case, channel="EMAIL")
    api.done("mergeCustomer", id=survivor, survivorId=last)
    api.done("unmergeCustomer", id=survivor, reason="no")
    query = "query ($id: UUID!) { case(id: $id) { customerId } }"

    steps = steps_of(api, case)

    assert [step["type"] for step in steps] == [
        "Case.Opened", "Customer.Merged", "Case.Acknowledged", "Customer.Merged", "Customer.Unmerged"
    ]  # fmt: skip
    assert [step["changes"] for step in steps if step["type"].startswith("Customer.")] == [
        [{"field": "customerId", "before": before, "after": after}]
        for before, after in ((absorbed, survivor), (survivor, last), (last, survivor))
    ]
    assert (steps[1]["position"], steps[1]["data"]["reason"]) == (merge["position"], "one address")
    assert api.ask(query, {"id": case})["case"]["customerId"] == survivor
    assert len(steps_of(api, case, at=merge["position"] - 1)) == 1


def test_a_replay_at_a_position_knows_no_more_than_was_known_then(api: Api, case: str) -> None:
    whole = steps_of(api, case)
    before_the_void = whole[-2]["position"]

    earlier = steps_of(api, case, at=before_the_void)

    assert len(earlier) == 5
    assert [step["voidedBy"] for step in earlier] == [None] * 5
    assert earlier[-1]["stateAfter"] == "IN_PROGRESS"
    assert api.code(REPLAY, {"id": case, "at": whole[0]["position"] - 1}) == "CASE_NOT_YET_KNOWN"
    assert api.code(REPLAY, {"id": case, "at": 99_999}) == "AS_OF_TO_COME"
    assert api.code(REPLAY, {"id": case, "at": 0}) == "AS_OF_BEFORE_FIRST"


def test_there_is_no_replay_of_what_is_no_case(api: Api) -> None:
    assert api.code(REPLAY, {"id": str(uuid4())}) == "NOT_FOUND"


def test_a_case_without_end_is_refused(api: Api, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replaying, "STEPS_MAX", 5)

    assert api.code(REPLAY, {"id": case}) == "CASE_TOO_LONG"
    assert len(steps_of(api, case, at=steps_of_first(api, case))) == 1


def steps_of_first(api: Api, case: str) -> int:
    with psycopg.connect(api.url) as connection:
        row = connection.execute("SELECT min(position) FROM ledger.entries WHERE case_id = %s", (case,)).fetchone()
    assert row is not None
    position: int = row[0]
    return position


def seen(api: Api, steps: list[Step]) -> list[Step]:
    """The steps as an operator at the terminal sees them."""
    return opened(api.desk, steps, operator(), command.UUID(int=1))


def test_in_a_terminal_it_is_readable(api: Api, case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "out", Console(width=200, record=True, highlight=False))
    with api.desk.pool.connection() as connection:
        steps = seen(api, replay(connection, command.UUID(case)))

    for step in steps:
        command._show(step)

    lines = command.out.export_text().splitlines()
    assert f"#{steps[0].entry.position}  2026-01-01T10:00:00Z  Case.Opened  by ann (agent)" in lines
    assert "    description: Kaputt." in lines
    assert "    → state: acknowledged → in_progress" in lines
    assert "    → handler: bob → –" in lines
    assert any(line.endswith(f"void by #{steps[-1].entry.position}") for line in lines)
    assert any(line.startswith("    → remedies: – → ") and "amount minor 500" in line for line in lines)


def test_an_entry_of_an_older_form_is_amended_as_it_was_then_and_as_it_is_today(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Case.Opened, "upcast_v0_v1", staticmethod(upcast), raising=False)
    with open_api(url) as before:
        customer = before.done("registerCustomer", name="Ada")
        told = {"kind": "COMPLAINT", "channel": "PHONE", "description": "Kaputt.", "product": "cup"}
        case = before.do("openCase", customerId=customer, role=Role.AGENT, subject="ann", **told)
        amended = before.do("amendEntry", position=case["position"], changes={"product": "mug"}, reason="mistyped")
    with database.connect(url) as admin:
        admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER append_only")
        admin.execute(OLDER_OPENED, (case["position"],))
        admin.execute(OLDER_AMENDED, (amended["position"],))

    with open_api(url) as today:
        same = today.do("amendEntry", position=case["position"], changes={"product": "mug (old)"}, reason="again")
        other = today.do("amendEntry", position=case["position"], changes={"product": "jug"}, reason="again")
        opening, *later = steps_of(today, case["id"])

    assert [error["code"] for error in same["userErrors"]] == ["ENTRY_NOTHING_AMENDED"]
    assert (opening["data"]["product"], opening["data"]["description"]) == ("cup (old)", "Kaputt.")
    changed = [{change["field"]: change["after"] for change in step["changes"]} for step in (opening, *later)]
    assert [each["product"] for each in changed] == ["cup (old)", "mug (old)", "jug"]
    assert [step["data"]["amended_schema"] for step in later] == [0, 1]
    assert [step["position"] for step in later] == [amended["position"], other["position"]]


OLDER_OPENED = """
    UPDATE ledger.entries SET schema = 0, data = data - 'product' || jsonb_build_object('item', data -> 'product')
     WHERE position = %s"""
OLDER_AMENDED = """
    UPDATE ledger.entries SET data = data || '{"amended_schema": 0, "changes": {"item": "mug"}}' WHERE position = %s"""


def upcast(data: dict[str, Any]) -> dict[str, Any]:
    """Bring up an opening of a case from when it said item where it says product today."""
    return {field: value for field, value in data.items() if field != "item"} | {"product": f"{data['item']} (old)"}


def test_an_amended_entry_says_so_in_a_terminal(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "out", Console(width=200, record=True, highlight=False))
    opened_ = api.do("openCase", customerId=api.done("registerCustomer"), kind="REQUEST", channel="PHONE")
    amended = api.do("amendEntry", position=opened_["position"], changes={"kind": "complaint"}, reason="it was one")
    with api.desk.pool.connection() as connection:
        steps = seen(api, replay(connection, command.UUID(opened_["id"])))

    for step in steps:
        command._show(step)

    lines = command.out.export_text().splitlines()
    assert any(line.endswith(f"Case.Opened  by sue (supervisor)  amended by #{amended['position']}") for line in lines)
    assert "    changes: kind complaint" in lines
    assert "    → kind: request → complaint" in lines
    assert command._as_object(steps[0])["amended_by"] == amended["position"]


def test_as_json_it_is_for_programs(api: Api, case: str) -> None:
    with api.desk.pool.connection() as connection:
        steps = seen(api, replay(connection, command.UUID(case)))

    told = json.loads(json.dumps([command._as_object(step) for step in steps], default=str))

    assert told[0]["data"]["description"] == "Kaputt."
    assert (told[2]["before"], told[2]["after"]) == ("open", "acknowledged")
    assert told[0]["actor"] == {"kind": "employee", "id": "ann", "role": "agent"}
