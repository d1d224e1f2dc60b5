"""Commands through the ledger: once, in order, or refused with a code and nothing written."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4
from zoneinfo import ZoneInfo

import pytest
from msgspec.structs import replace

from domain.aggregate import SKEW
from domain.case import Case
from domain.policy import ServiceTargets
from domain.purchase import Purchase
from domain.rule import Refused
from domain.vocabulary import CaseState, Role
from ledger.application import Ledger
from tests.conftest import acting
from tests.ledger.refusals import outcome_of, refused_with

SUPERVISOR, ADMIN = Role.SUPERVISOR, Role.ADMIN


@pytest.fixture
def ledger(module_ledger: Ledger) -> Ledger:
    """These tests do not mind one another."""
    return module_ledger


@pytest.fixture
def customer(ledger: Ledger) -> UUID:
    """A customer on record."""
    return ledger.execute("register_customer", {"name": "王小明"}, acting()).stream_id


@pytest.fixture
def case(ledger: Ledger, customer: UUID) -> UUID:
    """A case of that customer, just opened."""
    given = {"customer_id": customer, "kind": "complaint", "channel": "phone"}
    return ledger.execute("open_case", given, acting()).stream_id


def head(ledger: Ledger) -> int:
    """The ledger's last position."""
    return ledger.recorder.max_notification_id() or 0


# Once.


def test_the_same_command_again_gets_the_first_answer(ledger: Ledger) -> None:
    context, given = acting(), {"kind": "person", "name": "王小明"}

    first = ledger.execute("register_customer", given, context)
    again = ledger.execute("register_customer", given, context)

    assert again == first._replace(repeated=True)
    assert head(ledger) == first.position


def test_the_same_command_again_gets_the_first_answer_although_a_rule_now_refuses_it(
    ledger: Ledger, case: UUID
) -> None:
    context, given = acting(), {"id": case, "channel": "phone"}

    first = ledger.execute("acknowledge_case", given, context)
    ledger.execute("assign_case", {"id": case, "handler": "bob"}, acting())
    again = ledger.execute("acknowledge_case", given, replace(context, at=datetime.now(UTC)))

    assert again == first._replace(repeated=True)
    assert (first.version, head(ledger)) == (2, first.position + 1)


def test_the_same_command_again_gets_the_first_answer_although_its_expected_version_has_passed(
    ledger: Ledger, case: UUID
) -> None:
    context, given = acting(), {"id": case, "channel": "phone"}

    first = ledger.execute("acknowledge_case", given, context, expected_version=1)
    again = ledger.execute("acknowledge_case", given, context, expected_version=1)

    assert again == first._replace(repeated=True)


@pytest.mark.parametrize(
    ("name", "given", "actor"),
    [
        ("register_customer", {"name": "Grace"}, "ann"),
        ("register_customer", {"name": "Ada", "country": "France"}, "ann"),
        ("register_customer", {"name": "Ada"}, "bob"),
    ],
)
def test_the_same_key_for_another_command_is_refused(
    ledger: Ledger, name: str, given: dict[str, Any], actor: str
) -> None:
    context = acting()
    ledger.execute("register_customer", {"name": "Ada"}, context)

    with refused_with("IDEMPOTENCY_CONFLICT", ledger, field="idempotencyKey"):
        ledger.execute(name, given, replace(context, actor=replace(context.actor, id=actor)))


def test_fifty_calls_at_once_with_one_key_make_one_entry(ledger: Ledger, case: UUID) -> None:
    context, before = acting(), head(ledger)

    with ThreadPoolExecutor(50) as callers:
        calls = [
            callers.submit(ledger.execute, "acknowledge_case", {"id": case, "channel": "phone"}, context)
            for _ in range(50)
        ]
    answers = [call.result() for call in calls]

    assert head(ledger) == before + 1
    assert {answer._replace(repeated=False) for answer in answers} == {(case, 2, before + 1, before + 1, False)}
    assert sum(not answer.repeated for answer in answers) == 1


# In order.


def test_a_stale_expected_version_is_refused_with_the_current_one(ledger: Ledger, case: UUID) -> None:
    ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())

    with refused_with("VERSION_CONFLICT", ledger, field="expectedVersion", kind="Case", current=2, expected=1):
        ledger.execute("assign_case", {"id": case, "handler": "bob"}, acting(), expected_version=1)


def test_what_does_not_exist_yet_stands_at_version_zero(ledger: Ledger) -> None:
    ledger.execute("register_customer", {}, acting(), expected_version=0)

    with refused_with("VERSION_CONFLICT", ledger, field="expectedVersion", kind="Customer", current=0, expected=3):
        ledger.execute("register_customer", {}, acting(), expected_version=3)


