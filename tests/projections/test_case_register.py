"""The case register: where each case stands, its dates, its people, its remedies and its outcome."""

from typing import Any

import pytest

from domain.case import Case
from domain.event import Event
from domain.remedy import Remedy
from domain.vocabulary import (
    CaseKind,
    CaseState,
    Category,
    Channel,
    ClosingBasis,
    Expectation,
    RemedyKind,
    RemedyState,
    Response,
    Severity,
    SolutionKind,
)
from projections.case_register import CaseRegister, CaseRemedy
from tests.projections.facts import day, fact, named, of_case, opened, touched, voided
from tests.projections.world import World

C1 = named("c1")


def then(kind: type[Event], at: str, /, **fields: Any) -> Event:
    return of_case(kind, "c1", "ann", at, **fields)


def case(world: World) -> CaseRegister:
    return world.rows(CaseRegister)[C1]


BEGUN = opened(
    "c1", "ann", "2026-01-01", channel=Channel.EMAIL, description="坏了", product="Lamp", reference="K-17",
    policy_version=2, acknowledge_due_at=day("2026-01-02"), resolve_due_at=day("2026-01-09"),
)  # fmt: skip
HEARD = then(Case.Acknowledged, "2026-01-02", channel=Channel.EMAIL)


def test_an_opened_case_is_registered_with_what_it_is_held_to(world: World) -> None:
    world.given(BEGUN)

    row = case(world)
    assert world.vault.open("description", row.description) == "坏了"
    assert row == CaseRegister(
        case_id=C1, customer_id=named("ann"), reference="K-17", kind=CaseKind.COMPLAINT, state=CaseState.OPEN,
        channel=Channel.EMAIL, description=row.description, product="Lamp", opened_at=day("2026-01-01"),
        acknowledge_due_at=day("2026-01-02"), resolve_due_at=day("2026-01-09"), policy_version=2, version=1,
        last_at=day("2026-01-01"),
    )  # fmt: skip


def test_a_case_from_opening_to_confirmed_close_has_every_date_and_outcome(world: World) -> None:
    world.given(
        BEGUN,
        HEARD,
        then(Case.Classified, "2026-01-02", category=Category.PRODUCT, subcategory="glass", severity=Severity.HIGH),
        then(Case.Assigned, "2026-01-02T02:00", handler="eve", department="returns"),
        then(Case.Reclassified, "2026-01-02T03:00", category=Category.SERVICE, reason="late parcel"),
        then(Case.FactsConfirmed, "2026-01-03", restatement="it broke"),
        then(Case.SolutionProposed, "2026-01-04", number=1, kind=SolutionKind.EXPLANATION),
        then(Case.SolutionRejected, "2026-01-05", number=1),
        then(Case.Assigned, "2026-01-05T02:00", handler="bob", department="quality"),
        then(Case.SolutionProposed, "2026-01-06", number=2, kind=SolutionKind.FIX),
        then(Case.SolutionAccepted, "2026-01-07", number=2, expectation=Expectation.EXCEEDED),
        then(Case.Resolved, "2026-01-08", resolution="replaced", reopen_until=day("2026-02-08")),
        then(Case.ClosureConfirmed, "2026-01-09", channel=Channel.PHONE),
        then(Case.Closed, "2026-01-10", basis=ClosingBasis.CUSTOMER_CONFIRMED, reopen_until=day("2026-02-10")),
    )  # fmt: skip

    row = case(world)
    assert row == CaseRegister(
        case_id=C1, customer_id=named("ann"), reference="K-17", kind=CaseKind.COMPLAINT, state=CaseState.CLOSED,
        channel=Channel.EMAIL, description=row.description, category=Category.SERVICE, severity=Severity.HIGH,
        handler="bob", department="quality", assignments=2, product="Lamp", opened_at=day("2026-01-01"),
        acknowledged_at=day("2026-01-02"), acknowledge_due_at=day("2026-01-02"),
        facts_confirmed_at=day("2026-01-03"), proposals=2, proposal_kind=SolutionKind.FIX,
        accepted_at=day("2026-01-07"), expectation=Expectation.EXCEEDED, rejections=1,
        resolved_at=day("2026-01-08"), resolve_due_at=day("2026-01-09"), resolution="replaced",
        confirmed_at=day("2026-01-09"), closed_at=day("2026-01-10"), closing_basis=ClosingBasis.CUSTOMER_CONFIRMED,
        reopen_until=day("2026-02-10"), policy_version=2, version=14, last_at=day("2026-01-10"),
    )  # fmt: skip


