"""A value that is none of an enumeration's is told, with the one that was probably meant."""

from typing import Any

import pytest

from tests.api.asking import Api

OPEN_CASE = """mutation ($kind: CaseKind!) { openCase(input: {
    idempotencyKey: "00000000-0000-0000-0000-000000000001", customerId: "00000000-0000-0000-0000-000000000002",
    kind: $kind, channel: EMAIL, description: "x" }) { id } }"""


@pytest.mark.parametrize(
    ("query", "variables", "meant"),
    [
        ("{ cases(first: 2, state: OPNE) { edges { node { id } } } }", {}, "OPEN"),
        ("query ($state: CaseState) { cases(state: $state) { edges { node { id } } } }", {"state": "open"}, "OPEN"),
        (OPEN_CASE, {"kind": "COMPLAIN"}, "COMPLAINT"),
        (OPEN_CASE.replace("($kind: CaseKind!) ", "").replace("$kind", "COMPLAIN"), {}, "COMPLAINT"),
        (OPEN_CASE.replace("($kind: CaseKind!) ", "").replace("$kind", "complaint"), {}, "COMPLAINT"),
    ],
)
def test_a_mistyped_value_is_named_with_the_one_that_was_meant(
    api: Api, query: str, variables: dict[str, Any], meant: str
) -> None:
    (error,) = api.errors(query, variables)

    assert f"Did you mean the enum value '{meant}'" in error["message"]
    assert error["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
