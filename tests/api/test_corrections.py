"""Corrections over GraphQL: merged customers are answered for as one, amended entries count as amended."""

from tests.api.asking import Api
from tests.api.test_commands import case_of, customer_of, open_case, refusal, register

MERGED = """merged caseCount cases { nodes { id customer { id } } } history(first: 100) { nodes { type customerId } }
    purchaseBehaviour { purchases spending { grossMinor } } version"""


def buy(api: Api, customer: str, amount: int) -> None:
    lines = [{"sku": "tea", "quantity": 1, "amountMinor": amount}]
    api.done("recordPurchase", customerId=customer, currency="EUR", lines=lines)


def test_a_merged_customer_is_answered_for_by_the_survivor_until_it_is_undone(api: Api) -> None:
    survivor, absorbed = register(api), register(api, name="A.")
    case = open_case(api, customerId=absorbed)
    buy(api, survivor, 500)
    buy(api, absorbed, 700)
    before = customer_of(api, survivor, MERGED), customer_of(api, absorbed, MERGED)

    payload = api.do("mergeCustomer", "customer { id } entry { type }", id=absorbed, survivorId=survivor, reason="one")

    assert (payload["userErrors"], payload["entry"]) == ([], {"type": "Customer.Merged"})
    told = customer_of(api, survivor, MERGED)
    assert (told["merged"], told["caseCount"], told["version"]) == ([absorbed], 1, 1)
    assert told["cases"]["nodes"] == [{"id": case, "customer": {"id": survivor}}]
    assert told["purchaseBehaviour"] == {"purchases": 2, "spending": [{"grossMinor": 1200}]}
    assert [node["type"] for node in told["history"]["nodes"]] == [
        "Customer.Merged", "Purchase.Recorded", "Purchase.Recorded", "Case.Opened", "Customer.Registered",
        "Customer.Registered",
    ]  # fmt: skip
    assert {node["customerId"] for node in told["history"]["nodes"]} == {survivor}
    assert customer_of(api, absorbed, "id") is None
    assert refusal(api.do("mergeCustomer", id=survivor, survivorId=absorbed))[0] == "CUSTOMER_SURVIVOR_MERGED"

    api.done("unmergeCustomer", id=absorbed, reason="father and son")

    after = customer_of(api, survivor, MERGED), customer_of(api, absorbed, MERGED)
    assert after[0] == before[0]
    assert [node["type"] for node in after[1].pop("history")["nodes"]] == [
        "Customer.Unmerged", "Customer.Merged", *(node["type"] for node in before[1].pop("history")["nodes"])
    ]  # fmt: skip
    assert after[1] == before[1] | {"version": before[1]["version"] + 2}


def test_an_amended_entry_stays_on_record_and_counts_as_amended(api: Api) -> None:
    case = api.do("openCase", customerId=register(api), kind="REQUEST", channel="PHONE", product="tea")
    given = {"position": case["position"], "reason": "misheard"}

    payload = api.do("amendEntry", "entry { type data }", changes={"kind": "complaint", "product": "watch"}, **given)
    same = api.do("amendEntry", changes={"product": "watch"}, **given)
    fixed = api.do("amendEntry", changes={"description": "x"}, **given)
    unfit = api.do("amendEntry", changes={"kind": "gift"}, **given)

    assert payload["userErrors"] == []
    assert payload["entry"]["data"]["changes"] == {"kind": "complaint", "product": "watch"}
    told = case_of(api, case["id"], "kind product version history { nodes { type amendedBy data } }")
    assert (told["kind"], told["product"], told["version"]) == ("COMPLAINT", "watch", 2)
    amended, opened = told["history"]["nodes"]
    assert (opened["amendedBy"], opened["data"]["kind"], amended["amendedBy"]) == (
        payload["position"], "request", None
    )  # fmt: skip
    assert [refusal(each)[0] for each in (same, fixed, unfit)] == [
        "ENTRY_NOTHING_AMENDED", "ENTRY_FIELD_FIXED", "ENTRY_AMENDED_UNFIT"
    ]  # fmt: skip
