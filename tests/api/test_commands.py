"""Commands over GraphQL: done once, or refused with a code and nothing recorded; what was written can be read."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import pytest

from domain.vocabulary import Role
from tests.api.asking import Api

NAMES = ["王小明", "Ωμέγα", "Владимир", "محمد", "José", "नमस्ते", "👩‍👩‍👧", "a\"b\\c'<>\u200f"]


def head(api: Api) -> int:
    position: int = api.ask("{ ledger { head } }")["ledger"]["head"]
    return position


def register(api: Api, **given: Any) -> str:
    return api.done("registerCustomer", **{"name": "Ada"} | given)


def open_case(api: Api, **given: Any) -> str:
    return api.done("openCase", **{"customerId": register(api), "kind": "COMPLAINT", "channel": "PHONE"} | given)


def case_of(api: Api, case: str, select: str) -> dict[str, Any]:
    found: dict[str, Any] = api.ask(f"query ($id: UUID!) {{ case(id: $id) {{ {select} }} }}", {"id": case})["case"]
    return found


def customer_of(api: Api, customer: str, select: str) -> dict[str, Any]:
    query = f"query ($id: UUID!) {{ customer(id: $id) {{ {select} }} }}"
    found: dict[str, Any] = api.ask(query, {"id": customer})["customer"]
    return found


def refusal(payload: dict[str, Any]) -> tuple[str, str | None]:
    (error,) = payload["userErrors"]
    assert payload["id"] is None
    assert payload["position"] is None
    return error["code"], error["field"]


def test_a_case_lives_from_its_opening_to_its_confirmed_close(api: Api) -> None:
    case = open_case(api, description="Die Uhr steht.")

    api.done("acknowledgeCase", id=case, channel="EMAIL", thanked=True)
    api.done("classifyCase", id=case, category="PRODUCT", severity="HIGH")
    api.done("assignCase", id=case, handler="bob")
    api.done("confirmCaseFacts", id=case, restatement="The watch stopped.", stepsTried=["winding it"])
    api.done("proposeSolution", id=case, kind="FIX")
    api.done("acceptSolution", id=case, expectation="MET")
    api.done("resolveCase", id=case, resolution="repaired")
    api.done("confirmCaseClosure", id=case, channel="PHONE")
    api.done("closeCase", id=case, basis="CUSTOMER_CONFIRMED")

    told = case_of(api, case, "state category severity handler closingBasis version proposals description")
    assert told == {
        "state": "CLOSED",
        "category": "PRODUCT",
        "severity": "HIGH",
        "handler": "bob",
        "closingBasis": "CUSTOMER_CONFIRMED",
        "version": 10,
        "proposals": 1,
        "description": "Die Uhr steht.",
    }


def test_a_broken_rule_is_a_user_error_and_nothing_is_recorded(api: Api) -> None:
    case = open_case(api)
    before = head(api)

    payload = api.do("resolveCase", "case { state } customer { id } entry { position }", id=case, resolution="x")

    assert refusal(payload) == ("CASE_NOT_ACKNOWLEDGED", None)
    assert payload["case"] is payload["customer"] is payload["entry"] is None
    assert head(api) == before


def test_a_refusal_names_the_field_at_fault_as_the_input_calls_it(api: Api) -> None:
    case = open_case(api)
    line = {"sku": "tea", "quantity": 1, "amountMinor": 2**53 + 1}

    assert refusal(api.do("acknowledgeCase", id=case, channel="PHONE", occurredAt="9000-01-01T00:00:00Z")) == (
        "OCCURRED_IN_FUTURE",
        "occurredAt",
    )
    assert refusal(api.do("openCase", customerId=str(uuid4()), kind="REQUEST", channel="CHAT"))[0] == "NOT_FOUND"
    assert refusal(api.do("registerCustomer", name=""))[0] == "INVALID_INPUT"
    assert refusal(api.do("recordPurchase", currency="EUR", lines=[line])) == (
        "INVALID_INPUT",
        "lines[0].amountMinor",
    )


def test_the_same_key_with_the_same_input_gives_the_first_answer(api: Api) -> None:
    key, customer = str(uuid4()), register(api)
    given = {"customerId": customer, "kind": "REQUEST", "channel": "CHAT", "idempotencyKey": key}
    first = api.do("openCase", **given)
    before = head(api)

    again = api.do("openCase", **given)

    assert again == first | {"repeated": True}
    assert head(api) == before


def test_the_same_key_with_other_input_is_refused(api: Api) -> None:
    key = str(uuid4())
    api.done("registerCustomer", name="Ada", idempotencyKey=key)

    assert refusal(api.do("registerCustomer", name="Grace", idempotencyKey=key)) == (
        "IDEMPOTENCY_CONFLICT",
        "idempotencyKey",
    )


def test_one_key_sent_many_times_at_once_is_done_once(api: Api) -> None:
    key = str(uuid4())
    before = head(api)
    query = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { id userErrors { code } } }"
    body = {"query": query, "variables": {"input": {"idempotencyKey": key, "name": "Ada"}}}
    headers = {"authorization": f"Bearer {api.token()}"}

    futures = [
        api.portal.start_task_soon(lambda: api.client.post("/graphql", json=body, headers=headers)) for _ in range(50)
    ]
    ids = {future.result().json()["data"]["registerCustomer"]["id"] for future in futures}

    assert len(ids) == 1
    assert head(api) == before + 1


def test_a_stale_version_is_refused_with_the_current_one(api: Api) -> None:
    case = open_case(api)
    api.done("acknowledgeCase", id=case, channel="PHONE", expectedVersion=1)

    payload = api.do("assignCase", id=case, handler="bob", expectedVersion=1)

    assert refusal(payload) == ("VERSION_CONFLICT", "expectedVersion")
    assert "at version 2" in payload["userErrors"][0]["message"]
    assert api.do("assignCase", id=case, handler="bob", expectedVersion=2)["version"] == 3


@pytest.mark.parametrize("role", [Role.ANALYST, Role.AUDITOR])
def test_a_role_that_may_not_is_told_who_may(api: Api, role: Role) -> None:
    before = head(api)

    payload = api.do("registerCustomer", role=role)

    assert refusal(payload) == ("FORBIDDEN", None)
    assert payload["userErrors"][0]["message"].endswith("ask for one of: agent, supervisor, admin.")
    assert head(api) == before


def test_who_acted_is_who_the_token_names(api: Api) -> None:
    customer = api.done("registerCustomer", role=Role.AGENT, subject="ann")

    query = "query ($id: UUID!) { customerHistory(customerId: $id) { nodes { actorId actorKind actorRole } } }"
    assert api.ask(query, {"id": customer})["customerHistory"]["nodes"] == [
        {"actorId": "ann", "actorKind": "EMPLOYEE", "actorRole": "AGENT"}
    ]


def test_what_happened_earlier_is_recorded_as_it_happened_to_the_microsecond(api: Api) -> None:
    customer = register(api, occurredAt="2020-02-29T12:00:00.123456+05:30")

    assert customer_of(api, customer, "registeredAt") == {"registeredAt": "2020-02-29T06:30:00.123456+00:00"}


@pytest.mark.parametrize(
    "given", ["2020-01-01", "2020-01-01T00:00:00", "2020-01-01 00:00:00Z", "yesterday", "2020-02-30T00:00:00Z"]
)
def test_an_instant_needs_its_offset(api: Api, given: str) -> None:
    query = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { id } }"

    assert (
        api.code(query, {"input": {"idempotencyKey": str(uuid4()), "occurredAt": given}}) == "GRAPHQL_VALIDATION_FAILED"
    )


def test_the_changed_objects_come_with_the_answer(api: Api) -> None:
    customer = register(api, name="Ada")

    payload = api.do(
        "openCase",
        "case { id state customer { name } } customer { caseCount } entry { position type data }",
        customerId=customer,
        kind="COMPLAINT",
        channel="PHONE",
        product="watch",
    )

    assert payload["case"] == {"id": payload["id"], "state": "OPEN", "customer": {"name": "Ada"}}
    assert payload["customer"] == {"caseCount": 1}
    assert payload["entry"]["position"] == payload["position"]
    assert payload["entry"]["type"] == "Case.Opened"
    assert payload["entry"]["data"]["product"] == "watch"


def test_an_object_that_is_not_posted_in_time_is_null_and_the_answer_stands(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.graphql.commands.PAYLOAD_S_MAX", 0.1)
    query = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { position customer { id } } }"

    payload = api.ask(query, {"input": {"idempotencyKey": str(uuid4())}})["registerCustomer"]

    assert payload == {"position": head(api), "customer": None}
    api.post_entries()


def test_a_remedy_above_authority_needs_another_person(api: Api) -> None:
    limits = [{"role": "AGENT", "amountMinor": 1000}, {"role": "SUPERVISOR", "amountMinor": 50_000}]
    in_force = {"effectiveFrom": "2020-01-01T00:00:00Z", "currency": "EUR"}
    api.done("publishRemedyAuthority", role=Role.ADMIN, limits=limits, **in_force)
    case, worth = open_case(api), {"kind": "REFUND", "amountMinor": 2000, "currency": "EUR"}
    by = {"role": Role.AGENT, "subject": "ann"}

    assert refusal(api.do("offerRemedy", caseId=case, **worth, **by)) == ("REMEDY_ABOVE_AUTHORITY", "amountMinor")
    remedy = api.done("requestRemedyApproval", caseId=case, reason="twice broken", **worth, **by)
    assert refusal(api.do("approveRemedy", id=remedy, role=Role.SUPERVISOR, subject="ann"))[0] == "REMEDY_OWN_REQUEST"
    api.done("approveRemedy", id=remedy, subject="sue")
    api.done("offerApprovedRemedy", id=remedy, **by)
    api.done("acceptRemedy", id=remedy, **by)
    payload = api.do("fulfilRemedy", "remedy { state approved amountMinor } case { id }", id=remedy, **by)

    assert payload["remedy"] == {"state": "FULFILLED", "approved": True, "amountMinor": 2000}
    assert payload["case"] == {"id": case}
    assert case_of(api, case, "remedies { remedyId state amountMinor currency }")["remedies"] == [
        {"remedyId": remedy, "state": "FULFILLED", "amountMinor": 2000, "currency": "EUR"}
    ]
    assert refusal(api.do("fulfilRemedy", id=remedy, **by))[0] == "REMEDY_ALREADY_FULFILLED"


def test_a_purchase_and_its_return_take_lines(api: Api) -> None:
    customer = register(api)
    lines = [
        {"sku": "tea", "quantity": 2, "amountMinor": 1000, "name": "绿茶"},
        {"sku": "cup", "quantity": 1, "amountMinor": 500},
    ]
    purchase = api.done("recordPurchase", customerId=customer, currency="EUR", lines=lines)

    too_many = api.do("returnPurchase", id=purchase, lines=[{"sku": "tea", "quantity": 3, "amountMinor": 100}])
    api.done("returnPurchase", id=purchase, lines=[{"sku": "tea", "quantity": 1, "amountMinor": 500}])

    assert refusal(too_many) == ("PURCHASE_RETURNED_TOO_MANY", "lines")
    told = customer_of(
        api, customer, "sales { nodes { kind amountMinor pieces } } purchaseBehaviour { purchases returns }"
    )
    assert told["sales"]["nodes"] == [
        {"kind": "RETURN", "amountMinor": -500, "pieces": -1},
        {"kind": "PURCHASE", "amountMinor": 1500, "pieces": 3},
    ]
    assert told["purchaseBehaviour"] == {"purchases": 1, "returns": 1}


def test_a_purchase_of_an_unknown_customer_is_taken(api: Api) -> None:
    line = {"sku": "tea", "quantity": 1, "amountMinor": 2**53}

    payload = api.do("recordPurchase", "customer { id } entry { customerId }", currency="EUR", lines=[line])

    assert payload["userErrors"] == []
    assert payload["customer"] is None
    assert payload["entry"] == {"customerId": None}
    sale = api.ask("{ sales(first: 1) { nodes { amountMinor customerId } } }")["sales"]["nodes"]
    assert sale == [{"amountMinor": 2**53, "customerId": None}]


def test_a_void_entry_stays_on_record_and_no_longer_counts(api: Api) -> None:
    customer = register(api)
    purchase = api.do("recordPurchase", customerId=customer, currency="EUR",
                      lines=[{"sku": "tea", "quantity": 1, "amountMinor": 900}])  # fmt: skip

    own = api.do("voidEntry", position=purchase["position"], reason="typed twice")
    payload = api.do("voidEntry", position=purchase["position"], reason="typed twice", subject="bob")

    assert refusal(own)[0] == "ENTRY_SECOND_PERSON"
    assert payload["userErrors"] == []
    told = customer_of(api, customer, "history { nodes { type voidedBy } } purchaseBehaviour { purchases }")
    assert told["history"]["nodes"] == [
        {"type": "Entry.Voided", "voidedBy": None},
        {"type": "Purchase.Recorded", "voidedBy": payload["position"]},
        {"type": "Customer.Registered", "voidedBy": None},
    ]
    assert (told["purchaseBehaviour"] or {"purchases": 0})["purchases"] == 0


@pytest.mark.parametrize("name", NAMES)
def test_text_in_any_script_comes_back_as_it_went_in(api: Api, name: str) -> None:
    customer = register(api, name=name, country=name)
    case = open_case(api, customerId=customer, description=name, remedySought=name)

    told = customer_of(api, customer, "name country cases { nodes { description } } history { nodes { data } }")
    assert (told["name"], told["country"]) == (name, name)
    assert told["cases"]["nodes"] == [{"description": name}]
    assert told["history"]["nodes"][0]["data"]["remedy_sought"] == name
    steps = api.ask("query ($id: UUID!) { caseReplay(id: $id) { steps { data } } }", {"id": case})["caseReplay"][
        "steps"
    ]
    assert steps[0]["data"]["description"] == name


@pytest.mark.parametrize("text", ["\x00", "a\x00b"])
def test_text_that_cannot_be_kept_is_refused(api: Api, text: str) -> None:
    assert refusal(api.do("registerCustomer", name=text))[0] == "INVALID_INPUT"


def test_a_contact_point_is_added_and_invalidated(api: Api) -> None:
    customer = register(api)
    api.done("addContactPoint", id=customer, contact="home", kind="EMAIL", value="ada@example.org")
    payload = api.do("invalidateContactPoint", "customer { contactPoints { contact kind value invalid } version }",
                     id=customer, contact="home", reason="BOUNCED")  # fmt: skip

    assert payload["customer"] == {
        "contactPoints": [{"contact": "home", "kind": "EMAIL", "value": "ada@example.org", "invalid": "BOUNCED"}],
        "version": 3,
    }


def test_a_default_of_the_domain_holds_where_nothing_is_given(api: Api) -> None:
    customer = api.done("registerCustomer")

    assert customer_of(api, customer, "kind name") == {"kind": "PERSON", "name": None}


def test_policies_are_published_as_versions_and_held_to(api: Api) -> None:
    later = (datetime.now(UTC) - timedelta(days=1)).isoformat()
    told = {"acknowledgeWithinS": 3600, "resolveWithinS": 86_400, "role": Role.ADMIN}
    first = api.do("publishServiceTargets", effectiveFrom="2021-01-01T00:00:00Z", **told)
    second = api.do("publishServiceTargets", effectiveFrom=later, **told | {"reopenWithinDays": 30})

    assert second["version"] == first["version"] + 1
    case = open_case(api, occurredAt="2022-01-01T00:00:00Z")
    assert case_of(api, case, "acknowledgeDueAt resolveDueAt policyVersion") == {
        "acknowledgeDueAt": "2022-01-01T01:00:00+00:00",
        "resolveDueAt": "2022-01-02T00:00:00+00:00",
        "policyVersion": first["version"],
    }


def test_several_mutations_of_one_request_are_done_in_order(api: Api) -> None:
    query = """mutation ($a: RegisterCustomerInput!, $b: RegisterCustomerInput!) {
        first: registerCustomer(input: $a) { position } second: registerCustomer(input: $b) { position } }"""
    before = head(api)

    told = api.ask(query, {"a": {"idempotencyKey": str(uuid4())}, "b": {"idempotencyKey": str(uuid4())}})

    assert told == {"first": {"position": before + 1}, "second": {"position": before + 2}}
    api.post_entries()


def test_the_id_of_what_is_made_follows_from_the_key_so_that_it_can_be_told_before(api: Api) -> None:
    key = uuid4()

    first = api.done("registerCustomer", idempotencyKey=str(key))

    assert UUID(first) != key
    assert api.done("registerCustomer", idempotencyKey=str(key)) == first
