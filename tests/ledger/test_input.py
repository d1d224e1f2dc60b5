"""What commands are given: kept as it was meant, or refused with the field at fault and nothing written."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from domain.customer import Customer
from domain.vocabulary import Role
from ledger.application import Ledger
from tests.conftest import acting
from tests.ledger.refusals import refused_with

SUPERVISOR, ADMIN = Role.SUPERVISOR, Role.ADMIN


@pytest.fixture
def ledger(module_ledger: Ledger) -> Ledger:
    """These tests do not mind one another."""
    return module_ledger


@pytest.fixture
def customer(ledger: Ledger) -> UUID:
    """A customer on record."""
    return ledger.execute("register_customer", {"name": "王小明"}, acting()).stream_id


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({"kind": "telex"}, "kind"),
        ({"name": ""}, "name"),
        ({"name": 7}, "name"),
        ({"nmae": "Ada"}, "nmae"),
        ({"country": "x" * 201}, "country"),
    ],
)
def test_input_that_does_not_fit_is_refused_with_its_field(ledger: Ledger, given: dict[str, Any], field: str) -> None:
    with refused_with("INVALID_INPUT", ledger, field=field):
        ledger.execute("register_customer", given, acting())


@pytest.mark.parametrize("blank", ["", " ", "\t\n", "\u3000"])
def test_text_without_a_character_to_read_is_refused_wherever_it_stands(
    ledger: Ledger, customer: UUID, blank: str
) -> None:
    line = {"sku": "cup", "quantity": 1, "amount_minor": 1}
    case = ledger.execute("open_case", {"customer_id": customer, "kind": "complaint", "channel": "phone"}, acting())
    ledger.execute("acknowledge_case", {"id": case.stream_id, "channel": "phone"}, acting())

    needed = {"handler", "reason"}
    for name, given, field in [
        ("register_customer", {"name": blank}, "name"),
        ("register_customer", {"reference": blank}, "reference"),
        ("assign_case", {"id": case.stream_id, "handler": blank}, "handler"),
        ("reopen_case", {"id": case.stream_id, "reason": blank}, "reason"),
        (
            "confirm_case_facts",
            {"id": case.stream_id, "restatement": "It broke.", "steps_tried": ["Off and on", blank]},
            "steps_tried[1]",
        ),
        ("record_purchase", {"currency": "EUR", "lines": [line, line | {"name": blank}]}, "lines[1].name"),
    ]:
        with refused_with("INVALID_INPUT", ledger, field=field) as refused:
            ledger.execute(name, given, acting())
        left_out = "" if field in needed else ", or leave it out"
        assert str(refused.value) == f"{field} is blank; fill it in{left_out}."
    with refused_with("INVALID_INPUT", ledger, field="changes.product"):
        given = {"position": case.position, "reason": "A slip.", "changes": {"product": blank}}
        ledger.execute("amend_entry", given, acting(SUPERVISOR))


def test_blanks_around_text_are_kept_as_they_were_given(ledger: Ledger) -> None:
    done = ledger.execute("register_customer", {"name": " Ada "}, acting())

    assert ledger.load(Customer, done.stream_id).name == " Ada "  # type: ignore[attr-defined]


def test_input_that_is_missing_is_refused_with_its_field(ledger: Ledger, customer: UUID) -> None:
    with refused_with("INVALID_INPUT", ledger, field="kind"):
        ledger.execute("open_case", {"customer_id": customer, "channel": "phone"}, acting())


@pytest.mark.parametrize("id", ["not a uuid", None, 7])
def test_an_id_that_is_none_is_refused_with_its_field(ledger: Ledger, id: Any) -> None:
    with refused_with("INVALID_INPUT", ledger, field="customer_id"):
        ledger.execute("open_case", {"customer_id": id, "kind": "complaint", "channel": "phone"}, acting())


def test_a_command_nobody_declared_is_refused(ledger: Ledger) -> None:
    with refused_with("INVALID_INPUT", ledger):
        ledger.execute("burn_the_books", {}, acting())


def test_a_policy_without_a_time_zone_is_refused_before_it_can_poison_every_case(ledger: Ledger) -> None:
    targets = {"effective_from": "2030-01-01T00:00:00", "acknowledge_within_s": 1, "resolve_within_s": 1}

    with refused_with("INVALID_INPUT", ledger, field="effective_from"):
        ledger.execute("publish_service_targets", targets, acting(ADMIN))


def test_times_in_input_are_kept_in_utc(ledger: Ledger, customer: UUID) -> None:
    given = {"id": customer, "tier": "gold", "reason": "x", "expires_at": "2040-01-01T00:00:00+08:00"}

    entry = ledger.entry(ledger.execute("override_tier", given, acting(SUPERVISOR)).position)

    assert isinstance(entry, Customer.TierOverridden)
    assert entry.expires_at == datetime(2039, 12, 31, 16, tzinfo=UTC)
    assert entry.expires_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize(
    ("origin", "field"),
    [
        ({"source": "s" * 201, "external_id": "1"}, "source"),
        ({"source": "s", "external_id": "1" * 201}, "external_id"),
        ({"source": "", "external_id": "1"}, "source"),
        ({"source": " ", "external_id": "1"}, "source"),
        ({"source": "nul\0", "external_id": "1"}, None),
        ({"source": "s", "external_id": "\ud800"}, None),
    ],
)
def test_an_origin_that_cannot_be_kept_is_refused(ledger: Ledger, origin: dict[str, str], field: str | None) -> None:
    with refused_with("INVALID_INPUT", ledger, field=field):
        ledger.execute("register_customer", {}, replace(acting(), **origin))


def test_an_actor_whose_name_cannot_be_kept_is_refused(ledger: Ledger) -> None:
    for name in ("x" * 201, "", "  "):
        with refused_with("INVALID_INPUT", ledger, field="actor"):
            ledger.execute("register_customer", {}, acting(actor=name))


@pytest.mark.parametrize("text", ["a\0b", "\0", "\\\0"])
def test_a_nul_character_is_refused_and_nothing_is_written(ledger: Ledger, text: str) -> None:
    with refused_with("INVALID_INPUT", ledger):
        ledger.execute("register_customer", {"name": text}, acting())
    with refused_with("INVALID_INPUT", ledger):
        ledger.execute("register_customer", {"country": text}, acting())


@pytest.mark.parametrize("text", [r"\u0000", r"\\u0000", "\\" * 7 + "u0000"])
def test_what_only_looks_like_a_nul_character_is_kept(ledger: Ledger, text: str) -> None:
    done = ledger.execute("register_customer", {"name": text, "country": text}, acting())

    customer = ledger.load(Customer, done.stream_id)
    assert isinstance(customer, Customer)
    assert (customer.name, customer.country) == (text, text)


@pytest.mark.parametrize("text", ["\ud800", "a\udfffb"])
def test_half_a_character_is_refused_and_nothing_is_written(ledger: Ledger, text: str) -> None:
    with refused_with("INVALID_INPUT", ledger):
        ledger.execute("register_customer", {"name": text}, acting())


@pytest.mark.parametrize("number", [2**31 + 1, 2**64, -(10**30)])
def test_a_number_beyond_all_measure_is_refused(ledger: Ledger, number: int) -> None:
    line = {"sku": "cup", "quantity": number, "amount_minor": 1}

    with refused_with("INVALID_INPUT", ledger, field="lines[0].quantity"):
        ledger.execute("record_purchase", {"currency": "EUR", "lines": [line]}, acting())


@pytest.mark.parametrize("position", [0, -1, "x", "", None, True, 1.0, 2**63, "9" * 5000])
def test_a_position_that_is_none_is_refused(ledger: Ledger, position: Any) -> None:
    with refused_with("INVALID_INPUT", ledger, field="position"):
        ledger.execute("void_entry", {"position": position, "reason": "x"}, acting(SUPERVISOR))
