"""Asking the ledger for what it must refuse."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from pytest import ExceptionInfo

from domain.rule import Refused
from ledger.application import Ledger


@contextmanager
def refused_with(
    code: str, ledger: Ledger, *, field: str | None = None, **values: object
) -> Iterator[ExceptionInfo[Refused]]:
    """The block is refused with this code, field and values, and the ledger is as it was; gives the refusal."""
    before = ledger.recorder.max_notification_id()
    with pytest.raises(Refused) as refused:
        yield refused
    assert (refused.value.code, refused.value.field) == (code, field), str(refused.value)
    assert values.items() <= refused.value.values.items(), refused.value.values
    assert ledger.recorder.max_notification_id() == before


def outcome_of(command: Callable[[], object]) -> str:
    """The code a command is refused with, or ``done``."""
    try:
        command()
    except Refused as refused:
        return refused.code
    return "done"
