"""Bulk entry: the same bytes and guards as single commands, each fact once, whole records or nothing."""

import struct
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg import errors, sql

from domain.case import Case
from domain.customer import Customer
from domain.event import NIL, Event, events
from domain.purchase import Line, Purchase
from domain.remedy import Remedy
from domain.touchpoint import Touchpoint
from ledger import bulk, canonical, copying, database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.reading import decoded, line
from ledger.vault import Vault
from tests.conftest import MASTER_KEY, acting
from tests.ledger.importer import Importer

AT = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


def told(event: Event, external_id: str | None = None, stream: UUID | None = None) -> Event:
    """The event as an import tells it: without version and command id."""
    source = None if external_id is None else "there"
    return replace(
        event, stream_id=stream or uuid4(), occurred_at=AT, actor_kind="import", source=source, external_id=external_id
    )


def touch(external_id: str | None = None, stream: UUID | None = None, **fields: Any) -> Event:
    given = {"channel": "phone", "direction": "inbound", "purpose": "ask"} | fields
    return told(Touchpoint.Recorded(**given), external_id, stream)


def enter(importer: Importer, events: Sequence[Event], **options: Any) -> bulk.Entered:
    return bulk.enter(importer.connection, importer.vault, events, **options)


KINDS: list[Event] = [
    touch("1", summary="秘密 \U0001f600 'quoted' \\ and\ttab"),
    touch("2", customer_id=uuid4(), case_id=uuid4(), duration_s=0, automated=True),
    told(Remedy.Accepted(), "3"),
    told(
        Purchase.Recorded(
            currency="EUR",
            lines=[
                Line(sku="é", quantity=-1, amount_minor=-(2**53)),
                Line(sku="b", quantity=2, amount_minor=1, name="x"),
            ],
            total_minor=1 - 2**53,
        ),
        "4",
    ),
    replace(told(Customer.Registered(name="王小明", reference="C1"), "5"), occurred_at=AT + timedelta(hours=1)),
    replace(
        told(Case.Opened(kind="complaint", channel="fax", acknowledge_due_at=AT)),
        actor_role="agent",
        causation_id=uuid4(),
        correlation_id=uuid4(),
        actor_id="ann",
    ),
]


@pytest.mark.parametrize("event", KINDS, ids=lambda event: event.type_name)
def test_what_goes_in_comes_out_and_its_leaf_is_that_of_the_canonical_bytes(importer: Importer, event: Event) -> None:
    enter(importer, [event])

    query = sql.SQL("SELECT leaf, recorded_at, data::text, {} FROM ledger.entries").format(line())
    ((leaf, recorded_at, data, text),) = importer.connection.execute(query).fetchall()
    kept = decoded(text)
    clear = {
        field: importer.vault.open(field, getattr(kept, field))
        for field in ("name", "summary")
        if getattr(event, field, None)
    }
    assert replace(kept, **clear) == replace(
        event, position=1, stream_version=1, recorded_at=recorded_at, command_id=kept.command_id
    )
    assert kept.command_id == bulk.content_id(importer.vault, event)
    body = canonical.body(kept, msgspec.json.decode(data))
    assert leaf == canonical.leaf(canonical.entry(1, canonical.stamp(recorded_at), body))
    assert not any(text in data for text in clear.values() if text)


def test_a_single_command_gives_the_same_payload(ledger: Ledger, importer: Importer) -> None:
    lines = [
        {"sku": "a", "quantity": 1, "amount_minor": 5, "name": "tea"},
        {"sku": "b", "quantity": 1, "amount_minor": 5},
    ]
    ledger.execute("record_purchase", {"currency": "EUR", "lines": lines}, acting())
    fact = Purchase.Recorded(currency="EUR", lines=[Line(**fields) for fields in lines], total_minor=10)  # type: ignore[arg-type]

    enter(importer, [told(fact, "1")])

    payloads = importer.connection.execute("SELECT data FROM ledger.entries").fetchall()
    assert payloads[0] == payloads[1]


def test_every_event_of_the_catalogue_has_its_payload_sorted() -> None:
    for event in events().values():
        required = {field.name: None for field in msgspec.structs.fields(event) if field.required}
        made = event(**required)

        assert canonical.payload(made) == canonical.encode(made.payload())
        assert list(msgspec.json.decode(canonical.payload(made))) == sorted(made.payload())


