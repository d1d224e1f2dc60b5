"""A purchase: its lines add up, and no more comes back than was bought and paid."""

import pytest

from domain.purchase import Line, Purchase
from domain.vocabulary import AMOUNT_MAX
from tests.domain.specification import a_customer, given

CUP = Line(sku="cup", quantity=4, amount_minor=20_00, name="杯子", unit_price="5.00")
POT = Line(sku="pot", quantity=1, amount_minor=30_00)
BOUGHT = Purchase.Recorded(currency="EUR", lines=[CUP, POT], reference="R 1")
TOTALLED = Purchase.Recorded(currency="EUR", lines=[CUP, POT], reference="R 1", total_minor=50_00)


def returned(*lines: Line) -> Purchase.Returned:
    """What comes back."""
    return Purchase.Returned(lines=list(lines))


def cups(quantity: int, amount_minor: int) -> Line:
    """A line of cups."""
    return Line(sku="cup", quantity=quantity, amount_minor=amount_minor)


def test_a_purchase_comes_to_the_sum_of_its_lines() -> None:
    purchase = given().when(Purchase.record, a_customer(), BOUGHT).then(TOTALLED)

    assert (purchase.paid_minor, dict(purchase.bought)) == (50_00, {"cup": 4, "pot": 1})


def test_a_purchase_of_an_unknown_customer_is_recorded_all_the_same() -> None:
    given().when(Purchase.record, None, BOUGHT).then(TOTALLED, customer_id=None)


def test_a_purchase_has_a_line() -> None:
    nothing = Purchase.Recorded(currency="EUR", lines=[])

    given().when(Purchase.record, a_customer(), nothing).then_refused("PURCHASE_EMPTY", field="lines")


@pytest.mark.parametrize("line", [cups(0, 5_00), cups(-1, 5_00), cups(1, -1)])
def test_a_line_counts_something_and_costs_nothing_or_more(line: Line) -> None:
    given().when(Purchase.record, a_customer(), Purchase.Recorded(currency="EUR", lines=[CUP, line])).then_refused(
        "PURCHASE_LINE_NOT_POSITIVE", field="lines", sku="cup"
    )


def test_a_total_too_large_to_be_read_back_exactly_is_refused() -> None:
    lines = [cups(1, AMOUNT_MAX), cups(1, 1)]

    given().when(Purchase.record, a_customer(), Purchase.Recorded(currency="EUR", lines=lines)).then_refused(
        "PURCHASE_TOTAL_TOO_LARGE", field="lines", total=AMOUNT_MAX + 1
    )


def test_something_comes_back_and_is_paid_back() -> None:
    expected = Purchase.Returned(lines=[cups(3, 15_00)], total_minor=15_00, currency="EUR")

    purchase = given(TOTALLED).when(Purchase.return_, returned(cups(3, 15_00))).then(expected)

    assert (purchase.paid_minor, purchase.bought["cup"]) == (35_00, 1)


@pytest.mark.parametrize("lines", [(cups(5, 20_00),), (cups(4, 10_00), cups(1, 5_00))])
def test_no_more_comes_back_than_was_bought(lines: tuple[Line, ...]) -> None:
    given(TOTALLED).when(Purchase.return_, returned(*lines)).then_refused(
        "PURCHASE_RETURNED_TOO_MANY", field="lines", sku="cup", returned=5, bought=4
    )


def test_what_came_back_once_does_not_come_back_again() -> None:
    before = given(TOTALLED, Purchase.Returned(lines=[cups(3, 15_00)], total_minor=15_00))

    before.when(Purchase.return_, returned(cups(2, 10_00))).then_refused(
        "PURCHASE_RETURNED_TOO_MANY", field="lines", returned=2, bought=1
    )


def test_no_more_is_paid_back_than_was_paid() -> None:
    given(TOTALLED).when(Purchase.return_, returned(cups(1, 50_01))).then_refused(
        "PURCHASE_RETURNED_TOO_MUCH", field="lines", returned=50_01, paid=50_00
    )


def test_a_return_that_names_no_purchase_stays_visible() -> None:
    fact = Purchase.ReturnedUnmatched(currency="GBP", lines=[CUP])
    expected = Purchase.ReturnedUnmatched(currency="GBP", lines=[CUP], total_minor=20_00)

    given().when(Purchase.record_unmatched, a_customer(), fact).then(expected)


def test_nothing_comes_back_of_a_return_that_names_no_purchase() -> None:
    before = given(Purchase.ReturnedUnmatched(currency="GBP", lines=[CUP], total_minor=20_00))

    before.when(Purchase.return_, returned(cups(1, 0))).then_refused(
        "PURCHASE_RETURNED_TOO_MANY", field="lines", sku="cup", bought=0
    )
