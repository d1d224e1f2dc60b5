"""A remedy: within authority or with another person's approval, and fulfilled once."""

from typing import Any

import pytest

from domain.case import Case
from domain.event import Event
from domain.policy import AuthorityLimit, RemedyAuthority
from domain.remedy import Remedy
from domain.vocabulary import CaseKind, Channel, RemedyKind, RemedyState, Role
from tests.domain.specification import CASE, CUSTOMER, NOON, Given, aggregate, by, given

AUTHORITY = RemedyAuthority(
    version=7,
    effective_from=NOON,
    currency="EUR",
    limits=[
        AuthorityLimit(role=Role.AGENT, amount_minor=50_00),
        AuthorityLimit(role=Role.SUPERVISOR, amount_minor=500_00),
    ],
)
REFUND = RemedyKind.REFUND
WITHIN = Remedy.Offered(kind=REFUND, amount_minor=50_00, currency="EUR")
ABOVE = Remedy.Offered(kind=REFUND, amount_minor=50_01, currency="EUR")
REQUESTED = Remedy.ApprovalRequested(kind=REFUND, amount_minor=400_00, currency="EUR", reason="He was most upset.")
APPROVED = Remedy.Approved(limit_version=7)
OFFERED = Remedy.Offered(kind=REFUND, amount_minor=400_00, currency="EUR", approved=True)
ACCEPTED = Remedy.Accepted()
FULFILLED = Remedy.Fulfilled(reference="SEPA 4711")
FAILED = Remedy.Failed(reason="The account is closed.")
SUPERVISOR = by("sue", Role.SUPERVISOR)


def a_case() -> Any:
    """The case the remedy is for."""
    opened = Case.Opened(kind=CaseKind.COMPLAINT, channel=Channel.PHONE)
    return aggregate(Case, opened, stream_id=CASE, case_id=CASE)


def remedy(*facts: Event) -> Given:
    """A remedy of that case with these entries."""
    return given(*facts, case_id=CASE)


def test_a_remedy_within_authority_is_offered_under_the_version_in_force() -> None:
    expected = Remedy.Offered(kind=REFUND, amount_minor=50_00, currency="EUR", limit_version=7)

    offered = given().when(Remedy.offer, a_case(), WITHIN, AUTHORITY).then(expected, case_id=CASE)

    assert (offered.state, offered.customer_id, offered.case_id) == (RemedyState.OFFERED, CUSTOMER, CASE)


def test_an_offer_above_authority_without_approval_is_refused() -> None:
    given().when(Remedy.offer, a_case(), ABOVE, AUTHORITY).then_refused(
        "REMEDY_ABOVE_AUTHORITY", field="amountMinor", amount=50_01, limit=50_00
    )


def test_a_limit_in_one_currency_allows_nothing_in_another() -> None:
    yen = Remedy.Offered(kind=REFUND, amount_minor=1, currency="JPY")

    given().when(Remedy.offer, a_case(), yen, AUTHORITY).then_refused(
        "REMEDY_ABOVE_AUTHORITY", field="amountMinor", amount=1, limit=0
    )


def test_a_role_without_a_limit_may_settle_nothing() -> None:
    admin = by("root", Role.ADMIN)

    given().when(Remedy.offer, a_case(), WITHIN, AUTHORITY, context=admin).then_refused(
        "REMEDY_ABOVE_AUTHORITY", field="amountMinor", limit=0
    )


def test_money_is_not_offered_before_an_authority_is_published() -> None:
    given().when(Remedy.offer, a_case(), WITHIN, None).then_refused("REMEDY_NO_AUTHORITY_PUBLISHED")


def test_an_apology_needs_no_authority() -> None:
    apology = Remedy.Offered(kind=RemedyKind.APOLOGY_ONLY, amount_minor=0, currency="EUR")

    given().when(Remedy.offer, a_case(), apology, None).then(apology, case_id=CASE)


def test_leave_is_asked_for_what_is_above_authority() -> None:
    asked = given().when(Remedy.request_approval, a_case(), REQUESTED).then(REQUESTED, case_id=CASE)

    assert (asked.state, asked.requested_by) == (RemedyState.AWAITING_APPROVAL, "ann")


def test_another_person_approves_within_their_authority() -> None:
    before = remedy(REQUESTED)

    approved = before.when(Remedy.approve, Remedy.Approved(), AUTHORITY, context=SUPERVISOR).then(
        APPROVED, case_id=CASE
    )

    assert approved.state is RemedyState.APPROVED


