"""A case: heard before it is settled, settled on facts, closed on a basis, reopened inside its window."""

from datetime import timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from domain.case import Case
from domain.event import Event
from domain.policy import ServiceTargets
from domain.vocabulary import (
    CaseKind,
    CaseState,
    Category,
    Channel,
    ClosingBasis,
    Expectation,
    Response,
    SolutionKind,
)
from tests.domain.specification import CASE, CUSTOMER, NOON, STREAM, a_customer, by, given

OPENED = Case.Opened(kind=CaseKind.COMPLAINT, channel=Channel.PHONE, description="杯子碎了")
ACKNOWLEDGED = Case.Acknowledged(channel=Channel.PHONE, thanked=True)
CONFIRMED = Case.FactsConfirmed(restatement="The cup arrived broken.")
PROPOSED = Case.SolutionProposed(kind=SolutionKind.REMEDY, text="A new cup")
RESOLVED = Case.Resolved(resolution="replaced")
REFERRED = Case.Referred(to="the carrier")
REOPENED = Case.Reopened(reason="The new cup is broken too.")
WITHDRAWN = Case.Closed(basis=ClosingBasis.WITHDRAWN)
NO_RESPONSE = Case.Closed(basis=ClosingBasis.NO_RESPONSE_AFTER)
BY_CUSTOMER = Case.Closed(basis=ClosingBasis.CUSTOMER_CONFIRMED)
TARGETS = ServiceTargets(
    version=3, effective_from=NOON, acknowledge_within_s=3_600, resolve_within_s=86_400, reopen_within_days=14
)
WITHOUT_LIMIT = ServiceTargets(version=4, effective_from=NOON, acknowledge_within_s=60, resolve_within_s=120)


def numbered(fact: Any, number: int) -> Any:
    """The proposal, or the answer to it, with its number."""
    return replace(fact, number=number)


def opened(*facts: Event) -> Any:
    """A case with these entries after its opening."""
    return given(OPENED, *facts, case_id=STREAM)


def test_a_case_is_opened_and_held_to_the_targets_in_force() -> None:
    case = (
        given()
        .when(Case.open, a_customer(), OPENED, TARGETS)
        .then(
            Case.Opened(
                kind=CaseKind.COMPLAINT,
                channel=Channel.PHONE,
                description="杯子碎了",
                policy_version=3,
                acknowledge_due_at=NOON + timedelta(hours=1),
                resolve_due_at=NOON + timedelta(days=1),
            ),
            case_id=STREAM,
        )
    )

    assert (case.customer_id, case.kind, case.state) == (CUSTOMER, CaseKind.COMPLAINT, CaseState.OPEN)


def test_a_case_opened_while_no_targets_are_in_force_promises_nothing() -> None:
    given().when(Case.open, a_customer(), OPENED, None).then(OPENED, case_id=STREAM)


def test_a_case_is_acknowledged() -> None:
    case = opened().when(Case.acknowledge, ACKNOWLEDGED).then(ACKNOWLEDGED, case_id=STREAM)

    assert (case.state, case.acknowledged_at) == (CaseState.ACKNOWLEDGED, NOON)


def test_a_case_is_acknowledged_once() -> None:
    opened(ACKNOWLEDGED).when(Case.acknowledge, ACKNOWLEDGED).then_refused("CASE_ALREADY_ACKNOWLEDGED")


def test_a_case_gets_its_one_main_category() -> None:
    fact = Case.Classified(category=Category.PRODUCT, subcategory="breakage")

    case = opened().when(Case.classify, fact).then(fact, case_id=STREAM)

    assert case.category is Category.PRODUCT


def test_a_second_class_needs_a_reason() -> None:
    fact = Case.Classified(category=Category.SERVICE)

    opened(fact).when(Case.classify, fact).then_refused("CASE_ALREADY_CLASSIFIED")


def test_a_case_is_reclassified_with_a_reason() -> None:
    fact = Case.Reclassified(category=Category.SERVICE, reason="The carrier broke it.")

    case = opened(Case.Classified(category=Category.PRODUCT)).when(Case.reclassify, fact).then(fact, case_id=STREAM)

    assert case.category is Category.SERVICE


