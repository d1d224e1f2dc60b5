"""A touchpoint: told in full when it is recorded, and linked to the case it belongs to."""

from typing import Any
from uuid import UUID, uuid5

from domain.case import Case
from domain.event import NIL
from domain.touchpoint import Touchpoint
from domain.vocabulary import CaseKind, Channel, Direction
from tests.domain.specification import CASE, CUSTOMER, a_customer, aggregate, given

RECORDED = Touchpoint.Recorded(channel=Channel.CHAT, direction=Direction.INBOUND, purpose="delivery", summary="哪裡?")
LINKED = Touchpoint.LinkedToCase()
OTHER = uuid5(NIL, "another")


def a_case(customer_id: UUID | None = CUSTOMER, id: UUID = CASE) -> Any:
    """A case of that customer."""
    opened = Case.Opened(kind=CaseKind.REQUEST, channel=Channel.CHAT)
    return aggregate(Case, opened, stream_id=id, customer_id=customer_id, case_id=id)


def test_a_contact_is_recorded() -> None:
    given().when(Touchpoint.record, a_customer(), None, RECORDED).then(RECORDED)


def test_a_contact_is_recorded_with_its_case() -> None:
    touchpoint = given().when(Touchpoint.record, a_customer(), a_case(), RECORDED).then(RECORDED, case_id=CASE)

    assert touchpoint.case_id == CASE


def test_a_contact_of_one_customer_does_not_belong_to_the_case_of_another() -> None:
    given().when(Touchpoint.record, a_customer(), a_case(OTHER), RECORDED).then_refused("TOUCHPOINT_OTHER_CUSTOMER")


def test_a_contact_may_belong_to_a_case_whose_customer_nobody_knows() -> None:
    given().when(Touchpoint.record, a_customer(), a_case(None), RECORDED).then(RECORDED, case_id=CASE)


def test_a_contact_is_linked_to_its_case_later() -> None:
    touchpoint = given(RECORDED).when(Touchpoint.link_to_case, a_case(), LINKED).then(LINKED, case_id=CASE)

    assert touchpoint.case_id == CASE


def test_a_contact_of_an_unknown_customer_is_linked_to_any_case() -> None:
    before = given(RECORDED, customer_id=None)

    before.when(Touchpoint.link_to_case, a_case(), LINKED).then(LINKED, customer_id=None, case_id=CASE)


def test_a_contact_is_not_linked_to_the_case_of_another_customer() -> None:
    given(RECORDED).when(Touchpoint.link_to_case, a_case(OTHER), LINKED).then_refused("TOUCHPOINT_OTHER_CUSTOMER")


def test_a_contact_is_linked_to_a_case_once() -> None:
    before = given(RECORDED, case_id=CASE)

    before.when(Touchpoint.link_to_case, a_case(), LINKED).then_refused("TOUCHPOINT_ALREADY_LINKED", case_id=CASE)


def test_a_contact_linked_to_the_wrong_case_is_linked_to_the_right_one() -> None:
    before = given(RECORDED, case_id=CASE)

    before.when(Touchpoint.link_to_case, a_case(id=OTHER), LINKED).then(LINKED, case_id=OTHER)