@pytest.mark.parametrize(
    ("decide", "arguments"),
    [(Remedy.approve, (Remedy.Approved(), AUTHORITY)), (Remedy.refuse, (Remedy.Refused(reason="No."),))],
)
def test_nobody_decides_on_their_own_request(decide: Any, arguments: tuple[Any, ...]) -> None:
    promoted = by("ann", Role.SUPERVISOR)

    remedy(REQUESTED).when(decide, *arguments, context=promoted).then_refused("REMEDY_OWN_REQUEST")


def test_an_approval_above_the_approvers_own_authority_is_refused() -> None:
    large = Remedy.ApprovalRequested(kind=REFUND, amount_minor=500_01, currency="EUR", reason="x")

    remedy(large).when(Remedy.approve, Remedy.Approved(), AUTHORITY, context=SUPERVISOR).then_refused(
        "REMEDY_ABOVE_AUTHORITY", field="amountMinor", amount=500_01, limit=500_00
    )


def test_another_person_refuses_the_request() -> None:
    fact = Remedy.Refused(reason="Too much.")

    refused = remedy(REQUESTED).when(Remedy.refuse, fact, context=SUPERVISOR).then(fact, case_id=CASE)

    assert refused.state is RemedyState.REFUSED


def test_what_was_approved_is_offered_as_it_was_approved() -> None:
    offered = remedy(REQUESTED, APPROVED).when(Remedy.offer_approved).then(OFFERED, case_id=CASE)

    assert (offered.state, offered.amount_minor) == (RemedyState.OFFERED, 400_00)


def test_the_customer_takes_the_offer() -> None:
    assert remedy(WITHIN).when(Remedy.accept, ACCEPTED).then(ACCEPTED, case_id=CASE).state is RemedyState.ACCEPTED


def test_the_customer_declines_the_offer() -> None:
    fact = Remedy.Declined(reason="I want a new one.")

    assert remedy(WITHIN).when(Remedy.decline, fact).then(fact, case_id=CASE).state is RemedyState.DECLINED


def test_an_accepted_remedy_is_fulfilled() -> None:
    fulfilled = remedy(WITHIN, ACCEPTED).when(Remedy.fulfil, FULFILLED).then(FULFILLED, case_id=CASE)

    assert fulfilled.state is RemedyState.FULFILLED


def test_a_remedy_is_not_fulfilled_twice() -> None:
    remedy(WITHIN, ACCEPTED, FULFILLED).when(Remedy.fulfil, FULFILLED).then_refused("REMEDY_ALREADY_FULFILLED")


def test_a_failed_fulfilment_is_tried_again() -> None:
    failed = remedy(WITHIN, ACCEPTED).when(Remedy.fail, FAILED).then(FAILED, case_id=CASE)

    assert failed.state is RemedyState.FAILED
    remedy(WITHIN, ACCEPTED, FAILED).when(Remedy.fulfil, FULFILLED).then(FULFILLED, case_id=CASE)


def test_a_fulfilled_remedy_is_taken_back() -> None:
    fact = Remedy.Reversed(reason="Paid to the wrong account.")
    before = remedy(WITHIN, ACCEPTED, FULFILLED)

    assert before.when(Remedy.reverse, fact, context=SUPERVISOR).then(fact, case_id=CASE).state is RemedyState.REVERSED


@pytest.mark.parametrize(
    ("before", "command", "arguments", "state", "needed"),
    [
        ((WITHIN,), Remedy.approve, (Remedy.Approved(), AUTHORITY), "offered", "awaiting_approval"),
        ((REQUESTED, APPROVED), Remedy.refuse, (Remedy.Refused(reason="x"),), "approved", "awaiting_approval"),
        ((REQUESTED,), Remedy.offer_approved, (), "awaiting_approval", "approved"),
        ((WITHIN, ACCEPTED), Remedy.accept, (ACCEPTED,), "accepted", "offered"),
        ((WITHIN, ACCEPTED), Remedy.decline, (Remedy.Declined(),), "accepted", "offered"),
        ((WITHIN,), Remedy.fulfil, (FULFILLED,), "offered", "accepted or failed"),
        ((WITHIN,), Remedy.fail, (FAILED,), "offered", "accepted"),
        ((WITHIN, ACCEPTED), Remedy.reverse, (Remedy.Reversed(reason="x"),), "accepted", "fulfilled"),
    ],
)
def test_every_step_has_its_place(
    before: tuple[Event, ...], command: Any, arguments: tuple[Any, ...], state: str, needed: str
) -> None:
    refused = (
        remedy(*before)
        .when(command, *arguments, context=SUPERVISOR)
        .then_refused("REMEDY_WRONG_STATE", state=state, needed=needed)
    )

    assert str(refused) == f"The remedy is {state}; this is possible only when it is {needed}."