def test_events_without_a_version_continue_their_streams(importer: Importer) -> None:
    stream, other = uuid4(), uuid4()

    enter(importer, [touch(stream=stream), touch(stream=other), touch(stream=stream)])
    entered = enter(importer, [touch(stream=stream), touch(), touch(stream=stream)])

    versions = [(event.stream_id, event.stream_version) for event in importer.events()]
    assert [version for _, version in versions] == [1, 1, 2, 3, 1, 4]
    assert (entered.head, list(entered.fresh), entered.looked) == (6, [0, 1, 2], True)


def test_a_version_that_is_taken_is_refused_and_nothing_is_entered(importer: Importer) -> None:
    stream = uuid4()
    enter(importer, [touch(stream=stream)])

    with pytest.raises(errors.UniqueViolation):
        enter(importer, [touch(), replace(touch(stream=stream), stream_version=1)])

    assert len(importer.events()) == 1


def test_what_is_known_is_skipped_and_what_differs_is_told_with_its_record(importer: Importer) -> None:
    first, second = touch("a/1"), touch("b/1")
    enter(importer, [first, second])

    chunk = [
        *(first, touch("c/1"), replace(second, purpose="other"), touch("b/2")),
        *(touch("d/1", stream=NIL), touch("d/1", stream=NIL), touch("d/1", stream=NIL, purpose="other")),
    ]
    entered = enter(importer, chunk, records=["a", "c", "b", "b", "d", "e", "f"])

    assert (list(entered.known), list(entered.fresh), list(entered.clashing)) == ([0, 5], [1, 4], [2, 3, 6])
    assert [event.external_id for event in importer.events()] == ["a/1", "b/1", "c/1", "d/1"]


def test_looking_first_gives_the_same_as_looking_only_when_refused(importer: Importer) -> None:
    chunk = [touch(str(n)) for n in range(5)]
    enter(importer, chunk[:2])

    entered = enter(importer, chunk, look_first=True)
    again = enter(importer, chunk, look_first=True)
    unknown = enter(importer, [touch("9")], look_first=True)

    assert (list(entered.known), list(entered.fresh), entered.head) == ([0, 1], [2, 3, 4], 5)
    assert (list(again.known), list(again.fresh), again.head) == ([0, 1, 2, 3, 4], [], 5)
    assert (entered.looked, unknown.looked) == (True, False)


def test_chunks_entered_at_once_double_nothing_and_leave_no_gap(importer: Importer, url: str) -> None:
    shared = [touch(f"{n}/1", stream=uuid4()) for n in range(600)]

    def one(start: int) -> int:
        with database.pool(url, Duty.IMPORTER, size=1) as pool, database.connect(url, Duty.IMPORTER) as connection:
            vault = Vault(pool, MASTER_KEY, "test-1")
            chunks = (shared[n : n + 40] for n in range(start, start + 400, 40))
            return sum(len(bulk.enter(connection, vault, chunk).fresh) for chunk in chunks)

    with ThreadPoolExecutor(4) as threads:
        entered = sum(threads.map(one, [0, 100, 200, 0]))

    assert entered == 600
    assert [event.position for event in importer.events()] == list(range(1, 601))
    assert {event.external_id for event in importer.events()} == {event.external_id for event in shared}


def test_the_ledger_goes_on_after_a_chunk_it_refused(importer: Importer, url: str, ledger: Ledger) -> None:
    with pytest.raises(errors.UntranslatableCharacter):
        enter(importer, [touch(), touch(purpose="\0")])
    ledger.execute("register_customer", {"name": "Ada"}, acting())
    enter(importer, [touch()])

    assert [event.type_name for event in importer.events()] == ["Customer.Registered", "Touchpoint.Recorded"]
    assert [event.position for event in importer.events()] == [1, 2]


text = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(reference=text, external_id=text)
def test_a_row_is_what_postgresql_reads(reference: str, external_id: str) -> None:
    """The binary form itself: sixteen-bit count of columns, then each with its length, or minus one for null."""
    event = told(Purchase.Recorded(reference=reference, currency="EUR", lines=[]), external_id)
    data = canonical.payload(event)

    packed = copying.row(event, 7, 3, AT, NIL, data, bytes(32))

    (count,) = struct.unpack_from(">h", packed)
    fields: list[bytes | None] = []
    at = 2
    while at < len(packed):
        (length,) = struct.unpack_from(">i", packed, at)
        fields.append(None if length < 0 else packed[at + 4 : at + 4 + length])
        at += 4 + max(length, 0)
    assert count == len(fields) == len(copying.COLUMNS)
    told_by = dict(zip(copying.COLUMNS, fields, strict=True))
    assert told_by["position"] == (7).to_bytes(8, "big")
    assert told_by["case_id"] is None
    assert told_by["external_id"] == external_id.encode()
    assert told_by["data"] == b"\1" + data