def test_of_many_who_expect_the_same_version_one_is_accepted(ledger: Ledger, case: UUID) -> None:
    def assign(handler: int) -> object:
        return ledger.execute("assign_case", {"id": case, "handler": str(handler)}, acting(), expected_version=1)

    with ThreadPoolExecutor(16) as callers:
        outcomes = list(callers.map(lambda n: outcome_of(lambda: assign(n)), range(16)))

    assert sorted(outcomes) == ["VERSION_CONFLICT"] * 15 + ["done"]
    assert ledger.load(Case, case).version == 2


def test_many_who_expect_nothing_are_all_accepted_one_after_the_other(ledger: Ledger, case: UUID) -> None:
    with ThreadPoolExecutor(16) as callers:
        calls = [
            callers.submit(ledger.execute, "assign_case", {"id": case, "handler": str(n)}, acting()) for n in range(48)
        ]
    answers = [call.result() for call in calls]

    assert sorted(answer.version for answer in answers) == list(range(2, 50))
    by_version = sorted(answers, key=lambda answer: answer.version)
    assert [answer.position for answer in by_version] == sorted(answer.position for answer in answers)


# Who and when.


@pytest.mark.parametrize(
    ("role", "command", "given"),
    [
        (Role.AUDITOR, "register_customer", {}),
        (Role.ANALYST, "register_customer", {}),
        (Role.AGENT, "override_tier", {}),
        (SUPERVISOR, "publish_service_targets", {}),
        (None, "register_customer", {}),
    ],
)
def test_a_role_may_do_only_what_it_was_given(
    ledger: Ledger, role: Role | None, command: str, given: dict[str, Any]
) -> None:
    context = acting()

    with refused_with("FORBIDDEN", ledger, role=role, command=command):
        ledger.execute(command, given, replace(context, actor=replace(context.actor, role=role)))


def test_what_has_not_happened_yet_is_refused(ledger: Ledger) -> None:
    with refused_with("OCCURRED_IN_FUTURE", ledger, field="occurredAt"):
        ledger.execute("register_customer", {}, acting(at=datetime.now(UTC) + SKEW + timedelta(seconds=5)))


def test_a_callers_clock_may_run_a_little_ahead(ledger: Ledger) -> None:
    ledger.execute("register_customer", {}, acting(at=datetime.now(UTC) + SKEW - timedelta(seconds=5)))


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        (datetime(2024, 3, 1), "occurredAt needs a time zone."),  # noqa: DTZ001
        (
            datetime(1, 1, 1, tzinfo=timezone(timedelta(hours=8))),
            "occurredAt lies outside the years 1 to 9999.",
        ),
    ],
)
def test_a_time_that_is_no_instant_is_refused(ledger: Ledger, at: datetime, problem: str) -> None:
    with refused_with("INVALID_INPUT", ledger, field="occurredAt") as refused:
        ledger.execute("register_customer", {}, acting(at=at))

    assert str(refused.value) == problem


def test_times_are_kept_in_utc_whatever_their_zone(ledger: Ledger) -> None:
    taipei = timezone(timedelta(hours=8))

    done = ledger.execute("register_customer", {}, acting(at=datetime(2024, 3, 1, 8, 30, tzinfo=taipei)))

    assert ledger.entry(done.position).occurred_at == datetime(2024, 3, 1, 0, 30, tzinfo=UTC)


def test_a_promise_runs_by_the_clock_and_not_by_the_wall(ledger: Ledger, customer: UUID) -> None:
    """Two hours after half past one are half past four on the wall, where summer time begins in between."""
    targets = {"effective_from": "2023-01-01T00:00:00Z", "acknowledge_within_s": 7200, "resolve_within_s": 7200}
    ledger.execute("publish_service_targets", targets, acting(ADMIN))
    at = datetime(2024, 3, 31, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))

    given = {"customer_id": customer, "kind": "complaint", "channel": "phone"}
    opened = ledger.entry(ledger.execute("open_case", given, acting(at=at)).position)

    assert isinstance(opened, Case.Opened)
    assert opened.acknowledge_due_at == datetime(2024, 3, 31, 2, 30, tzinfo=UTC)


# What is there.


def test_a_case_needs_a_customer_we_know(ledger: Ledger) -> None:
    with refused_with("NOT_FOUND", ledger, kind="customer"):
        ledger.execute("open_case", {"customer_id": uuid4(), "kind": "complaint", "channel": "phone"}, acting())


