"""As of the past below a row: any field of read models beside and within others, each as of a moment of its own."""

from collections.abc import Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import errors, sql

from api.graphql import past
from domain.vocabulary import Role
from projections.engine import sources
from projections.engine.cut import Cut
from projections.engine.model import models
from tests.api.asking import Api
from tests.api.story import Story
from tests.as_of_builds import make

CASE = "nodes { id state handler }"
BESIDE = f"""query ($id: UUID!, $one: AsOf, $other: AsOf, $root: AsOf) {{ customer(id: $id, asOf: $root) {{
    name cases {{ {CASE} }} one: cases(asOf: $one) {{ {CASE} }} other: cases(asOf: $other) {{ {CASE} }} }} }}"""

KEY = "7d5455a8-d43f-587a-818d-ab844f6af528"


@pytest.fixture(scope="module")
def story(api: Api) -> Story:
    return Story(api)


def at(story: Story, step: str) -> dict[str, int]:
    return {"position": story.at[step]}


def ask(story: Story, query: str, variables: Mapping[str, Any] | None = None, **kwargs: Any) -> Any:
    """The answer to a query about the story's customer and case."""
    return story.api.ask(query, {"id": story.ada, "case": story.case, **(variables or {})}, **kwargs)


def case(story: Story, state: str, handler: str | None = None) -> dict[str, Any]:
    return {"nodes": [{"id": story.case, "state": state, "handler": handler}]}


def test_a_customer_of_now_has_the_cases_of_two_past_moments_beside_each_other(story: Story) -> None:
    given = {"id": story.ada, "one": at(story, "opened"), "other": at(story, "assigned")}

    told = story.api.ask(BESIDE, given)["customer"]

    assert told == {
        "name": "Ada Lovelace",
        "cases": case(story, "ACKNOWLEDGED"),
        "one": case(story, "OPEN"),
        "other": case(story, "IN_PROGRESS", "bob"),
    }


def test_a_customer_of_the_past_has_the_cases_of_that_moment_and_of_others_asked_for(story: Story) -> None:
    given = {"id": story.ada, "root": at(story, "assigned"), "one": at(story, "opened"), "other": at(story, "renamed")}

    told = story.api.ask(BESIDE, given)["customer"]

    assert told == {
        "name": "Ada",
        "cases": case(story, "IN_PROGRESS", "bob"),
        "one": case(story, "OPEN"),
        "other": case(story, "ACKNOWLEDGED"),
    }


@pytest.mark.parametrize("root", [None, "assigned"])
def test_a_field_given_no_moment_or_null_follows_the_one_above_it(story: Story, root: str | None) -> None:
    given = {"id": story.ada, "one": None, "root": root and at(story, root)}

    told = story.api.ask(BESIDE, given)["customer"]

    assert told["one"] == told["other"] == told["cases"]


def test_a_moment_holds_for_everything_below_until_another_is_given(story: Story) -> None:
    told = ask(
        story,
        """query ($id: UUID!, $then: AsOf, $later: AsOf) { customer(id: $id) { name cases(asOf: $then) { nodes { state
            history { nodes { type } } later: history(asOf: $later) { nodes { type } }
            customer { name cases { nodes { state } } } now: customer(asOf: $later) { name } } } } }""",
        {"then": at(story, "acknowledged"), "later": at(story, "renamed")},
    )["customer"]

    (found,) = told["cases"]["nodes"]
    known = ["Case.Acknowledged", "Case.Opened"]
    assert told["name"] == "Ada Lovelace"
    assert found == {
        "state": "ACKNOWLEDGED",
        "history": {"nodes": [{"type": name} for name in known]},
        "later": {"nodes": [{"type": name} for name in ["Entry.Voided", "Case.Assigned", *known]]},
        "customer": {"name": "Ada", "cases": {"nodes": [{"state": "ACKNOWLEDGED"}]}},
        "now": {"name": "Ada Lovelace"},
    }


