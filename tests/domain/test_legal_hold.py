"""A legal hold: placed on one customer, released once, each by itself."""

from domain.customer import Customer
from domain.legal_hold import LegalHold
from tests.domain.specification import CUSTOMER, a_customer, aggregate, given

PLACED = LegalHold.Placed(reference="HC-2024-17", reason="A claim for damages.")
RELEASED = LegalHold.Released(reason="The claim was settled.")


def test_a_hold_is_placed_on_a_customer_and_released() -> None:
    given().when(LegalHold.place, a_customer(), PLACED).then(PLACED)
    given(PLACED).when(LegalHold.release, RELEASED).then(RELEASED)


def test_a_hold_is_released_once() -> None:
    given(PLACED, RELEASED).when(LegalHold.release, RELEASED).then_refused("LEGAL_HOLD_RELEASED")


def test_there_is_nothing_to_hold_of_a_person_who_was_erased() -> None:
    erased = aggregate(
        Customer, Customer.Registered(), Customer.Erased(reason="R-1"), stream_id=CUSTOMER, customer_id=CUSTOMER
    )

    given().when(LegalHold.place, erased, PLACED).then_refused("PERSON_ERASED")
