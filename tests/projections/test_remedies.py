"""The remedies: what was offered to make good, who allowed it, and whether it was given."""

from typing import Any

import pytest

from domain.event import Event
from domain.remedy import Remedy
from domain.vocabulary import RemedyKind, RemedyState
from projections.remedies import Remedies
from tests.projections.facts import day, fact, named, voided
from tests.projections.world import World

R1 = named("r1")
OFFER = {"kind": RemedyKind.VOUCHER, "amount_minor": 500, "currency": "EUR"}


def of_remedy(kind: type[Event], at: str, /, **fields: Any) -> Event:
    return fact(kind, "r1", at, customer_id=named("ann"), case_id=named("c1"), **fields)


def test_an_offer_within_authority_is_shown_with_the_rule_it_was_judged_by(world: World) -> None:
    world.given(of_remedy(Remedy.Offered, "2026-01-02", limit_version=3, **OFFER))

    assert world.rows(Remedies) == {
        R1: Remedies(
            remedy_id=R1, customer_id=named("ann"), case_id=named("c1"), kind=RemedyKind.VOUCHER, amount_minor=500,
            currency="EUR", state=RemedyState.OFFERED, limit_version=3, offered_at=day("2026-01-02"), version=1,
        )
    }  # fmt: skip


def test_an_approved_remedy_goes_all_the_way_and_back(world: World) -> None:
    steps: list[tuple[Event, RemedyState]] = [
        (of_remedy(Remedy.ApprovalRequested, "2026-01-02", reason="much", **OFFER), RemedyState.AWAITING_APPROVAL),
        (of_remedy(Remedy.Approved, "2026-01-03", limit_version=2), RemedyState.APPROVED),
        (of_remedy(Remedy.Offered, "2026-01-04", approved=True, **OFFER), RemedyState.OFFERED),
        (of_remedy(Remedy.Accepted, "2026-01-05"), RemedyState.ACCEPTED),
        (of_remedy(Remedy.Failed, "2026-01-06", reason="lost"), RemedyState.FAILED),
        (of_remedy(Remedy.Fulfilled, "2026-01-07"), RemedyState.FULFILLED),
        (of_remedy(Remedy.Reversed, "2026-01-08", reason="error"), RemedyState.REVERSED),
    ]
    for step, state in steps:
        world.given(step)
        assert world.rows(Remedies)[R1].state is state

    assert world.rows(Remedies) == {
        R1: Remedies(
            remedy_id=R1, customer_id=named("ann"), case_id=named("c1"), kind=RemedyKind.VOUCHER, amount_minor=500,
            currency="EUR", state=RemedyState.REVERSED, approved=True, limit_version=2,
            requested_at=day("2026-01-02"), offered_at=day("2026-01-04"), fulfilled_at=day("2026-01-07"),
            reversed_at=day("2026-01-08"), version=7,
        )
    }  # fmt: skip


@pytest.mark.parametrize(
    ("last", "state"),
    [
        (of_remedy(Remedy.Refused, "2026-01-03", reason="no"), RemedyState.REFUSED),
        (of_remedy(Remedy.Declined, "2026-01-03"), RemedyState.DECLINED),
    ],
)
def test_a_remedy_that_comes_to_nothing_says_so(world: World, last: Event, state: RemedyState) -> None:
    world.given(of_remedy(Remedy.ApprovalRequested, "2026-01-02", reason="much", **OFFER), last)

    row = world.rows(Remedies)[R1]
    assert (row.state, row.fulfilled_at, row.version) == (state, None, 2)


def test_a_fulfilment_that_is_void_was_none(world: World) -> None:
    mistake = of_remedy(Remedy.Fulfilled, "2026-01-04")
    world.given(of_remedy(Remedy.Offered, "2026-01-02", **OFFER), of_remedy(Remedy.Accepted, "2026-01-03"), mistake)

    world.given(voided(mistake, 3))

    row = world.rows(Remedies)[R1]
    assert (row.state, row.fulfilled_at, row.version) == (RemedyState.ACCEPTED, None, 4)


def test_a_remedy_whose_offer_is_void_is_none(world: World) -> None:
    mistake = of_remedy(Remedy.Offered, "2026-01-02", **OFFER)
    world.given(mistake, of_remedy(Remedy.Accepted, "2026-01-03"), voided(mistake, 1))

    assert world.rows(Remedies) == {}
