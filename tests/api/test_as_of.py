"""As of the past: what was known then, or what had happened by then, of everything that can be asked of now."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from graphql import get_named_type, is_leaf_type

from api.graphql.books import books
from api.graphql.schema import executable
from domain.vocabulary import Role
from projections.engine import sources
from projections.engine.cut import Cut
from projections.engine.metric import metrics
from projections.engine.model import models
from tests.api.asking import Api
from tests.api.story import Story
from tests.as_of_builds import make

CUSTOMER = """query ($id: UUID!, $asOf: AsOf) { customer(id: $id, asOf: $asOf) { name caseCount tierStatus { tier }
    cases { totalCount nodes { id state handler customer { name } remedies { kind }
        history(first: 2) { nodes { type } } } }
    history { nodes { position type voidedBy } } purchaseBehaviour { purchases } } }"""
CASES = """query ($asOf: AsOf, $first: Int, $after: String, $customer: UUID) {
    cases(asOf: $asOf, first: $first, after: $after, customerId: $customer, oldestFirst: true) {
        totalCount edges { cursor node { id state } } pageInfo { hasNextPage endCursor } } }"""


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def customer(story: Story, as_of: Mapping[str, Any] | None, **kwargs: Any) -> Any:
    return story.api.ask(CUSTOMER, {"id": story.ada, "asOf": as_of}, **kwargs)["customer"]


def test_as_of_the_head_everything_is_as_it_now_stands(story: Story) -> None:
    assert customer(story, {"position": story.at["renamed"]}) == customer(story, None)


def test_as_of_a_position_it_is_what_was_known_then(story: Story) -> None:
    told = customer(story, {"position": story.at["assigned"]})

    (case,) = told["cases"]["nodes"]
    assert (told["name"], told["caseCount"], told["purchaseBehaviour"], told["tierStatus"]) == ("Ada", 1, None, None)
    assert (case["state"], case["handler"], case["customer"], case["remedies"]) == (
        "IN_PROGRESS", "bob", {"name": "Ada"}, []
    )  # fmt: skip
    assert [entry["type"] for entry in case["history"]["nodes"]] == ["Case.Assigned", "Case.Acknowledged"]
    assert [entry["voidedBy"] for entry in told["history"]["nodes"]] == [None] * 4


def test_as_of_a_recorded_time_it_is_what_was_known_by_then(story: Story) -> None:
    for step in story.at:
        by_time = customer(story, {"recordedAt": story.recorded_at(step)})

        assert by_time == customer(story, {"position": story.at[step]})
    assert customer(story, {"recordedAt": "2020-01-01T00:00:00Z"}) is None


def test_as_of_a_business_time_it_is_what_had_happened_by_then_as_it_is_known_now(story: Story) -> None:
    told = customer(story, {"occurredAt": "2026-01-04T12:00:00Z"})

    (case,) = told["cases"]["nodes"]
    # The purchase was entered late, and the assignment declared void since.
    assert (told["name"], told["purchaseBehaviour"]) == ("Ada", {"purchases": 1})
    assert (case["state"], case["handler"]) == ("ACKNOWLEDGED", None)
    assert (told["history"]["nodes"][1]["type"], told["history"]["nodes"][1]["voidedBy"]) == (
        "Case.Assigned", story.at["voided"]
    )  # fmt: skip


def test_personal_data_is_opened_by_role_as_it_is_now(story: Story) -> None:
    as_of = {"position": story.at["bought"]}

    assert customer(story, as_of, role=Role.AGENT)["name"] == "Ada"
    assert customer(story, as_of, role=Role.ANALYST)["name"] is None
    assert story.api.code("{ auditTrail(asOf: {position: 1}) { nodes { position } } }", role=Role.AGENT) == "FORBIDDEN"


def test_a_page_over_all_keys_has_the_rows_of_then_in_every_order(fresh_api: Api) -> None:
    story = Story(fresh_api)
    api, before = story.api, {"position": story.at["opened"]}
    others = [api.done("openCase", customerId=story.ada, kind="REQUEST", channel="CHAT") for _ in range(3)]

    then = api.ask(CASES, {"asOf": before})["cases"]
    now = api.ask(CASES, {"asOf": {"position": story.at["renamed"] + 3}})["cases"]

    assert [(edge["node"]["id"], edge["node"]["state"]) for edge in then["edges"]] == [(story.case, "OPEN")]
    assert now == api.ask(CASES)["cases"]
    assert now["totalCount"] == 4
    opened = api.ask("query ($asOf: AsOf) { cases(state: OPEN, asOf: $asOf) { nodes { id } } }", {"asOf": before})
    assert opened == {"cases": {"nodes": [{"id": story.case}]}}
    assert {edge["node"]["id"] for edge in now["edges"]} == {story.case, *others}


def test_a_cursor_goes_on_under_the_same_moment(fresh_api: Api) -> None:
    story = Story(fresh_api)
    ids = [story.case]
    ids += [fresh_api.done("openCase", customerId=story.ada, kind="REQUEST", channel="CHAT") for _ in range(4)]
    for given in ({}, {"customer": story.ada}):
        as_of = {"position": story.at["renamed"] + 4}
        cursor, read = None, []
        fresh_api.done("openCase", customerId=story.ada, kind="REQUEST", channel="CHAT")
        while True:
            page = fresh_api.ask(CASES, {"asOf": as_of, "first": 2, "after": cursor} | given)["cases"]
            read += [edge["node"]["id"] for edge in page["edges"]]
            cursor = page["pageInfo"]["endCursor"]
            if not page["pageInfo"]["hasNextPage"]:
                break

        assert read == ids


def test_what_hangs_on_one_customer_or_case_is_folded_however_large_the_ledger(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    head = story.at["renamed"]
    as_of = {"position": head}
    monkeypatch.setattr(sources, "PASSED_MAX", 1)

    assert customer(story, as_of)["caseCount"] == 1
    assert len(story.api.ask(CASES, {"asOf": as_of, "customer": story.ada})["cases"]["edges"]) == 1
    history = "query ($case: UUID, $asOf: AsOf) { customerHistory(caseId: $case, asOf: $asOf) { totalCount } }"
    assert story.api.ask(history, {"case": story.case, "asOf": as_of})["customerHistory"]["totalCount"] == 4


def test_what_takes_too_much_is_refused_with_the_command_that_helps(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 2)
    query = "query ($asOf: AsOf) { cases(asOf: $asOf) { nodes { id } } }"

    (error,) = story.api.errors(query, {"asOf": {"position": 4}})
    (late,) = story.api.errors(query, {"asOf": {"occurredAt": "2026-01-04T00:00:00Z"}})

    assert error["extensions"] == {"code": "AS_OF_NOT_BUILT", "field": "asOf"}
    assert error["message"] == (
        "This would fold more than 2 entries while you wait; have case_register built as of then, once, and ask again:"
        " daybook rebuild case_register --as-of 4"
    )
    assert late["message"].endswith(
        f"daybook rebuild case_register --as-of {head(story)} --occurred-until 2026-01-04T00:00:00+00:00"
    )
    assert story.api.code(CUSTOMER, {"id": story.ada, "asOf": {"position": 4}}) == "AS_OF_NOT_BUILT"


def head(story: Story) -> int:
    position: int = story.api.ask("{ ledger { head } }")["ledger"]["head"]
    return position


def test_a_build_as_of_then_answers_in_place_of_folding(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(fresh_api)
    moments: list[tuple[dict[str, Any], Cut]] = [
        ({"position": story.at["assigned"]}, Cut(story.at["assigned"])),
        (
            {"occurredAt": "2026-01-04T12:00:00Z"},
            Cut(story.at["renamed"], datetime.fromisoformat("2026-01-04T12:00:00Z")),
        ),
    ]
    for as_of, cut in moments:
        folded = story.api.ask(CASES, {"asOf": as_of}), customer(story, as_of)
        for model in models().values():
            make(story.api.url, model, cut)
        with monkeypatch.context() as patched:
            patched.setattr(sources, "ON_DEMAND_MAX", 0)

            assert (story.api.ask(CASES, {"asOf": as_of}), customer(story, as_of)) == folded


def test_a_build_of_what_had_happened_holds_until_something_of_it_is_told_anew(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(fresh_api)
    until = "2026-01-04T12:00:00Z"
    query = "query ($asOf: AsOf) { cases(asOf: $asOf) { nodes { state } } }"
    make(
        story.api.url, models()["case_register"],
        Cut(story.at["renamed"], datetime.fromisoformat(until)),
    )  # fmt: skip
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 0)

    story.api.done("assignCase", id=story.case, handler="eve", occurredAt="2026-01-06T00:00:00Z")
    assert story.api.ask(query, {"asOf": {"occurredAt": until}}) == {"cases": {"nodes": [{"state": "ACKNOWLEDGED"}]}}
    story.api.done("assignCase", id=story.case, handler="eve", occurredAt="2026-01-04T00:00:00Z")
    assert story.api.code(query, {"asOf": {"occurredAt": until}}) == "AS_OF_NOT_BUILT"


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        ({"position": 10**9}, "AS_OF_TO_COME"),
        ({"recordedAt": "9000-01-01T00:00:00Z"}, "AS_OF_TO_COME"),
        ({"occurredAt": "9000-01-01T00:00:00Z"}, "AS_OF_TO_COME"),
        ({"position": 0}, "AS_OF_BEFORE_FIRST"),
    ],
)
@pytest.mark.parametrize(
    "field", ["cases(asOf: $asOf) { nodes { id } }", "tierMix(asOf: $asOf) { position }"], ids=["page", "metric"]
)
def test_what_is_no_moment_of_the_past_is_refused(story: Story, field: str, as_of: dict[str, Any], code: str) -> None:
    assert story.api.code(f"query ($asOf: AsOf) {{ {field} }}", {"asOf": as_of}) == code


@pytest.mark.parametrize("as_of", [{}, {"position": 1, "occurredAt": "2026-01-01T00:00:00Z"}, {"position": None}])
def test_a_moment_is_given_in_exactly_one_way(story: Story, as_of: dict[str, Any]) -> None:
    query = "query ($asOf: AsOf) { cases(asOf: $asOf) { nodes { id } } }"

    assert story.api.code(query, {"asOf": as_of}) == "GRAPHQL_VALIDATION_FAILED"


def test_without_a_moment_it_is_read_as_it_stands(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.graphql.past.folding", lambda *_: pytest.fail("folded"))

    assert customer(story, None)["name"] == "Ada Lovelace"
    assert story.api.ask("{ cases(asOf: null) { totalCount } }")["cases"]["totalCount"] >= 1


def test_asking_of_the_past_has_its_price(story: Story) -> None:
    def cost(query: str, variables: Mapping[str, Any] | None = None) -> int:
        requested: int = story.api.send(query, variables).json()["extensions"]["cost"]["requested"]
        return requested

    query = "query ($asOf: AsOf) { cases(first: 10, asOf: $asOf) { nodes { id } } }"
    assert cost(query, {"asOf": {"position": 1}}) == cost(query) + 500 == 511
    assert cost("{ tierMix(asOf: {position: 1}) { position } }") == 1000


def test_a_metric_is_computed_from_what_was_known_or_had_happened_then(fresh_api: Api) -> None:
    story = Story(fresh_api)
    query = """query ($asOf: AsOf, $at: DateTime) { repeatPurchaseRate(asOf: $asOf, at: $at) {
        reads position at rows { customers } } metric(name: "repeat_purchase_rate", asOf: $asOf, at: $at) {
        reads position at rows } }"""

    def ask(as_of: dict[str, Any] | None, at: str | None = None) -> tuple[dict[str, Any], int]:
        told = story.api.ask(query, {"asOf": as_of, "at": at})
        typed, named = told["repeatPurchaseRate"], told["metric"]
        (row,), (same,) = typed.pop("rows"), named.pop("rows")
        if as_of or at:
            assert named == typed
        assert row["customers"] == same["customers"]
        return typed, row["customers"]

    known, customers = ask({"position": story.at["assigned"]})
    assert (known["position"], known["reads"], customers) == (story.at["assigned"], ["sales"], 0)
    assert datetime.fromisoformat(known["at"]) == datetime.fromisoformat(story.recorded_at("assigned"))
    happened, customers = ask({"occurredAt": "2026-01-01T13:00:00Z"})
    assert (happened["position"], happened["at"], customers) == (story.at["renamed"], "2026-01-01T13:00:00+00:00", 1)
    assert ask({"occurredAt": "2026-01-01T11:00:00Z"})[1] == 0
    assert ask({"position": story.at["bought"]}, "2026-01-01T12:00:00Z")[1] == 0
    assert ask(None)[1] == 1


def test_a_metric_that_takes_too_much_names_the_command_and_reads_the_build(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    story = Story(fresh_api)
    query = "query ($asOf: AsOf) { repeatPurchaseRate(asOf: $asOf) { rows { customers purchases rate } } }"
    given = {"asOf": {"position": story.at["bought"]}}
    folded = story.api.ask(query, given)
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 0)

    (error,) = story.api.errors(query, given)
    make(story.api.url, models()["sales"], Cut(story.at["bought"]))

    assert error["message"].endswith(f"daybook rebuild sales --as-of {story.at['bought']}")
    assert story.api.ask(query, given) == folded
    assert folded["repeatPurchaseRate"]["rows"] == [{"customers": 1, "purchases": 1, "rate": 0.0}]


def test_every_metric_can_be_asked_of_the_past(story: Story) -> None:
    fill = {
        "currency": "EUR",
        "since": "2026-01-01T00:00:00Z",
        "middle": "2026-02-01T00:00:00Z",
        "until": "2026-03-01T00:00:00Z",
    }
    query = """query ($name: String!, $params: JSON, $asOf: AsOf, $at: DateTime) {
        metric(name: $name, params: $params, asOf: $asOf, at: $at) { position rows } }"""
    for name, metric in metrics().items():
        params = {field: value for field, value in fill.items() if field in metric.Params.__struct_fields__}
        asked = {"name": name, "params": params, "at": "2026-06-01T00:00:00Z"}

        now = story.api.ask(query, asked)["metric"]

        assert story.api.ask(query, asked | {"asOf": {"position": head(story)}})["metric"] == now


def test_every_book_can_be_asked_of_the_past_as_now(story: Story) -> None:
    for book in books().values():
        row = executable().type_map[book.title]
        told = " ".join(field for field, shown in row.fields.items() if is_leaf_type(get_named_type(shown.type)))  # type: ignore[attr-defined]
        query = f"query ($asOf: AsOf) {{ {book.many}(asOf: $asOf) {{ totalCount nodes {{ {told} }} }} }}"

        now = story.api.ask(query)

        assert story.api.ask(query, {"asOf": {"position": head(story)}}) == now
