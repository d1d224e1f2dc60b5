"""An amendment is read in the form its entry had when it was made, whichever way a row is folded."""

from typing import Any

import pytest

from api.replay import replay
from domain.case import Case
from domain.entry import Entry
from domain.event import Event
from domain.vocabulary import Channel
from projections.case_register import CaseRegister
from projections.engine.checking import every
from projections.engine.cut import Cut
from projections.engine.explaining import explain
from projections.engine.model import models
from projections.engine.refolding import refold, refold_all
from tests.projections.facts import named, of_case, opened, registered
from tests.projections.world import World, expected

CASE = named("k")
OPENING = opened("k", "ann", "2026-01-01", product="cup", description="It broke.")
OLDER = """
    UPDATE ledger.entries SET schema = 0, data = data - 'product' || jsonb_build_object('item', data -> 'product')
     WHERE position = 2"""
UNSAID = """
    UPDATE ledger.entries SET schema = 1, data = data - 'amended_schema'
     WHERE type = 'Entry.Amended' AND data -> 'amended_schema' = '1'"""


def amended(schema: int, **changes: Any) -> Event:
    """Some fields of the opening of the case were stated anew, under a schema of it."""
    told = {"amended_position": 2, "amended_type": "Case.Opened", "amended_schema": schema, "changes": changes}
    return of_case(Entry.Amended, "k", "ann", "2026-02-01", reason="mistyped", **told)


STORY = (
    registered("ann"),
    OPENING,
    amended(0, item="mug"),
    of_case(Case.Acknowledged, "k", "ann", "2026-01-02", channel=Channel.EMAIL),
    amended(1, channel="letter"),
    amended(1, product="jug"),
)
SAYS = {
    2: ("cup (old)", Channel.PHONE),
    3: ("mug (old)", Channel.PHONE),
    4: ("mug (old)", Channel.PHONE),
    5: ("mug (old)", Channel.LETTER),
    6: ("jug", Channel.LETTER),
}
"""Product and channel of the case as of each position."""


@pytest.fixture
def told(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """The story, of which the opening was entered when it said item where it says product today."""

    def upcast(data: dict[str, Any]) -> dict[str, Any]:
        return {field: value for field, value in data.items() if field != "item"} | {"product": f"{data['item']} (old)"}

    monkeypatch.setattr(Case.Opened, "upcast_v0_v1", staticmethod(upcast), raising=False)
    world.enter(STORY)
    world.admin.execute(OLDER)
    world.admin.execute(UNSAID)
    return world


def says(row: Any) -> tuple[str | None, Channel | None]:
    """Product and channel of a case."""
    return row.product, row.channel


@pytest.mark.parametrize("sizes", [[1] * 6, [6], [3, 3], [2, 1, 2, 1]])
def test_posted_in_whatever_batches_and_rebuilt(told: World, sizes: list[int]) -> None:
    position = 0
    for size in sizes:
        told.post([size])
        position += size
        found = told.rows(CaseRegister)
        assert {key: says(row) for key, row in found.items()} == ({CASE: SAYS[position]} if position > 1 else {})

    live = told.everything()
    assert live["case_register"][CASE].description.startswith("s1.")
    for name, model in models().items():
        assert live[name] == expected(model, told.entries())
        told.rebuild(model)
    assert told.everything() == live
    assert told.quarantine() == set()


@pytest.mark.parametrize("position", SAYS)
def test_asked_as_of_a_position(told: World, position: int) -> None:
    one, _ = refold(told.connection, CaseRegister, [CASE], Cut(position))[CASE]
    among_all, _ = refold_all(told.connection, CaseRegister, Cut(position))[CASE]

    assert says(one) == says(among_all) == SAYS[position]


def test_explained_and_replayed(told: World) -> None:
    steps = explain(told.connection, CaseRegister, CASE, Cut(6))
    opening = {change.field: change.after for change in steps[0].changes}
    assert (steps[0].amended_by, opening["product"], opening["channel"]) == (6, "jug", "letter")

    products = [
        change.after for step in replay(told.connection, CASE) for change in step.changes if change.field == "product"
    ]
    assert products == ["cup (old)", "mug (old)", "jug"]


def test_checked(told: World) -> None:
    told.post()

    for model in models().values():
        checked = list(every(told.connection, model, lambda *_: None))
        assert [found.differing for found in checked if found.differing] == []


def test_aggregates_are_replayed_so_too(told: World) -> None:
    history = [entry for entry in told.entries() if entry.stream_id == CASE]
    corrections = Entry.unwritten(CASE)
    for entry in history:
        entry.mutate(corrections)

    stated = history[0].amended(corrections.amended[2])

    assert says(stated) == SAYS[6]