def test_an_id_of_another_kind_is_not_found(ledger: Ledger, customer: UUID) -> None:
    with refused_with("NOT_FOUND", ledger, kind="case"):
        ledger.execute("acknowledge_case", {"id": customer, "channel": "phone"}, acting())


def test_an_entry_that_is_not_there_cannot_be_voided(ledger: Ledger) -> None:
    with refused_with("NOT_FOUND", ledger, kind="entry"):
        ledger.execute("void_entry", {"position": 2**63 - 1, "reason": "x"}, acting(SUPERVISOR))


@pytest.mark.parametrize("spelling", [str, lambda n: f"0{n}", int])
def test_an_entry_is_voided_once_however_its_position_is_spelt(ledger: Ledger, case: UUID, spelling: Any) -> None:
    closed = ledger.execute("close_case", {"id": case, "basis": "withdrawn"}, acting())

    ledger.execute("void_entry", {"position": closed.position, "reason": "x"}, acting(SUPERVISOR))

    with refused_with("ENTRY_ALREADY_VOIDED", ledger):
        ledger.execute("void_entry", {"position": spelling(closed.position), "reason": "x"}, acting(SUPERVISOR))


def test_work_goes_on_where_a_void_entry_stood_in_the_way(ledger: Ledger, case: UUID) -> None:
    closed = ledger.execute("close_case", {"id": case, "basis": "withdrawn"}, acting())
    with refused_with("CASE_SETTLED", ledger):
        ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())

    voided = ledger.execute("void_entry", {"position": closed.position, "reason": "x"}, acting(SUPERVISOR))
    ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting(), expected_version=3)

    assert (voided.stream_id, voided.version) == (case, 3)
    found = ledger.load(Case, case)
    assert isinstance(found, Case)
    assert (found.state, found.version) == (CaseState.ACKNOWLEDGED, 4)


def test_a_case_whose_opening_is_void_takes_nothing_more(ledger: Ledger, case: UUID) -> None:
    opened = head(ledger)
    ledger.execute("void_entry", {"position": opened, "reason": "x"}, acting(SUPERVISOR))

    with refused_with("VOID", ledger, kind="Case"):
        ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())


def test_an_aggregate_is_loaded_as_of_a_version(ledger: Ledger, case: UUID) -> None:
    ledger.execute("acknowledge_case", {"id": case, "channel": "phone"}, acting())
    ledger.execute("close_case", {"id": case, "basis": "withdrawn"}, acting())

    states = [getattr(ledger.load(Case, case, version), "state", None) for version in (1, 2, 3)]

    assert states == [CaseState.OPEN, CaseState.ACKNOWLEDGED, CaseState.CLOSED]


def test_the_policy_in_force_is_the_last_that_had_taken_effect(ledger: Ledger) -> None:
    def publish(days: int) -> None:
        given = {
            "effective_from": datetime(2050, 1, 1, tzinfo=UTC) + timedelta(days=days),
            "acknowledge_within_s": days,
            "resolve_within_s": days,
        }
        ledger.execute("publish_service_targets", given, acting(ADMIN))

    publish(1)
    publish(3)

    def in_force(day: int) -> int | None:
        found = ledger.in_force(ServiceTargets, datetime(2050, 1, 1, tzinfo=UTC) + timedelta(days=day))
        return found and found.acknowledge_within_s

    assert [in_force(day) for day in (1, 2, 3, 4)] == [1, 1, 3, 3]


def test_a_policy_is_not_voided_and_stays_in_force(ledger: Ledger) -> None:
    given = {"effective_from": "2060-01-01T00:00:00Z", "acknowledge_within_s": 10, "resolve_within_s": 1}
    published = ledger.execute("publish_service_targets", given, acting(ADMIN)).position

    with pytest.raises(Refused) as refused:
        ledger.execute("void_entry", {"position": published, "reason": "x"}, acting(SUPERVISOR))

    assert refused.value.code == "ENTRY_POLICY_STAYS"
    assert ledger.recorder.max_notification_id() == published
    assert ledger.in_force(ServiceTargets, datetime(2061, 1, 1, tzinfo=UTC)).acknowledge_within_s == 10


def test_what_could_not_be_read_back_is_not_entered(ledger: Ledger) -> None:
    context = acting()
    beyond = Purchase.Recorded(currency="EUR", lines=[], total_minor=2**60)
    purchase = Purchase.begin(context, uuid4(), beyond, customer_id=None)

    with refused_with("INVALID_INPUT", ledger):
        ledger.write(purchase, bytes(32))
