"""An entry of an older schema reads as if it had been entered today; one of a newer Daybook is an error."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

import pytest

from domain import command, event, vocabulary
from domain.aggregate import Aggregate
from domain.entry import Entry
from domain.event import ENVELOPE, Amendment, Event, UnknownSchema, upcast
from ledger import reading

STREAM = UUID("11111111-1111-4111-8111-111111111111")


@pytest.fixture
def catalogue(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Lets a test declare events and commands that are gone from the catalogues after it."""
    monkeypatch.setattr(event, "_EVENTS", dict(event._EVENTS))
    monkeypatch.setattr(command, "_COMMANDS", dict(command._COMMANDS))
    reading.decoder.cache_clear()
    yield
    reading.decoder.cache_clear()


@pytest.fixture
def measured(catalogue: None) -> type[Event]:
    """An event that has been told in three ways: a name and minutes, a name and seconds, two names and seconds."""

    class Parcel(Aggregate):
        class Measured(Event):
            schema = 3

            given: str
            family: str = ""
            seconds: int

            @staticmethod
            def upcast_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
                return {"name": data["name"], "seconds": data["minutes"] * 60}

            @staticmethod
            def upcast_v2_v3(data: dict[str, Any]) -> dict[str, Any]:
                given, _, family = data["name"].partition(" ")
                return {"given": given, "family": family, "seconds": data["seconds"]}

    return Parcel.Measured


def line(kind: type[Event], schema: int, **data: Any) -> bytes:
    """The JSON line of a stored entry."""
    envelope = {"stream_id": str(STREAM), "stream_version": 2, "position": 7, "occurred_at": "2024-03-01T12:00:00Z"}
    return json.dumps({"type": f"{kind.type_name}/{schema}", **envelope, **data}).encode()


OLD = [(1, {"name": "Ada Lovelace", "minutes": 2}), (2, {"name": "Ada Lovelace", "seconds": 120})]


@pytest.mark.parametrize(("schema", "data"), OLD)
def test_an_old_payload_is_brought_up_step_by_step(measured: type[Event], schema: int, data: dict[str, Any]) -> None:
    assert upcast(measured, schema, data) == {"given": "Ada", "family": "Lovelace", "seconds": 120}


def test_a_current_payload_stays_as_it_is(measured: type[Event]) -> None:
    data = {"given": "Ada", "family": "Lovelace", "seconds": 120}

    assert upcast(measured, 3, data) is data


@pytest.mark.parametrize(("schema", "data"), OLD)
def test_an_upcast_old_entry_equals_a_new_one(measured: type[Event], schema: int, data: dict[str, Any]) -> None:
    new = line(measured, 3, given="Ada", family="Lovelace", seconds=120)
    old = line(measured, schema, **data)

    assert reading.decoded(old) == reading.decoded(new)
    expected = {"stream_id": STREAM, "stream_version": 2, "position": 7, "given": "Ada", "seconds": 120}
    found = reading.decoded(old)
    assert {name: getattr(found, name) for name in expected} == expected
    assert found.occurred_at == datetime(2024, 3, 1, 12, tzinfo=UTC)


def test_old_and_new_entries_are_read_in_one_go_and_in_order(measured: type[Event]) -> None:
    new = line(measured, 3, given="Ada", family="Lovelace", seconds=120)
    lines = [new, *(line(measured, schema, **data) for schema, data in OLD), new]

    assert reading.decoded_lines(b"\n".join(lines) + b"\n") == [reading.decoded(new)] * 4


