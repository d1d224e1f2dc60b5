"""What a refusal says: sentences that speak of fields and commands as GraphQL calls them."""

from typing import Any
from uuid import uuid4

from domain.vocabulary import Role
from tests.api.asking import Api
from tests.api.test_commands import open_case, register


def test_a_refusal_speaks_of_fields_and_commands_as_they_are_called_here(api: Api) -> None:
    case = open_case(api)
    line = {"sku": "tea", "quantity": 1, "amountMinor": 2**53 + 1}

    def told(mutation: str, **given: Any) -> str:
        (error,) = api.do(mutation, **given)["userErrors"]
        message: str = error["message"]
        return message

    assert told("registerCustomer", name=" ") == "name is blank; fill it in, or leave it out."
    assert told("confirmCaseFacts", id=case, restatement="x", stepsTried=[""]) == (
        "stepsTried[0] is blank; fill it in, or leave it out."
    )
    assert told("recordPurchase", currency="EUR", lines=[line]) == (
        "lines[0].amountMinor must be 9007199254740992 or less."
    )
    assert told("registerCustomer", country="x" * 201) == "country must have at most 200 characters."
    assert told("confirmCaseFacts", id=case, restatement="x", role=Role.AUDITOR) == (
        "The role auditor may not confirmCaseFacts; ask for one of: agent, supervisor, admin."
    )
    survivor, other = register(api), register(api)
    merged = api.do("mergeCustomer", id=other, survivorId=survivor, reason="The same.")["position"]
    assert told("voidEntry", position=merged, reason="Not so.") == (
        "A merge is undone by unmergeCustomer, not by a correction."
    )


def test_what_the_schema_asks_for_is_told_by_name(api: Api) -> None:
    case = open_case(api)
    given = f'idempotencyKey: "{uuid4()}", id: "{case}"'

    (missing,) = api.errors(f"mutation {{ closeCase(input: {{ {given} }}) {{ id }} }}")
    (null,) = api.errors(f"mutation {{ closeCase(input: {{ {given}, basis: null }}) {{ id }} }}")

    assert "type 'CloseCaseInput' to include required field 'basis'" in missing["message"]
    assert "'ClosingBasis" in null["message"], null
    assert missing["extensions"]["code"] == null["extensions"]["code"] == "GRAPHQL_VALIDATION_FAILED"
