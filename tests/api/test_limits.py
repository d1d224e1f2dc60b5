"""Limits: what is too much is refused quickly and before the database is asked."""

import time
from itertools import pairwise
from typing import Any

import pytest

from api.graphql import limits, reading
from tests.api.asking import Api

TOO_LARGE = "OPERATION_TOO_LARGE"


@pytest.fixture(autouse=True)
def untouched(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is asked of the database fails the test."""

    async def asked(*_: Any) -> None:
        pytest.fail("the database was asked")

    monkeypatch.setattr(reading.Reader, "value", asked)


def refused(api: Api, query: str, variables: dict[str, Any] | None = None) -> str:
    """The sentence a too large request is refused with, within a moment."""
    began = time.perf_counter()
    (error,) = api.errors(query, variables)
    assert time.perf_counter() - began < 2
    assert error["extensions"]["code"] == TOO_LARGE
    message: str = error["message"]
    return message


def test_too_deep_a_selection_is_refused(api: Api) -> None:
    query = "id"
    for _ in range(limits.DEPTH_MAX // 2 + 1):
        query = f"cases(first: 1) {{ nodes {{ customer {{ {query} }} }} }}"

    assert "levels deep" in refused(api, f"{{ customers(first: 1) {{ nodes {{ {query} }} }} }}")


def test_depth_counts_through_fragments_however_often_they_are_spread(api: Api) -> None:
    names = [f"F{number}" for number in range(60)]
    spread = " ".join(f"fragment {name} on Query {{ ...{other} ...{other} }}" for name, other in pairwise(names))

    # Doubled at each of sixty levels: whoever opens every spread never ends.
    last = "customers(first: 100) { nodes { history(first: 100) { nodes { type } } } }"
    query = f"query {{ ...F0 }} {spread} fragment {names[-1]} on Query {{ {last} }}"
    assert "costs" in refused(api, query)


def test_many_aliases_are_refused(api: Api) -> None:
    asked = " ".join(f"a{number}: ledger {{ head }}" for number in range(limits.ALIASES_MAX + 1))

    assert "aliases" in refused(api, f"{{ {asked} }}")


def test_the_same_field_over_and_over_is_refused(api: Api) -> None:
    assert "more than" in refused(api, "{ " + "ledger { head } " * (limits.REPEATS_MAX + 1) + "}")


def test_a_request_of_too_many_words_is_refused(api: Api) -> None:
    (error,) = api.errors("{ " + "ledger { head } " * (limits.TOKENS_MAX // 4) + "}")

    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"
    assert "tokens" in error["message"]


def test_nesting_without_end_is_refused_and_does_not_end_the_process(api: Api) -> None:
    (error,) = api.errors("{ a " * 900)

    assert error["extensions"]["code"] == "GRAPHQL_PARSE_FAILED"


@pytest.mark.parametrize(
    ("query", "variables"),
    [
        ("{ customers(first: 100) { nodes { history(first: 100) { nodes { type } } } } }", None),
        ("query ($n: Int) { customers(first: $n) { nodes { history(last: $n) { nodes { type } } } } }", {"n": 100}),
        ("query ($n: Int = 100) { customers(first: $n) { nodes { history(first: $n) { nodes { type } } } } }", None),
        ("{ cases(first: 100) { nodes { customer { sales(first: 100) { nodes { lines } } } } } }", None),
        (
            "{ customers(first: 100) { edges { node { history(first: 100) { edges { cursor node { type } } } } } } }",
            None,
        ),
        ("{ customers(first: 100) { nodes { history { totalCount } cases { totalCount } } } }", None),
    ],
    ids=["literal", "variable", "default", "through a relation", "edges", "totals"],
)
def test_a_request_that_costs_too_much_is_refused(api: Api, query: str, variables: dict[str, Any] | None) -> None:
    assert "at most 10000" in refused(api, query, variables)


def test_what_is_a_hundred_times_too_large_is_refused_in_a_moment(api: Api) -> None:
    query = "type"
    for _ in range(2):
        query = f"case {{ history(first: 100) {{ nodes {{ {query} type }} }} }}"
    whole = f"{{ customerHistory(first: 100) {{ nodes {{ {query} }} }} }}"
    refused(api, whole)
    began = time.perf_counter()

    refused(api, whole)

    assert time.perf_counter() - began < 0.5


def test_a_huge_number_is_no_way_round(api: Api) -> None:
    for size in (2**31 - 1, -(2**31)):
        query = f"{{ customers(first: {size}) {{ nodes {{ id }} }} }}"
        assert api.code(query) in (TOO_LARGE, "BAD_PAGE")


def test_commands_and_metrics_have_their_price(api: Api) -> None:
    asked = " ".join(f"a{number}: repeatPurchaseRate {{ position }}" for number in range(21))

    assert "costs 10500" in refused(api, f"{{ {asked} }}")


def test_checking_whether_fields_agree_takes_no_long_time(api: Api) -> None:
    spread = " ".join(f"...F{number}" for number in range(100))
    fragments = " ".join(
        f"fragment F{number} on Query {{ ledger {{ head head recordedAt }} }}" for number in range(100)
    )
    began = time.perf_counter()

    api.send(f"{{ {spread} nothing }} {fragments}")

    assert time.perf_counter() - began < 2
