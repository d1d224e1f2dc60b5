"""What a person may ask for, over GraphQL: to be forgotten, with a receipt, and to be told everything that is held."""

import base64
import json
import re
from collections.abc import Iterator
from typing import Any
from uuid import UUID

import psycopg
import pytest

from api.receipts import receipt
from domain.vocabulary import Role
from ledger.notes import Signer
from ledger.verifier import Key, Receipt, Unproven, check_file, open_note, report
from tests.api.asking import Api, open_api

NAME, MAIL, STORY, SAID = "王小明", "ming@example.org", "我的表停了。", "Sie klang enttäuscht."
LONG_AGO = "2015-03-01T09:00:00Z"
SIGNER = Signer("ledger.example.com/cases", base64.b64encode(b"s" * 32).decode())
PROFILE = """query ($id: UUID!) { customer(id: $id) { name country reference erasedAt touchpointCount caseCount
    contactPoints { contact value } consent { holding purposes { purpose basis grantedAt endedAt } }
    cases { nodes { description kind } } touchpoints { nodes { summary purpose } }
    legalHolds { nodes { reference releasedAt } } history { nodes { type data } } } }"""


@pytest.fixture(scope="module")
def api(module_url: str) -> Iterator[Api]:
    """An API whose receipts are signed."""
    with open_api(module_url) as opened:
        opened.desk.signers.append(SIGNER)  # type: ignore[attr-defined]
        yield opened


def person(api: Api, name: str = NAME) -> str:
    """A customer with personal text wherever there can be some."""
    known = {"occurredAt": LONG_AGO, "country": "CN", "reference": "R-1"}
    customer = api.done("registerCustomer", name=name, **known)
    api.done("addContactPoint", id=customer, contact="home", kind="EMAIL", value=MAIL)
    case = api.done(
        "openCase", customerId=customer, kind="COMPLAINT", channel="PHONE", description=STORY, occurredAt=LONG_AGO
    )
    api.done("recordTouchpoint", customerId=customer, caseId=case, channel="PHONE", direction="INBOUND",
             purpose="complaint", summary=SAID)  # fmt: skip
    api.done("grantConsent", id=customer, purpose="newsletter", textVersion="2024-01")
    api.done(
        "recordPurchase", customerId=customer, currency="EUR", lines=[{"sku": "A", "quantity": 1, "amountMinor": 5}]
    )
    return customer


def erase(api: Api, customer: str, **given: Any) -> dict[str, Any]:
    """Erase a customer; gives the payload."""
    payload = api.do("eraseCustomer", "receipt", id=customer, reason="R-1", role=Role.ADMIN, subject="root", **given)
    api.post_entries()
    return payload


# To be forgotten.


def test_an_erased_person_is_gone_and_what_happened_is_not(api: Api) -> None:
    customer = person(api)
    before = api.ask(PROFILE, {"id": customer})["customer"]
    assert (before["name"], before["consent"]["holding"]) == (NAME, 1)

    payload = erase(api, customer)

    assert payload["userErrors"] == []
    after = api.ask(PROFILE, {"id": customer})["customer"]
    assert (after["name"], after["reference"], after["country"]) == (None, None, "CN")
    assert after["erasedAt"] is not None
    assert after["contactPoints"] == [{"contact": "home", "value": None}]
    assert after["cases"]["nodes"] == [{"description": None, "kind": "COMPLAINT"}]
    assert after["touchpoints"]["nodes"] == [{"summary": None, "purpose": "complaint"}]
    assert (after["touchpointCount"], after["caseCount"]) == (before["touchpointCount"], before["caseCount"]) == (1, 1)
    (consent,) = after["consent"]["purposes"]
    assert (after["consent"]["holding"], consent["endedAt"]) == (0, after["erasedAt"])
    types = [node["type"] for node in after["history"]["nodes"]]
    assert types == ["Customer.Erased", *(node["type"] for node in before["history"]["nodes"])]
    whole = json.dumps(after, ensure_ascii=False)
    assert [text for text in (NAME, MAIL, STORY, SAID, "s1.") if text in whole] == []


def test_as_of_before_the_erasure_nothing_is_opened_either(api: Api) -> None:
    customer = person(api)
    erase(api, customer)

    asked = "query ($id: UUID!, $at: Long!) { customer(id: $id, asOf: {position: $at}) { name caseCount } }"
    position = api.ask("query ($id: UUID!) { customer(id: $id) { history { nodes { position } } } }", {"id": customer})
    at = position["customer"]["history"]["nodes"][1]["position"]

    assert api.ask(asked, {"id": customer, "at": at})["customer"] == {"name": None, "caseCount": 1}


