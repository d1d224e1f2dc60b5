"""Personal data: in clear for the roles that need it, null for others, opened once for a request, gone when erased."""

from typing import Any

import psycopg
import pytest

from api.graphql import access
from domain.vocabulary import Role
from tests.api.asking import Api

NAME, MAIL, STORY, SAID = "王小明", "ming@example.org", "我的表停了。", "Sie klang enttäuscht."
WHOLE = """query ($customer: UUID!, $case: UUID!) {
    customer(id: $customer) { name contactPoints { value } cases { nodes { description } }
        touchpoints { nodes { summary } } history { nodes { type data } } }
    caseReplay(id: $case) { steps { type data changes { field before after } } } }"""


@pytest.fixture(scope="module")
def person(api: Api) -> dict[str, str]:
    """A customer with personal text wherever there can be some; gives the variables to ask for it."""
    customer = api.done("registerCustomer", name=NAME)
    api.done("addContactPoint", id=customer, contact="home", kind="EMAIL", value=MAIL)
    case = api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE", description=STORY)
    api.done("recordTouchpoint", customerId=customer, caseId=case, channel="PHONE", direction="INBOUND",
             purpose="complaint", summary=SAID)  # fmt: skip
    return {"customer": customer, "case": case}


def data_of(told: dict[str, Any], type_: str) -> dict[str, Any]:
    (found,) = (node["data"] for node in told["customer"]["history"]["nodes"] if node["type"] == type_)
    data: dict[str, Any] = found
    return data


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ANALYST])
def test_roles_that_need_it_see_it(api: Api, person: dict[str, str], role: Role) -> None:
    told = api.ask(WHOLE, person, role=role)

    assert told["customer"]["name"] == NAME
    assert told["customer"]["contactPoints"] == [{"value": MAIL}]
    assert told["customer"]["cases"]["nodes"] == [{"description": STORY}]
    assert told["customer"]["touchpoints"]["nodes"] == [{"summary": SAID}]
    assert data_of(told, "Customer.Registered")["name"] == NAME
    assert data_of(told, "Customer.ContactPointAdded")["value"] == MAIL
    assert told["caseReplay"]["steps"][0]["data"]["description"] == STORY
    assert told["caseReplay"]["steps"][1]["data"]["summary"] == SAID


def test_an_analyst_sees_everything_but_the_person(api: Api, person: dict[str, str]) -> None:
    answer = api.send(WHOLE, person, role=Role.ANALYST)
    told = answer.json()["data"]

    assert told["customer"]["name"] is None
    assert told["customer"]["contactPoints"] == [{"value": None}]
    assert told["customer"]["cases"]["nodes"] == [{"description": None}]
    assert told["customer"]["touchpoints"]["nodes"] == [{"summary": None}]
    added = data_of(told, "Customer.ContactPointAdded")
    assert (added["value"], added["contact"], added["kind"]) == (None, "home", "email")
    opened = told["caseReplay"]["steps"][0]["data"]
    assert (opened["description"], opened["kind"]) == (None, "complaint")
    assert "s1." not in answer.text
    for text in (NAME, MAIL, STORY, SAID):
        assert text not in answer.text


def test_ciphertext_is_shown_to_nobody(api: Api, person: dict[str, str]) -> None:
    for role in Role:
        assert "s1." not in api.send(WHOLE, person, role=role).text


def test_personal_data_is_no_part_of_what_changed(api: Api, person: dict[str, str]) -> None:
    changes = api.ask(WHOLE, person)["caseReplay"]["steps"][0]["changes"]

    assert "description" not in {change["field"] for change in changes}
    assert {"field": "state", "before": None, "after": "open"} in changes


