"""Mirrors: what their declaration may say, and entries in another form than today's."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from domain.event import Event, UnknownSchema
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel
from projections.audit_trail import AuditTrail
from projections.customer_history import CustomerHistory
from projections.engine.model import ReadModel, on
from tests.projections.facts import bought, registered, touched
from tests.projections.world import World, expected

MIRRORS = (AuditTrail, CustomerHistory)


def test_a_mirror_has_only_columns_that_an_entry_has(own_models: None) -> None:
    class TestMood(ReadModel, key="position", mirrors_entries=True):
        position: int
        mood: str = ""

    with pytest.raises(TypeError, match="mood is nothing that an entry has"):
        expected(TestMood, [bought("I1", "ann", "2026-01-01")])


def test_a_mirror_is_found_by_the_position_of_its_entry(own_models: None) -> None:
    with pytest.raises(TypeError, match="TestWho mirrors entries: its key must be position"):

        class TestWho(ReadModel, key="customer_id", mirrors_entries=True):
            customer_id: UUID


def test_a_mirror_folds_nothing_by_itself(own_models: None) -> None:
    with pytest.raises(TypeError, match=r"TestWhen mirrors entries: .* it folds nothing by itself"):

        class TestWhen(ReadModel, key="position", mirrors_entries=True):
            position: int
            occurred_at: datetime | None = None

            @on(Event)
            def entered(self, e: Event) -> None:
                """Do what is done already."""


def test_an_entry_of_an_older_schema_is_repeated_as_it_would_be_told_today(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    def upcast(data: dict[str, Any]) -> dict[str, Any]:
        return data | {"channel": "letter"}

    monkeypatch.setattr(Touchpoint.Recorded, "upcast_v0_v1", staticmethod(upcast), raising=False)
    world.enter([registered("ann"), touched("t1", "ann", "2026-01-01", channel=Channel.CHAT), registered("bob")])
    world.admin.execute("UPDATE ledger.entries SET schema = 0 WHERE position = 2")

    world.post([2, 1])

    live = {model: world.rows(model) for model in MIRRORS}
    assert live[CustomerHistory][2].data["channel"] == "letter"
    assert [*live[AuditTrail]] == [1, 2, 3]
    for model in MIRRORS:
        world.rebuild(model)
    assert {model: world.rows(model) for model in MIRRORS} == live


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ("schema = 2", "Purchase.Recorded of schema 2 was entered by a newer Daybook"),
        ("type = 'Parcel.Lost'", "Parcel.Lost was entered by a newer Daybook"),
    ],
)
def test_an_entry_of_a_newer_daybook_stops_posting_and_rebuilding(world: World, change: str, told: str) -> None:
    world.given(registered("ann"))
    world.enter([bought("I1", "ann", "2026-01-01")])
    world.admin.execute(f"UPDATE ledger.entries SET {change} WHERE position = 2".encode())
    before = world.everything(), world.positions()

    with pytest.raises(UnknownSchema, match=told):
        world.post()
    with pytest.raises(UnknownSchema, match=told):
        world.rebuild(AuditTrail)

    assert (world.everything(), world.positions()) == before