def test_it_is_refused_by_code_while_a_hold_or_a_duty_runs(api: Api) -> None:
    customer = api.done("registerCustomer", name=NAME)
    case = api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE", description=STORY)
    hold = api.done("placeLegalHold", customerId=customer, reference="HC-17", reason="A claim.")

    (error,) = erase(api, customer)["userErrors"]
    assert (error["code"], error["field"]) == ("ERASURE_HELD", None)
    assert re.match(r"A legal hold runs: HC-17 since \d{4}-\d\d-\d\d \(A claim\.\);", error["message"])
    assert api.ask(PROFILE, {"id": customer})["customer"]["legalHolds"]["nodes"] == [
        {"reference": "HC-17", "releasedAt": None}
    ]

    api.done("releaseLegalHold", id=hold, reason="It was settled.")
    payload = erase(api, customer)
    (error,) = payload["userErrors"]
    assert error["code"] == "ERASURE_RETAINED"
    assert f"The complaint {case} must be kept until" in error["message"]
    assert (payload["receipt"], payload["position"]) == (None, None)
    assert api.ask(PROFILE, {"id": customer})["customer"]["name"] == NAME


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.ADMIN])
def test_it_is_for_the_admin(api: Api, role: Role) -> None:
    customer = api.done("registerCustomer", name=NAME)

    (error,) = api.do("eraseCustomer", id=customer, reason="R-1", role=role)["userErrors"]

    assert error["code"] == "FORBIDDEN"
    assert api.ask("query ($id: UUID!) { customer(id: $id) { name } }", {"id": customer})["customer"]["name"] == NAME


def test_what_follows_in_their_name_is_refused_by_code(api: Api) -> None:
    customer = person(api)
    erase(api, customer)

    for mutation, given in (
        ("changeCustomerProfile", {"id": customer, "name": NAME}),
        ("openCase", {"customerId": customer, "kind": "REQUEST", "channel": "PHONE", "description": STORY}),
        ("eraseCustomer", {"id": customer, "reason": "once more", "role": Role.ADMIN}),
    ):
        (error,) = api.do(mutation, **given)["userErrors"]
        assert error["code"] in ("PERSON_ERASED", "CUSTOMER_ALREADY_ERASED")


# The receipt.


def test_the_receipt_says_what_was_done_and_is_signed(api: Api) -> None:
    customer, twin = person(api), person(api, "Twin")
    api.done("mergeCustomer", id=twin, survivorId=customer)

    payload = erase(api, customer)

    text = open_note(payload["receipt"], [Key.parse(SIGNER.vkey)]).text
    kind, said = text.splitlines()
    told = json.loads(said)
    assert kind == "daybook.erasure/v1"
    assert (told["customer_id"], told["reason"], told["erased_by"]) == (customer, "R-1", "root")
    assert [(each["customer_id"], each["keys"]) for each in told["erased"]] == [
        (customer, [customer]),
        (twin, [twin]),
    ]
    assert told["erased"][-1]["position"] == payload["position"]
    assert told["sealed"] == [
        "Case.Opened.description", "Customer.ContactPointAdded.value", "Customer.Registered.name",
        "Touchpoint.Recorded.summary",
    ]  # fmt: skip
    with pytest.raises(Unproven):
        open_note(payload["receipt"].replace("R-1", "R-2"), [Key.parse(SIGNER.vkey)])


def test_the_receipt_is_checked_like_any_other_evidence(api: Api) -> None:
    customer = person(api)
    text = erase(api, customer)["receipt"]

    proven = check_file(text.encode(), [Key.parse(SIGNER.vkey)])

    assert isinstance(proven, Receipt)
    told = report(proven)
    assert told[0].startswith(f"That customer {customer} was erased on 20")
    assert told[0].endswith(f"by root was signed by {SIGNER.name} ({Key.parse(SIGNER.vkey).id.hex()}).")
    assert told[1:] == ["Why: R-1"]
    with pytest.raises(Unproven):
        check_file(text.replace(customer, str(UUID(int=1))).encode(), [Key.parse(SIGNER.vkey)])


def test_the_receipt_is_the_same_whenever_it_is_asked_for(api: Api) -> None:
    customer, key = person(api), "6ff2a87a-50a1-4c6d-9c8e-1a1f6f1f0c11"
    first = erase(api, customer, idempotencyKey=key)
    again = erase(api, customer, idempotencyKey=key)
    asked = api.ask("query ($id: UUID!) { erasureReceipt(customerId: $id) }", {"id": customer}, role=Role.AUDITOR)

    assert (first["repeated"], again["repeated"]) == (False, True)
    assert first["receipt"] == again["receipt"] == asked["erasureReceipt"]
    other = api.done("registerCustomer")
    query = "query ($id: UUID!) { erasureReceipt(customerId: $id) }"
    assert api.code(query, {"id": other}) == "NOT_FOUND"
    assert api.code(query, {"id": customer}, role=Role.AGENT) == "FORBIDDEN"