def test_a_moment_is_given_in_each_of_three_ways_with_variables_within(story: Story) -> None:
    told = ask(
        story,
        f"""query ($id: UUID!, $position: Long!, $recorded: DateTime!) {{ customer(id: $id) {{
            known: cases(asOf: {{position: $position}}) {{ {CASE} }}
            by: cases(asOf: {{recordedAt: $recorded}}) {{ {CASE} }}
            happened: cases(asOf: {{occurredAt: "2026-01-02T12:00:00Z"}}) {{ {CASE} }} }}
        then: customer(id: $id, asOf: {{position: $position}}) {{ name }} }}""",
        {"position": story.at["assigned"], "recorded": story.recorded_at("opened")},
    )

    assert told == {
        "customer": {
            "known": case(story, "IN_PROGRESS", "bob"),
            "by": case(story, "OPEN"),
            "happened": case(story, "OPEN"),
        },
        "then": {"name": "Ada"},
    }


def test_one_row_below_another_may_be_of_the_past_and_of_a_past_without_it(story: Story) -> None:
    told = ask(
        story,
        """query ($id: UUID!, $case: UUID!, $last: AsOf, $before: AsOf) {
        case(id: $case) { then: customer(asOf: {position: 1}) { name } never: customer(asOf: $before) { name } }
        customer(id: $id) { name purchaseBehaviour { purchases } before: purchaseBehaviour(asOf: $last) { purchases } }
        }""",
        {"last": at(story, "assigned"), "before": {"occurredAt": "2020-01-01T00:00:00Z"}},
    )

    assert told == {
        "case": {"then": {"name": "Ada"}, "never": None},
        "customer": {"name": "Ada Lovelace", "purchaseBehaviour": {"purchases": 1}, "before": None},
    }


def test_every_row_of_a_page_of_now_or_then_has_its_own(fresh_api: Api) -> None:
    story = Story(fresh_api)
    bea = fresh_api.done("registerCustomer", name="Bea", occurredAt="2026-01-02T00:00:00Z")
    asked = fresh_api.done("openCase", customerId=bea, kind="REQUEST", channel="CHAT")
    query = """query ($then: AsOf, $root: AsOf, $first: Int, $customer: UUID) {
        cases(asOf: $root, first: $first, oldestFirst: true, customerId: $customer) { totalCount edges { node {
            id customer { name past: cases(asOf: $then) { nodes { id state } } } } } } }"""

    def told(**given: Any) -> list[Any]:
        edges: list[Any] = fresh_api.ask(query, {"then": at(story, "opened")} | given)["cases"]["edges"]
        return [edge["node"] for edge in edges]

    def row(case: str, name: str, *states: str) -> dict[str, Any]:
        return {"id": case, "customer": {"name": name, "past": {"nodes": [{"id": case, "state": s} for s in states]}}}

    both = [row(story.case, "Ada Lovelace", "OPEN"), row(asked, "Bea")]
    assert told() == both
    assert told(first=1) == both[:1]
    assert told(customer=bea) == both[1:]
    assert told(root=at(story, "acknowledged")) == [row(story.case, "Ada", "OPEN")]


def test_a_cursor_goes_on_below_a_row_and_is_good_for_any_moment_of_the_same_order(story: Story) -> None:
    query = """query ($id: UUID!, $then: AsOf, $after: String) { customer(id: $id) {
        history(asOf: $then, first: 2, after: $after) { nodes { type } pageInfo { endCursor } } } }"""

    def page(then: str, after: str | None) -> Any:
        return ask(story, query, {"then": at(story, then), "after": after})["customer"]["history"]

    first = page("acknowledged", None)
    cursor = first["pageInfo"]["endCursor"]

    assert [node["type"] for node in first["nodes"]] == ["Case.Acknowledged", "Case.Opened"]
    assert page("acknowledged", cursor)["nodes"] == page("bought", cursor)["nodes"] == [{"type": "Customer.Registered"}]
    elsewhere = query.replace("history", "cases").replace("type", "state")
    assert story.api.code(elsewhere, {"id": story.ada, "after": cursor}) == "BAD_CURSOR"


def test_who_may_not_read_a_model_or_a_persons_data_may_not_as_of_the_past(story: Story) -> None:
    then = "query ($id: UUID!) { customer(id: $id) { cases(asOf: {position: 2}) { nodes { customer { name } } } } }"
    looks = "query ($id: UUID!) { customer(id: $id) { looks(asOf: {position: 1}) { totalCount } } }"

    def name(role: Role) -> Any:
        return ask(story, then, role=role)["customer"]["cases"]["nodes"][0]["customer"]["name"]

    assert (name(Role.AGENT), name(Role.ANALYST)) == ("Ada", None)
    assert ask(story, looks, role=Role.AUDITOR) == {"customer": {"looks": {"totalCount": 0}}}
    assert story.api.code(looks, {"id": story.ada}, role=Role.AGENT) == "FORBIDDEN"