def test_an_upcaster_sees_the_payload_and_nothing_of_the_envelope(
    measured: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    step = measured.upcast_v1_v2
    monkeypatch.setattr(measured, "upcast_v1_v2", staticmethod(lambda data: seen.append(dict(data)) or step(data)))

    reading.decoded(line(measured, 1, name="Ada", minutes=2))

    assert seen == [{"name": "Ada", "minutes": 2}]
    assert not set(seen[0]) & set(ENVELOPE)


@pytest.mark.parametrize("schema", [4, 99])
def test_an_entry_of_a_newer_schema_is_not_read_as_if_it_were_an_older_one(measured: type[Event], schema: int) -> None:
    newer = line(measured, schema, given="Ada", family="Lovelace", seconds=120)

    with pytest.raises(UnknownSchema, match=f"Measured of schema {schema} was entered by a newer Daybook; upgrade"):
        reading.decoded(newer)


def test_an_entry_nobody_here_knows_was_entered_by_a_newer_daybook() -> None:
    with pytest.raises(UnknownSchema, match=r"Parcel\.Lost was entered by a newer Daybook; upgrade this one"):
        reading.decoded(b'{"type": "Parcel.Lost/1"}')


# What was amended.

AMENDED: list[tuple[int, list[tuple[int, dict[str, Any]]], dict[str, Any]]] = [
    (1, [(1, {"minutes": 3})], {"seconds": 180}),
    (1, [(1, {"name": "Ada Byron"})], {"family": "Byron"}),
    (1, [(2, {"seconds": 90})], {"seconds": 90}),
    (1, [(3, {"family": "Byron"})], {"family": "Byron"}),
    (1, [(1, {"minutes": 3}), (1, {"minutes": 4})], {"seconds": 240}),
    (1, [(1, {"minutes": 3, "name": "Eve Byron"}), (2, {"seconds": 90}), (3, {"given": "Ida"})],
     {"given": "Ida", "family": "Byron", "seconds": 90}),
    (2, [(2, {"name": "Eve"}), (3, {"seconds": 1})], {"given": "Eve", "family": "", "seconds": 1}),
    (3, [(3, {"given": "Eve"})], {"given": "Eve"}),
]  # fmt: skip
"""The schema of an entry, what was amended under which, and what it says today otherwise than it said."""


def entered(kind: type[Event], schema: int) -> Event:
    """The same measure, entered under one of the schemas."""
    told = dict([*OLD, (3, {"given": "Ada", "family": "Lovelace", "seconds": 120})])
    return reading.decoded(line(kind, schema, **told[schema]))


@pytest.mark.parametrize(("schema", "made", "says"), AMENDED)
def test_an_amendment_is_brought_up_with_the_entry_it_was_made_of(
    measured: type[Event], schema: int, made: list[tuple[int, dict[str, Any]]], says: dict[str, Any]
) -> None:
    new = line(measured, 3, **{"given": "Ada", "family": "Lovelace", "seconds": 120} | says)

    amended = entered(measured, schema).amended(Amendment(*each) for each in made)

    assert amended == reading.decoded(new)


@pytest.mark.parametrize(("schema", "made", "says"), AMENDED)
def test_amended_again_it_is_as_if_all_amendments_were_known_at_once(
    measured: type[Event], schema: int, made: list[tuple[int, dict[str, Any]]], says: dict[str, Any]
) -> None:
    entry, amendments = entered(measured, schema), [Amendment(*each) for each in made]
    at_once = entry.amended(amendments)

    for amendment in amendments:
        entry = entry.amended([amendment])

    assert entry == at_once


def test_what_a_newer_daybook_amended_is_not_read_as_if_it_were_older(measured: type[Event]) -> None:
    with pytest.raises(UnknownSchema, match="Measured of schema 4 was entered by a newer Daybook; upgrade"):
        entered(measured, 1).amended([Amendment(4, {"seconds": 1})])


def test_an_amendment_that_does_not_say_was_made_under_the_first_schema(measured: type[Event]) -> None:
    told = {"amended_position": 7, "amended_type": measured.type_name, "changes": {"minutes": 3}, "reason": "mistyped"}

    found = reading.decoded(line(Entry.Amended, 1, **told))

    assert found == reading.decoded(line(Entry.Amended, 2, **told, amended_schema=1))
    assert isinstance(found, Entry.Amended)
    assert found.amendment == (1, {"minutes": 3})


# What may be declared as an event at all.


def test_what_a_test_declares_is_gone_after_it() -> None:
    assert [name for name in event.events() if "Parcel" in name] == []


@pytest.mark.parametrize(
    ("hint", "problem"),
    [
        (float, "is a float"),
        (float | None, "is a float"),
        (list[float], "is a float"),
        (Annotated[float, "x"], "is a float"),
        (datetime, "is a time without a zone"),
        (list[datetime | None], "is a time without a zone"),
    ],
)
def test_a_payload_holds_nothing_that_does_not_survive_its_own_json(catalogue: None, hint: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):

        class Parcel(Aggregate):
            class Weighed(Event):
                weight: hint

        raise AssertionError(Parcel)


def test_an_instant_is_fit_for_a_payload(catalogue: None) -> None:
    class Parcel(Aggregate):
        class Weighed(Event):
            at: vocabulary.Instant | None = None

    assert Parcel.Weighed.aggregate is Parcel


def test_a_payload_does_not_shadow_the_envelope() -> None:
    with pytest.raises(TypeError, match="redefines the envelope field position"):

        class Weighed(Event):
            position: int

        raise AssertionError(Weighed)


def test_a_stored_name_is_declared_once(catalogue: None) -> None:
    class Parcel(Aggregate):
        class Weighed(Event):
            pass

    first = Parcel

    with pytest.raises(TypeError, match="Weighed is declared twice"):

        class Parcel(Aggregate):  # type: ignore[no-redef]
            class Weighed(Event):
                pass

    assert first.Weighed.type_name in event.events()
