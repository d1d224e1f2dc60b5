"""Reading what was written: one statement for a whole selection, at least as new as asked for, or STALE."""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from api import queries
from api.graphql import reading
from domain.vocabulary import Role
from tests.api.asking import Api

REGISTER = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { id position } }"


def write(api: Api) -> dict[str, Any]:
    """Register a customer without posting; gives id and position."""
    told: dict[str, Any] = api.ask(REGISTER, {"input": {"idempotencyKey": str(uuid4()), "name": "Ada"}})
    return told["registerCustomer"]  # type: ignore[no-any-return]


def later(seconds: float, do: Callable[[], None]) -> threading.Timer:
    timer = threading.Timer(seconds, do)
    timer.start()
    return timer


def test_a_query_waits_until_what_it_reads_stands_where_it_was_told(api: Api) -> None:
    written = write(api)
    query = "query ($id: UUID!, $at: Long) { customer(id: $id, atLeast: $at) { name } }"
    assert api.ask(query, {"id": written["id"], "at": None})["customer"] is None

    posting = later(0.3, api.post_entries)
    told = api.ask(query, {"id": written["id"], "at": written["position"]})

    posting.join()
    assert told["customer"] == {"name": "Ada"}


@pytest.mark.parametrize(
    "field",
    [
        "customers(atLeast: POSITION) { nodes { id } }",
        "customerHistory(atLeast: POSITION) { nodes { position } }",
        "projections(atLeast: POSITION) { model }",
        "repeatPurchaseRate(atLeast: POSITION) { position }",
        'metric(name: "tier_mix", atLeast: POSITION) { position }',
        "metrics(atLeast: POSITION) { name }",
        "ledger(atLeast: POSITION) { head }",
        'caseReplay(id: "00000000-0000-0000-0000-000000000000", atLeast: POSITION) { id }',
    ],
)
def test_what_is_not_there_in_time_is_stale(api: Api, monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    monkeypatch.setattr(reading, "WAIT_S_MAX", 0.1)
    head = api.ask("{ ledger { head } }")["ledger"]["head"]

    (error,) = api.errors("{ " + field.replace("POSITION", str(head + 1)) + " }")

    assert error["extensions"]["code"] == "STALE"
    assert f"not yet at {head + 1}" in error["message"]


def test_only_what_is_read_is_waited_for(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    api.post_entries()
    position = write(api)["position"]
    api.post_entries()
    monkeypatch.setattr(reading, "WAIT_S_MAX", 0.1)
    with psycopg.connect(api.url, autocommit=True) as admin:
        admin.execute("UPDATE books.builds SET position = position - 1 WHERE model = 'sales'")

        api.ask(f"{{ customers(atLeast: {position}) {{ nodes {{ id }} }} }}")
        behind = api.code(f"{{ customers(atLeast: {position}) {{ nodes {{ sales {{ nodes {{ position }} }} }} }} }}")

        admin.execute("UPDATE books.builds SET position = position + 1 WHERE model = 'sales'")
    assert behind == "STALE"


def test_a_whole_selection_is_one_statement(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    for _ in range(3):
        customer = api.done("registerCustomer", name="Ada")
        for _ in range(3):
            api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE")
    statements = []
    asking = reading.Reader._value

    async def counted(self: reading.Reader, statement: str, parameters: Any) -> Any:
        statements.append(statement)
        return await asking(self, statement, parameters)

    monkeypatch.setattr(reading.Reader, "_value", counted)

    told = api.ask(
        """{ customers(first: 10) { totalCount nodes { name tierStatus { tier } purchaseBehaviour { purchases }
            history(first: 2) { nodes { type case { state handler } } }
            cases(first: 2) { totalCount nodes { id customer { id name } complaintOutcome { openedAt }
                history(first: 2) { nodes { position } } } } } } }"""
    )

    assert len(statements) == 1
    assert sum(customer["cases"]["totalCount"] for customer in told["customers"]["nodes"]) >= 9
    for customer in told["customers"]["nodes"]:
        assert all(case["customer"]["name"] == customer["name"] for case in customer["cases"]["nodes"])


def test_several_fields_of_one_request_are_asked_for_together(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[float] = []
    asking = reading.Reader._value

    async def slow(self: reading.Reader, statement: str, parameters: Any) -> Any:
        asked.append(time.monotonic())
        await reading.asyncio.sleep(0.2)
        return await asking(self, statement, parameters)

    monkeypatch.setattr(reading.Reader, "_value", slow)

    api.ask("{ a: customers { nodes { id } } b: cases { nodes { id } } c: sales { nodes { position } } }")

    assert len(asked) == 3
    assert max(asked) - min(asked) < 0.15


def test_the_cost_of_a_request_is_told(api: Api) -> None:
    def cost(query: str) -> int:
        told = api.send(query).json()["extensions"]["cost"]
        assert told["maximum"] == 10_000
        requested: int = told["requested"]
        return requested

    assert cost("{ customers(first: 10) { nodes { id } } }") == 1 + 10
    assert cost("{ customers { edges { node { id } } } }") == 1 + 20
    assert cost("{ customers(first: 10) { nodes { history(last: 5) { nodes { type } } } } }") == 1 + 10 * (1 + 1 + 5)
    assert cost("{ customers(first: 2) { totalCount nodes { tierStatus { tier } } } }") == 1 + 50 + 2 * (1 + 1)


def test_projections_tell_where_they_stand(api: Api) -> None:
    api.post_entries()
    before = {told["model"]: told for told in api.ask("{ projections { model position lag } }")["projections"]}
    write(api)

    told = api.ask(
        "{ projections { model version state position lag quarantined rebuilding definition } ledger { head } }"
    )

    head = told["ledger"]["head"]
    assert len(told["projections"]) >= 10
    for projection in told["projections"]:
        assert projection["state"] == "SERVING"
        assert (projection["position"], projection["lag"]) == (before[projection["model"]]["position"], 1)
        assert projection["position"] + projection["lag"] == head
        assert projection["quarantined"] == 0
        assert projection["rebuilding"] is False
        assert projection["definition"]
    api.post_entries()


def test_a_key_set_aside_and_a_read_model_of_another_version_are_told(fresh_api: Api) -> None:
    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute(
            "INSERT INTO books.quarantine (build_id, key, position, error)"
            " SELECT build_id, 'x', 1, 'ValueError: x' FROM books.builds WHERE model = 'case_register'"
        )
        admin.execute("UPDATE books.builds SET version = 99 WHERE model = 'sales'")
        admin.execute("DELETE FROM books.builds WHERE model = 'remedies'")

    told = {each["model"]: each for each in fresh_api.ask("{ projections { model state quarantined } }")["projections"]}

    assert told["case_register"] == {"model": "case_register", "state": "SERVING", "quarantined": 1}
    assert told["sales"]["state"] == "OUTDATED"
    assert told["remedies"]["state"] == "MISSING"


def test_the_entry_that_made_a_row_can_be_found_by_who_and_when(api: Api) -> None:
    api.done("registerCustomer", role=Role.AGENT, subject="zoe")

    nodes = api.ask('{ auditTrail(actorId: "zoe") { nodes { type actorRole commandId streamVersion } } }')[
        "auditTrail"
    ]["nodes"]

    assert [(node["type"], node["actorRole"], node["streamVersion"]) for node in nodes] == [
        ("Customer.Registered", "AGENT", 1)
    ]


def test_an_error_of_one_field_is_told_where_it_is_and_leaves_the_others(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    customer = api.done("registerCustomer", name="Ada")
    asking = reading.Reader.json

    async def fails(self: reading.Reader, statement: str, parameters: Any) -> Any:
        if "tier_status" in statement:
            raise RuntimeError("the secret detail")
        return await asking(self, statement, parameters)

    monkeypatch.setattr(reading.Reader, "json", fails)
    query = "query ($id: UUID!) {{ customer(id: $id) {{ name }} t: tierStatus(customerId: $id) {{ tier }} {} }}"

    # The one is answered without the executor, the other by it; nobody can tell.
    for more in ("", "__typename"):
        told = api.send(query.format(more), {"id": customer}).json()
        assert told["data"]["customer"] == {"name": "Ada"}
        assert told["data"]["t"] is None
        (error,) = told["errors"]
        assert (error["path"], error["extensions"]["code"]) == (["t"], "INTERNAL")
        assert error["locations"] == [{"line": 1, "column": 49}]
    for more in ("", "__typename"):
        told = api.send(f"{{ a: tierStatuses {{ nodes {{ tier }} }} b: customers {{ nodes {{ id }} }} {more} }}").json()
        assert told["data"] is None
        assert [error["path"] for error in told["errors"]] == [["a"]]


@pytest.mark.parametrize(
    "query",
    [
        "a: customers(first: 2) { ...Page } b: customers(last: 1, oldestFirst: true) { ...Page }",
        "cases(state: OPEN) { edges { cursor node { id customer { id } } } pageInfo { hasNextPage startCursor } }",
        'customer(id: "00000000-0000-0000-0000-000000000000") { id }',
        "sales(orderBy: OCCURRED_AT, since: $since) { nodes { position } }",
        "cases(first: $first, after: $after) { nodes { id } }",
    ],
)
def test_with_or_without_the_executor_the_answer_is_the_same(api: Api, query: str) -> None:
    for _ in range(2):
        customer = api.done("registerCustomer", name="Ada")
        api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE")
    fragment = "fragment Page on CustomerConnection { __typename totalCount nodes { __typename id name } }"
    given = {"since": "2026-01-01T00:00:00Z", "first": 1, "after": None}
    types = {"since": "DateTime", "first": "Int", "after": "String"}
    declared = ", ".join(f"${name}: {type_}" for name, type_ in types.items() if f"${name}" in query)
    head = f"query ({declared})" if declared else "query"
    tail = fragment if "...Page" in query else ""

    directly = api.ask(f"{head} {{ {query} }} {tail}", given)
    executed = api.ask(f"{head} {{ {query} __typename }} {tail}", given)

    assert executed == directly | {"__typename": "Query"}


def test_the_committed_operations_are_answered(api: Api) -> None:
    customer = api.done("registerCustomer", name="Ada")
    case = api.done("openCase", customerId=customer, kind="COMPLAINT", channel="PHONE")

    for file in sorted(Path(queries.__path__[0]).glob("*.graphql")):
        text = file.read_text("utf-8").replace("CUSTOMER_ID", customer).replace("CASE_ID", case)
        assert all(api.ask(text, role=Role.AUDITOR).values())
