"""Personal text goes in and comes out whole, however long, in any script."""

import pytest

from domain.customer import Customer
from domain.rule import Refused
from domain.vocabulary import TEXT_MAX
from ledger.application import Ledger
from tests.conftest import acting


def test_the_longest_text_comes_back_whole_although_its_sealed_form_is_longer(ledger: Ledger) -> None:
    name = "王" * TEXT_MAX

    registered = ledger.execute("register_customer", {"name": name}, acting())

    customer = ledger.load(Customer, registered.stream_id)
    assert isinstance(customer, Customer)
    assert customer.name == name


def test_a_longer_text_is_refused_with_its_field_and_nothing_is_recorded(ledger: Ledger) -> None:
    with pytest.raises(Refused) as refused:
        ledger.execute("register_customer", {"name": "王" * (TEXT_MAX + 1)}, acting())

    assert (refused.value.code, refused.value.field) == ("INVALID_INPUT", "name")
    assert ledger.recorder.max_notification_id() is None