def test_what_has_no_category_cannot_be_reclassified() -> None:
    fact = Case.Reclassified(category=Category.SERVICE, reason="The carrier broke it.")

    opened().when(Case.reclassify, fact).then_refused("CASE_NOT_CLASSIFIED")


def test_a_case_is_assigned_and_work_begins() -> None:
    fact = Case.Assigned(handler="bob", department="care")

    case = opened(ACKNOWLEDGED).when(Case.assign, fact).then(fact, case_id=STREAM)

    assert (case.handler, case.state) == ("bob", CaseState.IN_PROGRESS)


def test_assigning_a_case_does_not_acknowledge_it() -> None:
    fact = Case.Assigned(handler="bob")

    case = opened().when(Case.assign, fact).then(fact, case_id=STREAM)

    assert case.state is CaseState.OPEN


def test_the_facts_are_confirmed_with_the_customer() -> None:
    case = opened(ACKNOWLEDGED).when(Case.confirm_facts, CONFIRMED).then(CONFIRMED, case_id=STREAM)

    assert case.facts_confirmed


def test_facts_are_not_confirmed_with_a_customer_who_has_not_been_heard() -> None:
    opened().when(Case.confirm_facts, CONFIRMED).then_refused("CASE_NOT_ACKNOWLEDGED")


def test_a_case_is_referred_and_waits_for_the_other_body() -> None:
    case = opened().when(Case.refer, REFERRED).then(REFERRED, case_id=STREAM)

    assert case.state is CaseState.WAITING_THIRD_PARTY


@pytest.mark.parametrize(
    ("response", "state"),
    [
        (Response.EXPLANATION, CaseState.IN_PROGRESS),
        (Response.MONETARY_RELIEF, CaseState.IN_PROGRESS),
        (Response.IN_PROGRESS, CaseState.WAITING_THIRD_PARTY),
        (Response.UNTIMELY, CaseState.WAITING_THIRD_PARTY),
    ],
)
def test_the_other_body_answers(response: Response, state: CaseState) -> None:
    fact = Case.Responded(response=response, timely=True)

    case = opened(REFERRED).when(Case.record_response, fact).then(fact, case_id=STREAM)

    assert case.state is state


def test_nobody_answers_what_was_referred_to_nobody() -> None:
    fact = Case.Responded(response=Response.EXPLANATION)

    opened(ACKNOWLEDGED).when(Case.record_response, fact).then_refused("CASE_NOT_REFERRED")


def test_a_solution_is_proposed_on_confirmed_facts() -> None:
    case = opened(ACKNOWLEDGED, CONFIRMED).when(Case.propose, PROPOSED).then(numbered(PROPOSED, 1), case_id=STREAM)

    assert (case.state, case.proposal_open) == (CaseState.WAITING_CUSTOMER, True)


def test_a_solution_before_the_facts_are_confirmed_is_refused() -> None:
    opened(ACKNOWLEDGED).when(Case.propose, PROPOSED).then_refused("CASE_FACTS_NOT_CONFIRMED")


def test_one_solution_at_a_time_is_put_to_the_customer() -> None:
    before = opened(ACKNOWLEDGED, CONFIRMED, numbered(PROPOSED, 1))

    before.when(Case.propose, PROPOSED).then_refused("CASE_PROPOSAL_OPEN")


def test_the_customer_takes_the_solution() -> None:
    before = opened(ACKNOWLEDGED, CONFIRMED, numbered(PROPOSED, 1))
    fact = Case.SolutionAccepted(expectation=Expectation.EXCEEDED)

    case = before.when(Case.accept, fact).then(numbered(fact, 1), case_id=STREAM)

    assert (case.state, case.proposal_open) == (CaseState.IN_PROGRESS, False)