STATES = [
    (BEGUN, CaseState.OPEN),
    (then(Case.Assigned, "2026-01-01", handler="eve"), CaseState.OPEN),
    (HEARD, CaseState.ACKNOWLEDGED),
    (then(Case.Classified, "2026-01-02", category=Category.PRODUCT), CaseState.ACKNOWLEDGED),
    (then(Case.Assigned, "2026-01-02", handler="eve"), CaseState.IN_PROGRESS),
    (then(Case.Referred, "2026-01-03", to="Bank"), CaseState.WAITING_THIRD_PARTY),
    (then(Case.Responded, "2026-01-04", response=Response.IN_PROGRESS), CaseState.WAITING_THIRD_PARTY),
    (then(Case.Responded, "2026-01-04", response=Response.UNTIMELY, timely=False), CaseState.WAITING_THIRD_PARTY),
    (then(Case.Responded, "2026-01-05", response=Response.EXPLANATION, timely=True), CaseState.IN_PROGRESS),
    (then(Case.FactsConfirmed, "2026-01-06", restatement="so"), CaseState.IN_PROGRESS),
    (then(Case.SolutionProposed, "2026-01-07", number=1, kind=SolutionKind.FIX), CaseState.WAITING_CUSTOMER),
    (then(Case.SolutionAccepted, "2026-01-08", number=1), CaseState.IN_PROGRESS),
    (then(Case.SolutionProposed, "2026-01-08", number=2, kind=SolutionKind.FIX), CaseState.WAITING_CUSTOMER),
    (then(Case.SolutionRejected, "2026-01-08", number=2), CaseState.IN_PROGRESS),
    (then(Case.Resolved, "2026-01-09", resolution="done"), CaseState.RESOLVED),
    (then(Case.ClosureConfirmed, "2026-01-09", channel=Channel.PHONE), CaseState.RESOLVED),
    (then(Case.Closed, "2026-01-10", basis=ClosingBasis.CUSTOMER_CONFIRMED), CaseState.CLOSED),
    (then(Case.Reopened, "2026-01-11", reason="again"), CaseState.IN_PROGRESS),
]


def test_the_state_is_that_of_the_domain_after_every_entry(world: World) -> None:
    aggregate: Any = None
    for number, (event, state) in enumerate(STATES, 1):
        world.given(event)
        aggregate = event.mutate(aggregate)

        assert (case(world).state, case(world).version) == (state, number)
        assert aggregate.state is state


def test_a_reopened_case_is_neither_settled_nor_confirmed_any_more(world: World) -> None:
    world.given(*(event for event, _ in STATES))

    row = case(world)
    settled = (row.resolved_at, row.closed_at, row.confirmed_at, row.closing_basis, row.reopen_until)
    assert settled == (None, None, None, None, None)
    assert row.reopenings == 1
    assert row.resolution == "done", "what was held settled stays to be seen"


def test_a_referral_shows_to_whom_and_what_came_of_it(world: World) -> None:
    world.given(
        BEGUN,
        then(Case.Referred, "2026-01-03", to="Bank", reason="theirs"),
        then(Case.Responded, "2026-01-20", response=Response.MONETARY_RELIEF, timely=False),
    )

    row = case(world)
    assert (row.referred_to, row.referred_at) == ("Bank", day("2026-01-03"))
    assert (row.response, row.timely) == (Response.MONETARY_RELIEF, False)


def of_remedy(kind: type[Event], remedy: str, /, **fields: Any) -> Event:
    return fact(kind, remedy, "2026-01-05", customer_id=named("ann"), case_id=C1, **fields)


def test_each_remedy_is_listed_once_as_it_stands_in_the_order_they_came_up(world: World) -> None:
    small = {"kind": RemedyKind.GIFT, "amount_minor": 5, "currency": "EUR"}
    large = {"kind": RemedyKind.REFUND, "amount_minor": 900, "currency": "EUR"}
    world.given(
        BEGUN,
        of_remedy(Remedy.ApprovalRequested, "r1", reason="much", **large),
        of_remedy(Remedy.Offered, "r2", **small),
        of_remedy(Remedy.Approved, "r1"),
        of_remedy(Remedy.Declined, "r2"),
        of_remedy(Remedy.Offered, "r1", approved=True, **large),
    )

    row = case(world)
    assert row.remedies == [
        CaseRemedy(remedy_id=named("r1"), state=RemedyState.OFFERED, **large),
        CaseRemedy(remedy_id=named("r2"), state=RemedyState.DECLINED, **small),
    ]
    assert row.version == 1, "remedies have versions of their own"


def test_a_late_entry_does_not_move_the_last_instant_back(world: World) -> None:
    world.given(BEGUN, HEARD, then(Case.Assigned, "2026-01-01T12:00", handler="eve"))

    assert case(world).last_at == day("2026-01-02")


@pytest.mark.parametrize(
    ("mistake", "column"),
    [
        (HEARD, "acknowledged_at"),
        (then(Case.Assigned, "2026-01-02", handler="eve"), "handler"),
        (then(Case.Referred, "2026-01-02", to="Bank"), "referred_to"),
        (then(Case.Resolved, "2026-01-02", resolution="done"), "resolved_at"),
    ],
)
def test_what_is_void_is_taken_out_and_the_version_goes_on(world: World, mistake: Event, column: str) -> None:
    world.given(BEGUN, mistake)
    assert getattr(case(world), column) is not None

    world.given(voided(mistake, 2))

    row = case(world)
    assert (getattr(row, column), row.state, row.version) == (None, CaseState.OPEN, 3)


def test_voiding_a_remedy_or_a_contact_of_the_case_leaves_the_case_its_version(world: World) -> None:
    contact = touched("t1", "ann", "2026-01-02", case_id=C1)
    remedy = of_remedy(Remedy.Offered, "r1", kind=RemedyKind.GIFT, amount_minor=5, currency="EUR")
    world.given(BEGUN, contact, remedy)

    world.given(voided(contact, 2), voided(remedy, 3))

    row = case(world)
    assert (row.remedies, row.version, row.last_at) == ([], 1, day("2026-01-01"))


def test_a_case_whose_opening_is_void_is_none(world: World) -> None:
    world.given(BEGUN, HEARD)

    world.given(voided(BEGUN, 1))
    world.given(of_remedy(Remedy.Offered, "r1", kind=RemedyKind.GIFT, amount_minor=5, currency="EUR"))

    assert world.rows(CaseRegister) == {}