def test_all_sealed_values_of_a_request_are_opened_at_once(
    api: Api, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault, calls = api.desk.vault, []
    opening = vault.open_held
    monkeypatch.setattr(vault, "open_held", lambda values: calls.append(len(values)) or opening(values))
    monkeypatch.setattr(vault, "open_many", lambda values: pytest.fail("the keys are in memory"))

    api.ask(WHOLE, person)

    assert calls == [10]


def test_keys_that_are_not_in_memory_are_looked_up_together(
    api: Api, person: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    vault = api.desk.vault
    monkeypatch.setattr(vault, "_keys", {})

    assert api.ask(WHOLE, person)["customer"]["name"] == NAME


def test_nothing_is_opened_for_an_analyst(api: Api, person: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for opening in ("open_held", "open_many"):
        monkeypatch.setattr(api.desk.vault, opening, lambda _: pytest.fail("opened for an analyst"))

    api.ask(WHOLE, person, role=Role.ANALYST)


def test_of_an_erased_person_only_the_facts_remain(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api = fresh_api
    customer = api.done("registerCustomer", name=NAME, country="CN")
    with psycopg.connect(api.url, autocommit=True) as admin:
        admin.execute("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s", (customer,))
    monkeypatch.setattr(api.desk.vault, "_keys", {})

    told = api.ask(
        "query ($id: UUID!) { customer(id: $id) { name country history { nodes { data } } } }", {"id": customer}
    )

    assert told["customer"]["name"] is None
    assert told["customer"]["country"] == "CN"
    assert told["customer"]["history"]["nodes"][0]["data"]["name"] is None


def test_a_value_that_was_altered_is_told_and_not_shown(fresh_api: Api) -> None:
    api = fresh_api
    one, other = api.done("registerCustomer", name=NAME), api.done("registerCustomer", name="Ada")
    with psycopg.connect(api.url, autocommit=True) as admin:
        (table,) = (
            admin.execute("SELECT table_name FROM books.builds WHERE model = 'customer_profile'").fetchone() or ()
        )
        swap = f"UPDATE books.{table} SET name = left(name, -8) || 'AAAAAAA=' WHERE customer_id = %s"
        admin.execute(swap.encode(), (one,))

    assert api.code("query ($id: UUID!) { customer(id: $id) { name } }", {"id": one}) == "VAULT"
    assert api.ask("query ($id: UUID!) { customer(id: $id) { name } }", {"id": other})["customer"] == {"name": "Ada"}


@pytest.mark.parametrize("role", list(Role))
def test_the_audit_trail_is_for_those_who_oversee(api: Api, person: dict[str, str], role: Role) -> None:
    query = "{ auditTrail(first: 1) { nodes { position } } }"

    if role in access.STEWARDS:
        assert len(api.ask(query, role=role)["auditTrail"]["nodes"]) == 1
    else:
        (error,) = api.errors(query, role=role)
        assert error["extensions"]["code"] == "FORBIDDEN"
        assert (
            error["message"]
            == f"The role {role.value} may not read auditTrail; ask for one of: supervisor, auditor, admin."
        )


@pytest.mark.parametrize("role", list(Role))
def test_metrics_are_not_for_agents(api: Api, role: Role) -> None:
    for query in ("{ repeatPurchaseRate { position } }", '{ metric(name: "repeat_purchase_rate") { position } }'):
        if role in access.METRICS:
            api.ask(query, role=role)
        else:
            assert api.code(query, role=role) == "FORBIDDEN"


def test_a_plan_made_for_one_role_is_not_used_for_another(api: Api, person: dict[str, str]) -> None:
    query = "{ auditTrail(first: 2) { nodes { position type } } }"
    api.ask(query, role=Role.AUDITOR)

    assert api.code(query, role=Role.ANALYST) == "FORBIDDEN"
    api.ask(query, role=Role.AUDITOR)


def test_a_refused_field_does_not_take_the_others_with_it(api: Api, person: dict[str, str]) -> None:
    told = api.send(
        'query ($id: UUID!) { a: customer(id: $id) { id } b: metric(name: "tier_mix") { name } }',
        {"id": person["customer"]},
        role=Role.AGENT,
    ).json()

    assert told["data"] is None, "a metric is never null, so the whole answer is"
    assert [error["path"] for error in told["errors"]] == [["b"]]
