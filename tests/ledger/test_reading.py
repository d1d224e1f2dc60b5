"""Reading entries back, one or many at a time: what went in comes out, whatever it looks like on the way."""

from typing import Any

import msgspec
import pytest
from psycopg import Connection, sql

from domain.case import Case
from domain.customer import Customer
from domain.event import ENVELOPE, Event
from ledger import reading
from ledger.application import Ledger
from tests.conftest import acting

TRICKY = [
    "\\", "\\\\", "\\n", "a\nb", "tab\t", "\r.", "\b\f\v", "\x1f.", "\x7f", '"', "'", "\\.", "\\N", "\u2028.", "王小明",
    "👩‍👩‍👧", "{}", ",", "null", "e\u0301", "\\u0041", "\U0010ffff",
]  # fmt: skip


@pytest.fixture(scope="module")
def entered(module_ledger: Ledger) -> list[Event]:
    """An entry for each tricky text, in every place of it that takes one; as they are read one by one."""
    positions = []
    for number, text in enumerate(TRICKY):
        context = msgspec.structs.replace(acting(actor=text), source=text, external_id=f"{text}{number}")
        given = {"country": text, "reference": text}
        positions.append(module_ledger.execute("register_customer", given, context).position)
    customer = module_ledger.execute("register_customer", {"name": "Ada"}, acting()).stream_id
    case = {"customer_id": customer, "kind": "complaint", "channel": "phone", "description": "x" * 9_000}
    positions.append(module_ledger.execute("open_case", case, acting()).position)
    return [module_ledger.entry(position) for position in positions]


def test_every_place_of_an_entry_comes_back_as_it_went_in(entered: list[Event]) -> None:
    for number, (entry, text) in enumerate(zip(entered, TRICKY, strict=False)):
        assert isinstance(entry, Customer.Registered)
        assert (entry.country, entry.reference, entry.actor_id, entry.source) == (text, text, text, text)
        assert entry.external_id == f"{text}{number}"


@pytest.mark.parametrize("size", [1, 3, 100])
def test_a_stream_of_blocks_gives_the_same_entries_wherever_its_blocks_end(
    module_ledger: Ledger,
    module_admin: Connection[Any],
    entered: list[Event],
    size: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(reading, "BLOCK", size)
    positions = [entry.position for entry in entered]
    wanted = sql.SQL("position = ANY({})").format(positions)

    blocks = list(reading.copy_blocks(module_admin, reading.ENVELOPE_SQL, wanted, positions[0], positions[-1]))

    assert len(blocks) == -(-(positions[-1] - positions[0] + 1) // size)
    found = [entry for lines in blocks for entry in reading.decoded_lines(lines)]
    opened = [module_ledger.mapper.opened(entry) for entry in found]  # type: ignore[attr-defined]
    assert opened == entered


def test_a_line_may_hold_only_the_places_asked_for(module_admin: Connection[Any], entered: list[Event]) -> None:
    query = sql.SQL("SELECT {} FROM ledger.entries WHERE position = %s").format(
        reading.line(["position", "customer_id"])
    )
    row = module_admin.execute(query, (entered[0].position,)).fetchone()
    assert row is not None

    found = reading.decoded(row[0])

    full, empty = entered[0], Customer.Registered()
    asked = {"position", "customer_id"}
    assert {name: getattr(found, name) for name in ENVELOPE} == {
        name: getattr(full if name in asked else empty, name) for name in ENVELOPE
    }
    assert found.payload() == full.payload()


def test_every_place_of_the_envelope_can_be_asked_for() -> None:
    assert set(reading.ENVELOPE_SQL) == set(ENVELOPE)


def test_nothing_is_read_of_an_empty_stream(module_admin: Connection[Any]) -> None:
    assert list(reading.copy_blocks(module_admin, [], sql.SQL("true"), 1, 0)) == []
    assert list(reading.copy_blocks(module_admin, [], sql.SQL("false"), 1, 1)) == [b""]
    assert reading.decoded_lines(b"") == []


def test_sealed_text_stays_sealed_until_it_is_opened(
    module_ledger: Ledger, module_admin: Connection[Any], entered: list[Event]
) -> None:
    query = sql.SQL("SELECT {} FROM ledger.entries WHERE position = %s").format(reading.line())
    row = module_admin.execute(query, (entered[-1].position,)).fetchone()
    assert row is not None

    sealed = reading.decoded(row[0])

    assert isinstance(sealed, Case.Opened)
    assert isinstance(entered[-1], Case.Opened)
    assert (sealed.description or "").startswith("s1.")
    assert entered[-1].description == "x" * 9_000


def test_the_library_reads_entries_in_order_from_any_position_on(module_ledger: Ledger, entered: list[Event]) -> None:
    recorder, first = module_ledger.recorder, entered[0].position

    def positions(*args: Any, **more: Any) -> list[int]:
        return [found.id for found in recorder.select_notifications(*args, **more)]

    assert positions(first, 3) == [first, first + 1, first + 2]
    assert positions(first, 2, inclusive_of_start=False) == [first + 1, first + 2]
    assert positions(first, 10, first + 1) == [first, first + 1]
    assert positions(None, 1) == [1]
    assert positions(1, 1000, topics=["Case.Opened"]) == [entered[-1].position]
    assert recorder.max_notification_id() == entered[-1].position
