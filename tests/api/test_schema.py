"""The schema says everything about itself, and follows the declarations."""

import re
from enum import Enum
from pathlib import Path
from uuid import UUID

import pytest
from graphql import (
    GraphQLEnumType,
    GraphQLInputObjectType,
    GraphQLObjectType,
    GraphQLSchema,
    build_schema,
    is_introspection_type,
    is_specified_scalar_type,
    parse,
    validate,
)
from hypothesis import given, settings
from hypothesis import strategies as st

import api.queries
from api.cli import schema as schema_command
from api.graphql import limits
from api.graphql.books import books, relations
from api.graphql.names import camel, pascal, plural, singular
from api.graphql.schema import executable, sdl
from api.graphql.types import enumeration
from domain.command import commands
from domain.rule import rules
from ledger import input as ledger_input
from projections.engine.metric import metrics
from projections.engine.model import columns

COMMITTED = Path(schema_command.COMMITTED)
OPERATIONS = sorted(Path(api.queries.__path__[0]).glob("*.graphql"))


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return executable()


def test_the_committed_schema_is_the_current_one() -> None:
    assert COMMITTED.read_text("utf-8") == sdl(), "run: daybook schema --write"


def test_everything_has_a_description(schema: GraphQLSchema) -> None:
    silent = []
    for name, type_ in schema.type_map.items():
        if is_introspection_type(type_) or is_specified_scalar_type(type_):
            continue
        if not type_.description:
            silent.append(name)
        if isinstance(type_, GraphQLObjectType | GraphQLInputObjectType):
            silent += [f"{name}.{field}" for field, told in type_.fields.items() if not told.description]
        if isinstance(type_, GraphQLObjectType):
            silent += [
                f"{name}.{field}({argument})"
                for field, told in type_.fields.items()
                for argument, said in told.args.items()
                if not said.description
            ]
        if isinstance(type_, GraphQLEnumType):
            silent += [f"{name}.{value}" for value, told in type_.values.items() if not told.description]
    for directive in schema.directives:
        silent += [] if directive.description else [f"@{directive.name}"]

    assert silent == []


def test_every_command_has_a_mutation_that_asks_for_what_the_ledger_takes(schema: GraphQLSchema) -> None:
    assert schema.mutation_type is not None
    taken = {camel(command.name): set(map(camel, ledger_input._fields(command.name))) for command in commands()}

    given = {
        name: set(schema.type_map[f"{pascal(name)}Input"].fields)  # type: ignore[attr-defined]
        for name in schema.mutation_type.fields
    }

    circumstances = {"idempotencyKey", "occurredAt", "expectedVersion"}
    assert {name: fields - circumstances for name, fields in given.items()} == taken
    assert all({"idempotencyKey", "occurredAt"} <= fields for fields in given.values())
    assert {name for name, fields in given.items() if "expectedVersion" not in fields} == {
        camel(command.name) for command in commands() if command.creates
    }


def test_what_a_command_decides_cannot_be_given(schema: GraphQLSchema) -> None:
    fields = schema.type_map["OpenCaseInput"].fields  # type: ignore[attr-defined]

    assert "customerId" in fields
    assert "acknowledgeDueAt" not in fields
    assert "policyVersion" not in fields


def test_every_read_model_has_a_page_and_every_keyed_one_a_row(schema: GraphQLSchema) -> None:
    assert schema.query_type is not None
    queries = schema.query_type.fields

    for book in books().values():
        assert str(queries[book.many].type) == f"{book.title}Connection!"
        assert "atLeast" in queries[book.many].args
        if book.one:
            assert str(queries[book.one].type) == book.title


def test_the_queries_readers_know_by_name_are_there(schema: GraphQLSchema) -> None:
    assert schema.query_type is not None
    named = ["customer", "customers", "customerHistory", "case", "cases", "caseReplay", "complaintOutcomes", "sales"]
    named += [
        "tierStatus",
        "tierStatuses",
        "purchaseBehaviours",
        "auditTrail",
        "metric",
        "metrics",
        "projections",
        "ledger",
    ]

    assert set(named) <= set(schema.query_type.fields)
    assert set(map(camel, metrics())) <= set(schema.query_type.fields)
    assert {"history", "cases", "tierStatus", "purchaseBehaviour"} <= set(relations("customer_profile"))
    assert {"history", "customer"} <= set(relations("case_register"))


def test_enum_values_are_the_stored_codes_in_capitals(schema: GraphQLSchema) -> None:
    checked = 0
    for type_ in schema.type_map.values():
        if isinstance(type_, GraphQLEnumType) and not is_introspection_type(type_):
            for name, value in type_.values.items():
                code = value.value.value if isinstance(value.value, Enum) else value.value
                assert name == str(code).upper()
                checked += 1

    assert checked > 100


