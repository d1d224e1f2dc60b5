"""Instants on the command line: written in one way, and taken as they are written."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.cli.instants import parse_instant, respelled, written

NOON = datetime(2026, 6, 30, 12, tzinfo=UTC)
PASSED = st.datetimes(min_value=datetime(1, 1, 2), max_value=datetime(2020, 1, 1), timezones=st.just(UTC))  # noqa: DTZ001


@given(at=PASSED)
def test_an_instant_is_taken_as_it_is_written(at: datetime) -> None:
    assert parse_instant(written(at)) == at


@given(at=PASSED, before=st.sampled_from(["from ", "'", ""]), after=st.sampled_from([" on.", "'", ", "]))
def test_a_sentence_is_told_with_its_instants_so_written(at: datetime, before: str, after: str) -> None:
    assert respelled(f"{before}{at}{after}{at.isoformat()}") == f"{before}{written(at)}{after}{written(at)}"


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (NOON, "2026-06-30T12:00:00Z"),
        (NOON.astimezone(timezone(timedelta(hours=2))), "2026-06-30T12:00:00Z"),
        (NOON + timedelta(microseconds=120), "2026-06-30T12:00:00.000120Z"),
    ],
)
def test_an_instant_is_written_exactly_and_in_utc(at: datetime, told: str) -> None:
    assert written(at) == told


@pytest.mark.parametrize(
    "sentence", ["Of 2026-06-30T12:00:00+02:00.", "Of 2026-06-30, 12:00.", "王小明 10:00:00+00:00"]
)
def test_what_is_no_instant_in_utc_is_left_as_it_is(sentence: str) -> None:
    assert respelled(sentence) == sentence