def test_without_a_key_nobody_signs(api: Api) -> None:
    customer = person(api)
    position = erase(api, customer)["position"]

    with psycopg.connect(api.url) as connection:
        text = receipt(connection, position, [])

    assert text.startswith("daybook.erasure/v1\n{") and text.endswith("}\n") and "—" not in text


# To be told everything.

EXPORT = "query ($id: UUID!) { subjectExport(customerId: $id) { customerId customers position document page } }"


def test_everything_held_is_told_in_clear(api: Api) -> None:
    customer, twin = person(api), person(api, "Twin")
    api.done("mergeCustomer", id=twin, survivorId=customer)

    for asked in (customer, twin):
        told = api.ask(EXPORT, {"id": asked}, role=Role.AUDITOR)["subjectExport"]

        assert (told["customerId"], told["customers"]) == (customer, [customer, twin])
        document = told["document"]
        assert len(document["entries"]) == 13
        assert [entry["type"] for entry in document["entries"]][:2] == [
            "Customer.Registered",
            "Customer.ContactPointAdded",
        ]
        assert document["entries"][0]["says"]["name"] == NAME
        books = document["books"]
        (profile,) = books["customer_profile"]
        assert profile["name"] == NAME
        assert [point["value"] for point in profile["contact_points"]] == [MAIL, MAIL]
        assert [case["description"] for case in books["case_register"]] == [STORY, STORY]
        assert [touch["summary"] for touch in books["touchpoints"]] == [SAID, SAID]
        assert books["consents"][0]["purposes"][0]["purpose"] == "newsletter"
        assert books["purchase_behaviour"][0]["purchases"] == 2
        assert "s1." not in json.dumps(told)
        for text in (NAME, MAIL, STORY, SAID, "Twin"):
            assert text in told["page"]


def test_who_took_it_is_noted(api: Api) -> None:
    customer = person(api)
    api.ask(EXPORT, {"id": customer}, role=Role.AUDITOR, subject="olga")
    api.desk.looks.enter()
    api.post_entries()

    query = """query ($id: UUID!) { looks(customerId: $id) {
        nodes { actorId actorRole fields taken purpose } } }"""
    looks = api.ask(query, {"id": customer})["looks"]["nodes"]
    (look,) = (each for each in looks if each["purpose"] == "EXPORT")

    assert (look["actorId"], look["actorRole"], look["taken"]) == ("olga", "AUDITOR", f"everything of {customer}")
    assert look["fields"] == ["description", "name", "summary", "value"]


def test_what_is_another_persons_is_not_told(api: Api) -> None:
    firm, ada = api.done("registerCustomer", name="Acme"), api.done("registerCustomer", name="Ada")
    api.done(
        "declareRelationship", id=firm, personId=ada, part="DECISION_MAKER", note="since May", positionHeld="head of it"
    )

    def said(customer: str) -> dict[str, Any]:
        entries = api.ask(EXPORT, {"id": customer})["subjectExport"]["document"]["entries"]
        (found,) = (entry["says"] for entry in entries if entry["type"] == "Customer.RelationshipDeclared")
        return {name: found[name] for name in ("note", "position_held")}

    assert said(firm) == {"note": "since May", "position_held": None}
    assert said(ada) == {"note": None, "position_held": "head of it"}


def test_of_an_erased_person_nothing_can_be_handed_over(api: Api) -> None:
    customer = person(api)
    erase(api, customer)

    (error,) = api.errors(EXPORT, {"id": customer})

    assert error["extensions"]["code"] == "SUBJECT_ERASED"
    assert error["message"].startswith("The person was erased on ")


@pytest.mark.parametrize("role", list(Role))
def test_it_is_for_those_who_oversee(api: Api, role: Role) -> None:
    customer = api.done("registerCustomer", name=NAME)

    if role in (Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN):
        assert api.ask(EXPORT, {"id": customer}, role=role)["subjectExport"]["customerId"] == customer
    else:
        assert api.code(EXPORT, {"id": customer}, role=role) == "FORBIDDEN"
    assert api.code(EXPORT, {"id": "00000000-0000-4000-8000-000000000001"}) == "NOT_FOUND"


def test_a_page_holds_no_markup_of_theirs(api: Api) -> None:
    customer = api.done("registerCustomer", name="<script>alert(1)</script>")

    page = api.ask(EXPORT, {"id": customer})["subjectExport"]["page"]

    assert "<script>" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