@pytest.mark.parametrize(
    ("as_of", "code"),
    [
        ("{position: 1000000000}", "AS_OF_TO_COME"),
        ('{recordedAt: "9000-01-01T00:00:00Z"}', "AS_OF_TO_COME"),
        ("{position: 0}", "AS_OF_BEFORE_FIRST"),
        ("{position: null}", "GRAPHQL_VALIDATION_FAILED"),
        ("{}", "GRAPHQL_VALIDATION_FAILED"),
        ('{position: 1, occurredAt: "2026-01-01T00:00:00Z"}', "GRAPHQL_VALIDATION_FAILED"),
        ("{position: $nothing}", "GRAPHQL_VALIDATION_FAILED"),
    ],
)
@pytest.mark.parametrize("root", ["", ", asOf: {position: 1}"])
def test_what_is_no_moment_of_the_past_is_refused(story: Story, root: str, as_of: str, code: str) -> None:
    taken = "$id: UUID!, $nothing: Long" if "$nothing" in as_of else "$id: UUID!"
    query = f"query ({taken}) {{ customer(id: $id{root}) {{ cases(asOf: {as_of}) {{ nodes {{ id }} }} }} }}"

    assert story.api.code(query, {"id": story.ada}) == code


def test_what_all_moments_of_an_answer_take_counts_together(fresh_api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    story = Story(fresh_api)
    given = {"id": story.ada, "one": at(story, "opened"), "other": at(story, "acknowledged")}
    folded = story.api.ask(BESIDE, given)
    # One entry of the case at the first moment, two at the other.
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 2)

    assert story.api.ask(BESIDE, given | {"other": None})["customer"]["one"] == case(story, "OPEN")
    assert story.api.ask(BESIDE, given | {"one": None})["customer"]["other"] == case(story, "ACKNOWLEDGED")
    (error,) = story.api.errors(BESIDE, given)
    assert error["extensions"] == {"code": "AS_OF_NOT_BUILT", "field": "asOf"}
    assert error["message"].endswith(f"daybook rebuild case_register --as-of {story.at['acknowledged']}")

    make(story.api.url, models()["case_register"], Cut(story.at["acknowledged"]))

    assert story.api.ask(BESIDE, given) == folded


def test_the_same_moment_given_twice_is_folded_once(story: Story, monkeypatch: pytest.MonkeyPatch) -> None:
    thrice = " ".join(f"{name}: cases(asOf: $then) {{ {CASE} }}" for name in ("one", "two", "three"))
    # Two entries of the case, and as many to be looked at again.
    monkeypatch.setattr(sources, "ON_DEMAND_MAX", 4)

    told = ask(
        story,
        f"query ($id: UUID!, $then: AsOf) {{ customer(id: $id) {{ {thrice} }} }}",
        {"then": at(story, "acknowledged")},
    )

    assert told == {"customer": dict.fromkeys(("one", "two", "three"), case(story, "ACKNOWLEDGED"))}


def test_each_field_of_the_past_has_its_price_once_for_all_rows(story: Story) -> None:
    def cost(query: str) -> int:
        requested: int = story.api.send(query).json()["extensions"]["cost"]["requested"]
        return requested

    query = "{ customers(first: 10) { nodes { one: cases(first: 2ONE) { nodes { id } } tierStatusOTHER { tier } } } }"
    now = cost(query.replace("ONE", "").replace("OTHER", ""))
    past = query.replace("ONE", ", asOf: {position: 1}").replace("OTHER", "(asOf: {position: 2})")

    assert cost(past) == now + 2 * 500
    spread = "fragment F on Customer { cases(asOf: {position: 1}) { nodes { id } } }"
    assert (
        cost(f"{{ one: customers {{ nodes {{ ...F }} }} other: customers {{ nodes {{ ...F }} }} }} {spread}")
        == (cost("{ customers { nodes { cases { nodes { id } } } } }") + 500) * 2
    )