def test_a_rejected_solution_makes_room_for_the_second() -> None:
    rejected = Case.SolutionRejected(reason="I want my money back.")
    before = opened(ACKNOWLEDGED, CONFIRMED, numbered(PROPOSED, 1))

    before.when(Case.reject, rejected).then(numbered(rejected, 1), case_id=STREAM)

    after = opened(ACKNOWLEDGED, CONFIRMED, numbered(PROPOSED, 1), numbered(rejected, 1))
    after.when(Case.propose, PROPOSED).then(numbered(PROPOSED, 2), case_id=STREAM)


@pytest.mark.parametrize(
    ("answer", "fact"), [(Case.accept, Case.SolutionAccepted()), (Case.reject, Case.SolutionRejected())]
)
def test_the_customer_answers_only_what_was_proposed(answer: Any, fact: Event) -> None:
    opened(ACKNOWLEDGED, CONFIRMED).when(answer, fact).then_refused("CASE_NO_OPEN_PROPOSAL")


def test_a_case_is_resolved_and_can_be_reopened_for_a_while() -> None:
    case = (
        opened(ACKNOWLEDGED)
        .when(Case.resolve, RESOLVED, TARGETS)
        .then(
            Case.Resolved(resolution="replaced", policy_version=3, reopen_until=NOON + timedelta(days=14)),
            case_id=STREAM,
        )
    )

    assert case.state is CaseState.RESOLVED


def test_a_case_resolved_under_targets_without_a_window_can_be_reopened_for_good() -> None:
    fact = Case.Resolved(resolution="replaced", policy_version=4, reopen_until=None)

    opened(ACKNOWLEDGED).when(Case.resolve, RESOLVED, WITHOUT_LIMIT).then(fact, case_id=STREAM)


def test_a_case_is_not_resolved_before_it_is_acknowledged() -> None:
    opened().when(Case.resolve, RESOLVED, TARGETS).then_refused("CASE_NOT_ACKNOWLEDGED")


def test_a_case_is_not_resolved_over_the_head_of_the_customer() -> None:
    before = opened(ACKNOWLEDGED, CONFIRMED, numbered(PROPOSED, 1))

    before.when(Case.resolve, RESOLVED, None).then_refused("CASE_PROPOSAL_OPEN")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Case.acknowledge, (ACKNOWLEDGED,)),
        (Case.classify, (Case.Classified(category=Category.PRODUCT),)),
        (Case.assign, (Case.Assigned(handler="bob"),)),
        (Case.confirm_facts, (CONFIRMED,)),
        (Case.refer, (REFERRED,)),
        (Case.record_response, (Case.Responded(response=Response.CLOSED),)),
        (Case.propose, (PROPOSED,)),
        (Case.resolve, (RESOLVED, None)),
    ],
)
@pytest.mark.parametrize(("end", "state"), [(RESOLVED, "resolved"), (WITHDRAWN, "closed")])
def test_a_settled_case_takes_nothing_until_it_is_reopened(
    command: Any, arguments: tuple[Any, ...], end: Event, state: str
) -> None:
    opened(end).when(command, *arguments).then_refused("CASE_SETTLED", state=state)


def test_a_settled_case_is_not_reclassified() -> None:
    before = opened(Case.Classified(category=Category.PRODUCT), WITHDRAWN)

    before.when(Case.reclassify, Case.Reclassified(category=Category.SERVICE, reason="x")).then_refused("CASE_SETTLED")


def test_the_customer_confirms_the_settlement() -> None:
    fact = Case.ClosureConfirmed(channel=Channel.EMAIL)

    case = opened(ACKNOWLEDGED, RESOLVED).when(Case.confirm_closure, fact).then(fact, case_id=STREAM)

    assert case.confirmed


def test_there_is_nothing_to_confirm_in_an_unresolved_case() -> None:
    fact = Case.ClosureConfirmed(channel=Channel.EMAIL)

    opened(ACKNOWLEDGED).when(Case.confirm_closure, fact).then_refused("CASE_NOT_RESOLVED", state="acknowledged")


