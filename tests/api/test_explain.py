"""Explaining a row: every entry that made it, with what it changed; void, amended and merged ones told as such."""

import json
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from rich.console import Console

from api.cli import explain as command
from api.cli.instants import parse_instant, parse_moment
from api.opening import opened_entries
from domain.vocabulary import Role
from projections.engine import explaining
from projections.engine.as_of import AsOf, resolve
from projections.engine.explaining import explain
from projections.engine.model import models
from tests.api.asking import Api

EXPLAIN = """query ($model: ReadModelName!, $key: String!, $asOf: AsOf) {
    explain(readModel: $model, key: $key, asOf: $asOf) { readModel version key position steps {
        position type occurredAt recordedAt actorKind actorId actorRole streamId streamVersion commandId data
        voidedBy amendedBy enteredFor error changes { field before after } } } }"""


class Story:
    """A customer with a case, of which one entry is void and one amended, and whom another turned out to be."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.ada = api.done("registerCustomer", name="Ada", country="FR", role=Role.AGENT, subject="ann")
        self.twin = api.done("registerCustomer", name="A. Lovelace")
        api.done("addContactPoint", id=self.ada, contact="home", kind="EMAIL", value="ada@example.org")
        self.case = api.done("openCase", customerId=self.ada, kind="REQUEST", channel="PHONE", description="Kaputt.")
        api.done("acknowledgeCase", id=self.case, channel="EMAIL")
        assigned = api.do("assignCase", id=self.case, handler="bob")
        self.voided = api.do("voidEntry", position=assigned["position"], reason="the wrong case")["position"]
        (opened,) = self.positions("Case.Opened")
        self.before_amending = self.voided
        self.amended = api.do("amendEntry", position=opened, changes={"kind": "complaint"}, reason="it was one")[
            "position"
        ]
        api.done("recordTouchpoint", customerId=self.twin, channel="CHAT", direction="INBOUND", purpose="question")
        self.merged = api.do("mergeCustomer", id=self.twin, survivorId=self.ada, reason="one address")["position"]

    def positions(self, kind: str) -> list[int]:
        query = "query ($case: UUID) { customerHistory(caseId: $case, first: 100) { nodes { position type } } }"
        nodes = self.api.ask(query, {"case": self.case})["customerHistory"]["nodes"]
        return [node["position"] for node in nodes if node["type"] == kind]

    def explain(self, model: str, key: Any, as_of: dict[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        told = self.api.ask(EXPLAIN, {"model": model, "key": str(key), "asOf": as_of}, **kwargs)["explain"]
        assert (told["readModel"], told["key"]) == (model, str(key))
        found: dict[str, Any] = told
        return found


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def by_type(told: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {step["type"]: step for step in told["steps"]}


def changed(step: dict[str, Any]) -> dict[str, tuple[Any, Any]]:
    return {change["field"]: (change["before"], change["after"]) for change in step["changes"]}


def test_every_entry_tells_who_did_what_and_what_it_changed(story: Story) -> None:
    told = story.explain("CASE_REGISTER", story.case)

    assert told["version"] == models()["case_register"].spec.version
    assert [step["type"] for step in told["steps"]] == [
        "Case.Opened", "Case.Acknowledged", "Case.Assigned", "Entry.Voided", "Entry.Amended"
    ]  # fmt: skip
    steps = by_type(told)
    opened, acknowledged = (
        datetime.fromisoformat(steps[kind]["occurredAt"]) for kind in ("Case.Opened", "Case.Acknowledged")
    )
    # A stored instant has all six digits of its microseconds, one of the API has none that are zero at the end.
    found = {
        field: tuple(datetime.fromisoformat(value) if value and field.endswith("At") else value for value in values)
        for field, values in changed(steps["Case.Acknowledged"]).items()
    }
    assert found == {
        "state": ("open", "acknowledged"),
        "acknowledgedAt": (None, acknowledged),
        "lastAt": (opened, acknowledged),
        "version": (1, 2),
    }
    assert steps["Case.Opened"]["actorId"] == "sue"


def test_a_void_entry_says_by_which_and_changes_nothing(story: Story) -> None:
    step = by_type(story.explain("CASE_REGISTER", story.case))["Case.Assigned"]

    assert (step["voidedBy"], step["changes"]) == (story.voided, [])
    before = by_type(story.explain("CASE_REGISTER", story.case, {"position": story.voided - 1}))["Case.Assigned"]
    assert (before["voidedBy"], changed(before)["handler"]) == (None, (None, "bob"))


def test_an_amended_entry_says_by_which_and_changes_what_it_now_says(story: Story) -> None:
    step = by_type(story.explain("CASE_REGISTER", story.case))["Case.Opened"]

    assert (step["amendedBy"], step["data"]["kind"], changed(step)["kind"]) == (
        story.amended, "request", (None, "complaint")
    )  # fmt: skip
    before = by_type(story.explain("CASE_REGISTER", story.case, {"position": story.before_amending}))["Case.Opened"]
    assert (before["amendedBy"], changed(before)["kind"]) == (None, (None, "request"))


def test_what_was_entered_for_a_merged_customer_says_so(story: Story) -> None:
    told = story.explain("CUSTOMER_PROFILE", story.ada)

    assert told["position"] >= story.merged
    entered_for = {step["type"]: step["enteredFor"] for step in told["steps"] if step["enteredFor"]}
    assert entered_for == {"Touchpoint.Recorded": story.twin, "Customer.Merged": story.twin}
    assert changed(by_type(told)["Customer.Merged"]) == {"merged": ([], [story.twin])}
    assert changed(by_type(told)["Touchpoint.Recorded"])["touchpointCount"] == (0, 1)
    variables = {"model": "CUSTOMER_PROFILE", "key": story.twin}
    (error,) = story.api.errors(EXPLAIN, variables)
    assert error["extensions"] == {"code": "EXPLAIN_MERGED", "field": "key"}
    assert error["message"] == f"This customer was merged into {story.ada}; ask for that one."


def test_a_row_that_marks_its_corrections_is_explained_by_them(story: Story) -> None:
    (assigned,) = story.positions("Case.Assigned")

    entered, void = story.explain("CUSTOMER_HISTORY", assigned)["steps"]

    assert (entered["voidedBy"], changed(entered)["type"]) == (story.voided, (None, "Case.Assigned"))
    assert (void["position"], changed(void)) == (story.voided, {"voidedBy": (None, story.voided)})


def test_personal_text_is_told_with_its_entry_for_those_who_may_see_it(story: Story) -> None:
    for role in (Role.AGENT, Role.ANALYST):
        told = story.explain("CUSTOMER_PROFILE", story.ada, role=role)
        steps = by_type(told)

        shown = role is Role.AGENT
        assert steps["Customer.Registered"]["data"]["name"] == ("Ada" if shown else None)
        assert steps["Customer.ContactPointAdded"]["data"]["value"] == ("ada@example.org" if shown else None)
        (point,) = changed(steps["Customer.ContactPointAdded"])["contactPoints"][1]
        assert point == {"contact": "home", "kind": "email", "invalid": None, "stated_of": None}
        assert "name" not in changed(steps["Customer.Registered"])
        assert "s1." not in json.dumps(told)


@pytest.mark.parametrize(("role", "may"), [(Role.AGENT, False), (Role.ANALYST, False), (Role.AUDITOR, True)])
def test_who_may_not_read_a_row_may_not_have_it_explained(story: Story, role: Role, may: bool) -> None:
    variables = {"model": "AUDIT_TRAIL", "key": str(story.merged)}

    if may:
        assert len(story.api.ask(EXPLAIN, variables, role=role)["explain"]["steps"]) == 1
    else:
        assert story.api.code(EXPLAIN, variables, role=role) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("model", "key", "code", "said"),
    [
        ("REMEDIES", "x", "EXPLAIN_BAD_KEY", "A row of remedies is named by its remedy_id, a UUID, not by 'x'."),
        ("SALES", "one", "EXPLAIN_BAD_KEY", "A row of sales is named by its position, a whole number, not by 'one'."),
        ("CASE_REGISTER", str(UUID(int=7)), "NOT_FOUND",
         f"There is no row of case_register with the id {UUID(int=7)}."),
        ("SALES", "1", "NOT_FOUND", "There is no row of sales with the id 1."),
    ],
)  # fmt: skip
def test_a_key_that_names_nothing_is_refused(story: Story, model: str, key: str, code: str, said: str) -> None:
    (error,) = story.api.errors(EXPLAIN, {"model": model, "key": key})

    assert (error["extensions"]["code"], error["message"]) == (code, said)


def test_a_row_without_end_is_refused(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(explaining, "STEPS_MAX", 4)

    assert story.api.code(EXPLAIN, {"model": "CASE_REGISTER", "key": story.case}) == "EXPLAIN_TOO_LONG"
    assert len(story.explain("CASE_REGISTER", story.case, {"position": story.voided - 1})["steps"]) == 3


def told(story: Story, model: str, key: str) -> list[explaining.Explained]:
    with story.api.desk.pool.connection() as connection:
        steps = explain(connection, models()[model], UUID(key), resolve(connection, AsOf()).cut)
    entries = opened_entries(story.api.desk.vault, [step.entry for step in steps])
    return [step._replace(entry=entry) for step, entry in zip(steps, entries, strict=True)]


def test_in_a_terminal_it_is_readable(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "out", Console(width=200, record=True, highlight=False))

    for step in (*told(story, "case_register", story.case), *told(story, "customer_profile", story.ada)):
        command._show(step)

    lines = command.out.export_text().splitlines()
    assert any(line.endswith(f"Case.Opened  by sue (supervisor)  amended by #{story.amended}") for line in lines)
    assert any(line.endswith(f"Case.Assigned  by sue (supervisor)  void by #{story.voided}") for line in lines)
    assert any(line.endswith(f"Touchpoint.Recorded  by sue (supervisor)  entered for {story.twin}") for line in lines)
    assert "    → kind: – → complaint" in lines
    assert "    name: Ada" in lines
    assert f"    → merged: – → {story.twin}" in lines


def test_as_json_it_is_for_programs(story: Story) -> None:
    steps = [command._as_object(step) for step in told(story, "case_register", story.case)]

    assert steps[0]["amended_by"] == story.amended
    assert steps[0]["data"]["description"] == "Kaputt."
    assert {"field": "kind", "before": None, "after": "complaint"} in steps[0]["changes"]
    assert (steps[2]["voided_by"], steps[2]["changes"], steps[2]["entered_for"]) == (story.voided, [], None)


@pytest.mark.parametrize(
    ("as_of", "until", "asked"),
    [
        (None, None, AsOf()),
        ("17", None, AsOf(position=17)),
        ("2026-01-01T00:00:00Z", None, AsOf(recorded_at=parse_instant("2026-01-01T00:00:00Z"))),
        ("17", "2026-01-01T00:00:00Z", AsOf(position=17, occurred_at=parse_instant("2026-01-01T00:00:00Z"))),
    ],
)
def test_the_command_takes_a_position_or_an_instant(as_of: str | None, until: str | None, asked: AsOf) -> None:
    assert parse_moment(as_of, until) == asked