def test_what_a_command_gives_back_may_be_of_now_and_then(fresh_api: Api) -> None:
    story = Story(fresh_api)
    query = f"""mutation ($input: AssignCaseInput!, $key: AsOf) {{ assignCase(input: $input) {{ userErrors {{ code }}
        case {{ handler then: customer(asOf: {{position: {story.at["assigned"]}}}) {{ name cases {{ {CASE} }} }}
            customer {{ name cases(asOf: $key) {{ {CASE} }} }} }} }} }}"""

    assigning = {"id": story.case, "handler": "eve", "idempotencyKey": KEY}
    with fresh_api.projecting():
        told = fresh_api.ask(query, {"input": assigning, "key": at(story, "opened")})

    assert told["assignCase"] == {
        "userErrors": [],
        "case": {
            "handler": "eve",
            "then": {"name": "Ada", "cases": case(story, "IN_PROGRESS", "bob")},
            "customer": {"name": "Ada Lovelace", "cases": case(story, "OPEN")},
        },
    }


def test_what_is_read_as_it_stands_is_waited_for_and_what_is_not_is_not(fresh_api: Api) -> None:
    story = Story(fresh_api)
    head = story.at["renamed"]
    query = """query ($id: UUID!, $root: AsOf, $least: Long) { customer(id: $id, asOf: $root, atLeast: $least) {
        name cases(asOf: {position: 2}) { nodes { state } } } }"""
    fresh_api.ask(
        "mutation ($input: ChangeCustomerProfileInput!) { changeCustomerProfile(input: $input) { position } }",
        {"input": {"id": story.ada, "name": "Ada Byron", "idempotencyKey": KEY}},
    )

    # The entry is in the ledger, and not yet posted.
    then = fresh_api.ask(query, {"id": story.ada, "root": {"position": head + 1}, "least": head + 1})["customer"]
    assert then == {"name": "Ada Byron", "cases": {"nodes": [{"state": "OPEN"}]}}
    with fresh_api.projecting():
        assert fresh_api.ask(query, {"id": story.ada, "least": head + 1})["customer"] == then


def test_no_build_is_swapped_in_between_the_reading_of_now_and_of_then(
    story: Story, monkeypatch: pytest.MonkeyPatch
) -> None:
    resolve, tried = past.as_of.resolve, []

    def swapping(*given: Any) -> Any:
        with psycopg.connect(story.api.url) as admin:
            admin.execute("SET lock_timeout = '50ms'")
            for model in ("customer_profile", "case_register"):
                try:
                    with admin.transaction(force_rollback=True):
                        admin.execute(sql.SQL("DROP VIEW {}").format(sql.Identifier("books", model)))
                except errors.LockNotAvailable:
                    tried.append(model)
        return resolve(*given)

    monkeypatch.setattr(past.as_of, "resolve", swapping)

    story.api.ask(BESIDE, {"id": story.ada, "one": at(story, "opened")})

    assert tried == ["customer_profile", "case_register"]


MOMENTS = st.one_of(
    st.integers(1, 7).map(lambda position: {"position": position}),
    st.integers(1, 6).map(lambda day: {"occurredAt": f"2026-01-{day:02}T18:00:00Z"}),
)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(root=st.none() | MOMENTS, then=MOMENTS)
def test_what_is_nested_as_of_a_moment_is_what_its_own_query_gives_as_of_it(
    story: Story, root: dict[str, Any] | None, then: dict[str, Any]
) -> None:
    cases = f"totalCount {CASE} edges {{ cursor node {{ history {{ nodes {{ position voidedBy }} }} }} }}"
    nested, behaviour = f"cases(asOf: $then) {{ {cases} }}", "purchases lastAt"

    told = ask(
        story,
        f"""query ($id: UUID!, $root: AsOf, $then: AsOf) {{
        customer(id: $id, asOf: $root) {{ {nested} purchaseBehaviour(asOf: $then) {{ {behaviour} }} }}
        cases(customerId: $id, asOf: $then) {{ {cases} }}
        purchaseBehaviour(customerId: $id, asOf: $then) {{ {behaviour} }} }}""",
        {"root": root, "then": then},
    )

    assert told["customer"] == {"cases": told["cases"], "purchaseBehaviour": told["purchaseBehaviour"]}
