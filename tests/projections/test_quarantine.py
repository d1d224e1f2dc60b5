"""A key whose fold fails is set aside, in order and visibly, and all other keys go on."""

from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from domain.event import Event
from domain.purchase import Purchase
from domain.touchpoint import Touchpoint
from projections.engine import projector
from projections.engine.model import ReadModel, fold, on
from projections.engine.quarantine import ERROR_MAX
from tests.projections.facts import bought, named, registered, touched, voided
from tests.projections.world import World, as_kept

UNLUCKY = 13
ANN, BOB, EVE = (named(name) for name in ("ann", "bob", "eve"))


@pytest.fixture
def spending(own_models: None, world: World) -> type[ReadModel]:
    """A read model that cannot take a purchase of 13, nor keep a sum beyond 64 bits or a name that is a number."""

    class TestSpending(ReadModel, key="customer_id", version=1):
        """What each customer spent."""

        customer_id: UUID
        purchases: int = 0
        total_minor: int = 0
        last: str | None = None
        note: str | None = None
        counts: dict[str, int] = {}

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            self.purchases += 1
            if e.total_minor == UNLUCKY:
                raise ValueError("13 brings bad luck\0")
            if e.total_minor == 29:
                raise RuntimeError("x" * 10_000)
            self.total_minor += e.total_minor << (80 if e.total_minor == 64 else 0)
            self.last = e.reference
            if e.total_minor == 17:
                self.note = e.total_minor

        @on(Purchase.Recorded)
        def counted(self, e: Purchase.Recorded) -> None:
            if e.total_minor == 19:
                raise LookupError("after the first handler took it")
            self.counts = self.counts | {e.currency: 1}
            if e.total_minor == 23:
                self.counts["?"] = None

        @on(Touchpoint.Recorded)
        def touched(self, e: Touchpoint.Recorded) -> None:
            self.last = e.purpose

    projector.prepare(world.url)
    return TestSpending


REASONS = {
    13: "ValueError: 13 brings bad luck",
    64: "NumericValueOutOfRange: ",
    17: "ValidationError: Expected `str | null`, got `int`",
    19: "LookupError: after the first handler took it",
    23: "ValidationError: Expected `int`, got `null`",
}


@pytest.mark.parametrize(("amount", "reason"), REASONS.items())
@pytest.mark.parametrize("sizes", [[1, 1, 1, 1, 1, 1, 1], [2, 9], [3, 9], [9]])
def test_the_key_is_set_aside_with_position_and_error_and_its_row_stays_as_before(
    world: World, spending: type[ReadModel], sizes: list[int], amount: int, reason: str
) -> None:
    world.enter(
        [
            registered("ann"),
            bought("p1", "ann", "2026-01-01", 5),
            bought("p2", "ann", "2026-01-02", amount),
            bought("p3", "bob", "2026-01-03", 7),
            bought("p4", "ann", "2026-01-04", 11),
            bought("p5", "bob", "2026-01-05", 2),
        ]
    )

    world.post(sizes)

    rows = {
        ANN: spending(customer_id=ANN, purchases=1, total_minor=5, last="p1", counts={"EUR": 1}),
        BOB: spending(customer_id=BOB, purchases=2, total_minor=9, last="p5", counts={"EUR": 1}),
    }
    [(model, key, position, error)] = world.quarantine()
    assert world.rows(spending) == rows
    assert (model, key, position) == ("test_spending", str(ANN), 3)
    assert error.startswith(reason)
    assert set(world.positions().values()) == {6}

    aside = world.quarantine()
    world.rebuild(spending)
    assert world.rows(spending) == rows
    assert world.quarantine() == aside


def test_a_key_that_fails_at_its_first_entry_has_no_row(world: World, spending: type[ReadModel]) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 13), bought("p2", "ann", "2026-01-02", 5))

    assert world.rows(spending) == {}
    assert {(key, position) for _, key, position, _ in world.quarantine()} == {(str(ANN), 1)}