def test_a_case_is_closed_on_the_confirmation_of_the_customer() -> None:
    before = opened(ACKNOWLEDGED, RESOLVED, Case.ClosureConfirmed(channel=Channel.EMAIL))

    case = before.when(Case.close, BY_CUSTOMER, None).then(BY_CUSTOMER, case_id=STREAM)

    assert case.state is CaseState.CLOSED


def test_a_case_is_not_closed_on_a_confirmation_the_customer_did_not_give() -> None:
    opened(ACKNOWLEDGED, RESOLVED).when(Case.close, BY_CUSTOMER, None).then_refused(
        "CASE_CLOSED_WITHOUT_BASIS", field="basis"
    )


def test_a_confirmation_does_not_outlive_a_reopening() -> None:
    before = opened(
        ACKNOWLEDGED,
        RESOLVED,
        Case.ClosureConfirmed(channel=Channel.EMAIL),
        REOPENED,
        RESOLVED,
    )

    before.when(Case.close, BY_CUSTOMER, None).then_refused("CASE_CLOSED_WITHOUT_BASIS", field="basis")


def test_a_resolved_case_is_closed_on_another_named_basis() -> None:
    expected = Case.Closed(
        basis=ClosingBasis.NO_RESPONSE_AFTER, policy_version=3, reopen_until=NOON + timedelta(days=14)
    )

    opened(ACKNOWLEDGED, RESOLVED).when(Case.close, NO_RESPONSE, TARGETS).then(expected, case_id=STREAM)


def test_an_unresolved_case_is_not_closed_because_nobody_answers() -> None:
    opened(ACKNOWLEDGED).when(Case.close, NO_RESPONSE, None).then_refused("CASE_CLOSED_UNRESOLVED", field="basis")


@pytest.mark.parametrize("basis", [ClosingBasis.WITHDRAWN, ClosingBasis.OUT_OF_SCOPE])
def test_a_withdrawn_or_misplaced_case_is_closed_at_once(basis: ClosingBasis) -> None:
    opened().when(Case.close, Case.Closed(basis=basis), None).then(Case.Closed(basis=basis), case_id=STREAM)


def test_a_case_is_closed_once() -> None:
    opened(WITHDRAWN).when(Case.close, WITHDRAWN, None).then_refused("CASE_ALREADY_CLOSED")


@pytest.mark.parametrize("end", [RESOLVED, WITHDRAWN])
def test_a_settled_case_without_a_window_is_reopened_at_any_time(end: Event) -> None:
    case = opened(end).when(Case.reopen, REOPENED).then(REOPENED, case_id=STREAM)

    assert case.state is CaseState.IN_PROGRESS


def test_a_case_is_reopened_at_the_last_instant_of_its_window() -> None:
    before = opened(ACKNOWLEDGED, Case.Resolved(resolution="replaced", reopen_until=NOON))

    before.when(Case.reopen, REOPENED).then(REOPENED, case_id=STREAM)


def test_a_case_is_not_reopened_after_its_window() -> None:
    before = opened(ACKNOWLEDGED, Case.Resolved(resolution="replaced", reopen_until=NOON))
    late = by(at=NOON + timedelta(microseconds=1))

    before.when(Case.reopen, REOPENED, context=late).then_refused("CASE_REOPEN_WINDOW_PASSED", until=NOON)


def test_an_open_case_cannot_be_reopened() -> None:
    opened(ACKNOWLEDGED).when(Case.reopen, REOPENED).then_refused("CASE_NOT_SETTLED", state="acknowledged")


def test_a_case_of_an_unknown_customer_takes_every_later_command() -> None:
    before = given(OPENED, REFERRED, customer_id=None, case_id=CASE)

    before.when(Case.acknowledge, ACKNOWLEDGED).then(ACKNOWLEDGED, customer_id=None, case_id=STREAM)


def test_a_case_whose_opening_is_not_on_record_goes_on_from_what_is() -> None:
    before = given(REFERRED, customer_id=None, case_id=STREAM)

    case = before.when(Case.acknowledge, ACKNOWLEDGED).then(ACKNOWLEDGED, customer_id=None, case_id=STREAM)

    assert case.referred
