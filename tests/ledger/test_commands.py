"""Commands through the ledger: once, in order, or refused with a code and nothing written."""

from uuid import uuid4

import pytest

from domain.rule import Refused
from ledger.application import Ledger
from tests.conftest import acting


def test_the_same_command_again_gets_the_first_answer(ledger: Ledger) -> None:
    context = acting()
    given = {"kind": "person", "name": "王小明"}

    first = ledger.execute("register_customer", given, context)
    again = ledger.execute("register_customer", given, context)

    assert again == first._replace(repeated=True)
    assert ledger.recorder.max_notification_id() == 1


def test_the_same_key_with_other_input_is_refused(ledger: Ledger) -> None:
    context = acting()
    ledger.execute("register_customer", {"name": "Ada"}, context)

    with pytest.raises(Refused) as refused:
        ledger.execute("register_customer", {"name": "Grace"}, context)

    assert refused.value.code == "IDEMPOTENCY_CONFLICT"
    assert ledger.recorder.max_notification_id() == 1


def test_a_case_needs_a_customer_we_know(ledger: Ledger) -> None:
    with pytest.raises(Refused) as refused:
        ledger.execute("open_case", {"customer_id": uuid4(), "kind": "complaint", "channel": "phone"}, acting())

    assert refused.value.code == "NOT_FOUND"
    assert ledger.recorder.max_notification_id() is None