def test_a_key_goes_on_once_the_entry_it_failed_at_is_void(world: World, spending: type[ReadModel]) -> None:
    unlucky = bought("p2", "ann", "2026-01-02", 13)
    world.given(bought("p1", "ann", "2026-01-01", 5), unlucky, bought("p3", "ann", "2026-01-03", 6))
    assert len(world.quarantine()) == 1

    world.given(voided(unlucky, 2))
    world.given(bought("p4", "ann", "2026-01-04", 1))

    row = spending(customer_id=ANN, purchases=3, total_minor=12, last="p4", counts={"EUR": 1})
    assert world.quarantine() == set()
    assert world.rows(spending) == {ANN: row}


def test_a_rebuild_with_a_mended_fold_lets_the_key_go_on(
    world: World, spending: type[ReadModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 13), touched("t1", "ann", "2026-01-02", purpose="hello"))
    assert len(world.quarantine()) == 1

    monkeypatch.setattr("tests.projections.test_quarantine.UNLUCKY", 0)
    world.rebuild(spending)

    assert world.quarantine() == set()
    row = spending(customer_id=ANN, purchases=1, total_minor=13, last="hello", counts={"EUR": 1})
    assert world.rows(spending) == {ANN: row}


def test_an_error_as_long_as_a_book_is_kept_in_part(world: World, spending: type[ReadModel]) -> None:
    world.given(registered("ann"), bought("p1", "ann", "2026-01-01", 29))

    assert {error for *_, error in world.quarantine()} == {"RuntimeError: " + "x" * (ERROR_MAX - 14)}


stories = st.lists(
    st.tuples(st.sampled_from(["ann", "bob", "eve"]), st.sampled_from([1, 2, 3, *REASONS]), st.integers(0, 60)),
    max_size=25,
)


def entries_of(story: list[tuple[str, int, int]]) -> list[Event]:
    """A purchase for each step, and for some a void of an earlier one."""
    entries: list[Event] = []
    void = set()
    for number, (customer, amount, back) in enumerate(story):
        entries.append(bought(f"p{number}", customer, "2026-01-01", amount))
        position = len(entries) - back
        if position > 0 and position not in void and isinstance(entries[position - 1], Purchase.Recorded):
            void.add(position)
            entries.append(voided(entries[position - 1], position))
    return entries


def as_far_as_it_goes(
    model: type[ReadModel], entries: list[Event]
) -> tuple[dict[Any, ReadModel], set[tuple[str, int]]]:
    """Each key's row up to the first entry that it cannot take, and those entries."""
    void = {entry.voids for entry in entries}
    rows: dict[Any, ReadModel] = {}
    aside = set()
    for key in (ANN, BOB, EVE):
        row: ReadModel | None = None
        for entry in entries:
            if entry.position in void:
                continue
            try:
                after = fold(model, key, [entry], row and as_kept(row))
                assert after is None or as_kept(after).total_minor < 2**63
            except Exception:  # noqa: BLE001
                aside.add((str(key), entry.position))
                break
            row = after
        if row is not None:
            rows[key] = as_kept(row)
    return rows, aside


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(story=stories, sizes=st.lists(st.integers(1, 9), max_size=8))
def test_live_in_any_batches_and_rebuilt_the_same_keys_are_set_aside_with_the_same_rows(
    shared_world: World, spending: type[ReadModel], story: list[tuple[str, int, int]], sizes: list[int]
) -> None:
    world = shared_world
    world.wipe()
    world.enter(entries_of(story))
    rows, aside = as_far_as_it_goes(spending, world.entries())

    world.post([*sizes, 100])

    assert world.rows(spending) == rows
    assert {(key, position) for _, key, position, _ in world.quarantine()} == aside
    live = world.quarantine()
    world.rebuild(spending)
    assert world.rows(spending) == rows
    assert world.quarantine() == live