def test_what_stands_under_a_member_describes_its_value(schema: GraphQLSchema) -> None:
    basis, order, code = (schema.type_map[name] for name in ("ClosingBasis", "CustomerOrder", "UserErrorCode"))

    assert isinstance(basis, GraphQLEnumType)
    assert basis.values["WITHDRAWN"].description == "The customer took the matter back."
    assert isinstance(order, GraphQLEnumType)
    assert order.values["REGISTERED_AT"].description == "By registeredAt. When the customer became known to us."
    assert isinstance(code, GraphQLEnumType)
    assert code.values["CASE_NOT_CLASSIFIED"].description == "The case has no category yet; classify it first."


def test_an_enum_with_a_member_that_says_nothing_is_refused() -> None:
    class Mood(Enum):
        """How it went."""

        GOOD = "good"
        """It went well."""
        BAD = "bad"

    with pytest.raises(TypeError, match=r"Mood\.BAD says nothing of itself; write a docstring under it"):
        enumeration(Mood)


def test_an_enum_whose_names_are_not_its_codes_is_refused() -> None:
    class Odd(Enum):
        ONE = "first"

    with pytest.raises(AssertionError, match="Odd has other names"):
        enumeration(Odd)


def test_a_refusal_can_carry_the_code_of_every_rule_of_the_domain(schema: GraphQLSchema) -> None:
    codes = set(schema.type_map["UserErrorCode"].values)  # type: ignore[attr-defined]

    assert {"NOT_FOUND", "VERSION_CONFLICT", "INVALID_INPUT", "FORBIDDEN", "CASE_NOT_ACKNOWLEDGED"} <= codes
    assert codes <= {rule.code for rule in rules()}


@pytest.mark.parametrize("file", OPERATIONS, ids=lambda file: file.stem)
def test_the_committed_operations_fit_the_schema(schema: GraphQLSchema, file: Path) -> None:
    text = file.read_text("utf-8").replace("CUSTOMER_ID", str(UUID(int=1))).replace("CASE_ID", str(UUID(int=2)))

    assert validate(schema, parse(text)) == []


def test_three_operations_are_committed() -> None:
    assert {file.stem for file in OPERATIONS} == {"customer_history", "case_replay", "retention_by_handling"}


def test_a_change_that_breaks_clients_fails_and_says_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    committed = "type Query { cases: Int  customers: Int }"

    with pytest.raises(SystemExit) as exited:
        schema_command.refuse_drift(committed, "type Query { cases: Int }")

    assert exited.value.code == 1
    told = capsys.readouterr().err
    assert "Query.customers was removed" in told
    assert "break clients" in told


def test_an_addition_fails_the_check_until_it_is_committed_but_breaks_nobody(
    capsys: pytest.CaptureFixture[str],
) -> None:
    earlier, current = "type Query { cases: Int }", "type Query { cases: Int  customers: Int }"

    with pytest.raises(SystemExit):
        schema_command.refuse_drift(earlier, current)
    assert "daybook schema --write" in capsys.readouterr().err

    schema_command.refuse_breaking(earlier, current)


def test_a_changed_description_is_drift_too() -> None:
    with pytest.raises(SystemExit):
        schema_command.refuse_drift('"A" type Query { cases: Int }', '"B" type Query { cases: Int }')


def test_the_schema_can_be_read_back() -> None:
    assert build_schema(sdl()).query_type is not None


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("Case", "Cases"),
        ("Remedy", "Remedies"),
        ("TierStatus", "TierStatuses"),
        ("PurchaseBehaviour", "PurchaseBehaviours"),
    ],
)
def test_names_have_their_plurals(one: str, many: str) -> None:
    assert plural(one) == many
    assert singular(one) == one


@settings(max_examples=50)
@given(st.from_regex(r"[a-z][a-z0-9]{0,5}(_[a-z][a-z0-9]{0,5}){0,3}", fullmatch=True))
def test_camel_case_loses_nothing(name: str) -> None:
    assert re.sub(r"([A-Z])", lambda found: f"_{found[1].lower()}", camel(name)) == name


def test_whatever_is_selected_of_a_row_fits_into_one_statement() -> None:
    arguments_max = 100  # of a function in PostgreSQL

    for name, book in books().items():
        assert len(columns(book.model)) + len(relations(name)) + limits.ALIASES_MAX <= arguments_max


def test_personal_fields_say_so(schema: GraphQLSchema) -> None:
    said = schema.type_map["Customer"].fields["name"].description  # type: ignore[attr-defined]

    assert said.endswith(
        "Personal: for agent, supervisor, auditor, admin; null for others, and once the person is erased."
    )


def test_the_codes_of_errors_are_told(schema: GraphQLSchema) -> None:
    assert schema.query_type is not None
    assert schema.query_type.description is not None

    for code in (
        "BAD_CURSOR",
        "BAD_FILTER",
        "BAD_PAGE",
        "FORBIDDEN",
        "OPERATION_TOO_LARGE",
        "STALE",
        "UNAVAILABLE",
        "INTERNAL",
    ):
        assert code in schema.query_type.description
