"""Retention by handling: classes, borders and the interval."""

from collections.abc import Iterator
from math import sqrt
from statistics import NormalDist

import pytest

from domain.case import Case
from domain.event import Event
from domain.vocabulary import CaseKind, Channel
from projections.metrics.retention_by_handling import Handling, RetentionByHandling
from tests.projections.facts import bought, day, of_case, opened, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = RetentionByHandling.Row
U, R, S, IN_TIME, NONE = Handling


def found(world: World, **params: object) -> dict[Handling, tuple[int, int]]:
    """The size of each class that is not empty, and how many of it were kept."""
    at = params.pop("at", AT)
    rows = world.compute("retention_by_handling", at, **params)
    assert [row.handling for row in rows] == list(Handling)
    return {row.handling: (row.customers, row.kept) for row in rows if row.customers}


def complaint(
    customer: str, at: str = "2026-01-01", *, heard: str = "", settled: str = "", resolved: str = ""
) -> Iterator[Event]:
    case = f"case of {customer} {at}"
    yield opened(case, customer, at, resolve_due_at=day("2026-01-11"))
    if heard:
        yield of_case(Case.Acknowledged, case, customer, heard, channel=Channel.EMAIL)
    if settled:
        yield of_case(Case.SolutionAccepted, case, customer, settled)
    if resolved:
        yield of_case(Case.Resolved, case, customer, resolved, resolution="done")


def test_an_empty_ledger_has_every_class_and_nobody_in_it(world: World) -> None:
    assert world.compute("retention_by_handling", AT) == [
        Row(handling=handling, customers=0, kept=0, rate=None, low=None, high=None, benchmark=benchmark)
        for handling, benchmark in zip(Handling, (0.10, 0.20, 0.54, None, None), strict=True)
    ]


def test_each_way_of_handling_is_a_class(world: World) -> None:
    world.given(
        *complaint("ann"),
        *complaint("bob", heard="2026-01-02"),
        *complaint("cyd", heard="2026-01-02", settled="2026-01-03"),
        *complaint("dan", heard="2026-01-02", settled="2026-01-03", resolved="2026-01-11"),
        *complaint("eve", heard="2026-01-02", settled="2026-01-03", resolved="2026-01-11T00:00:00.000001"),
        *complaint("fay", settled="2026-01-03", resolved="2026-01-04"),
        *complaint("gus", heard="2026-01-02", resolved="2026-01-04"),
        bought("h1", "hal", "2026-01-01"),
    )

    assert found(world) == {U: (2, 0), R: (2, 0), S: (3, 0), IN_TIME: (1, 0), NONE: (1, 0)}


def test_a_customer_counts_once_by_the_first_complaint(world: World) -> None:
    world.given(
        *complaint("ann", "2026-02-01", heard="2026-02-02", settled="2026-02-03"),
        *complaint("ann", "2026-01-01"),
        opened("r1", "ann", "2025-12-01", kind=CaseKind.REQUEST),
    )

    assert found(world) == {U: (1, 0)}


@pytest.mark.parametrize(
    ("bought_at", "kept"),
    [
        ("2026-01-01", 0),
        ("2026-01-01T00:00:00.000001", 1),
        ("2026-01-31", 1),
        ("2026-01-31T00:00:00.000001", 0),
    ],
)
def test_a_purchase_counts_from_just_after_the_complaint_to_the_very_end_of_the_window(
    world: World, bought_at: str, kept: int
) -> None:
    world.given(*complaint("ann"), bought("a1", "ann", bought_at))

    assert found(world, window_days=30) == {U: (1, kept)}


@pytest.mark.parametrize(("at", "counted"), [("2026-01-31", {U: (1, 0)}), ("2026-01-30T23:59:59", {})])
def test_a_complaint_counts_once_its_window_has_passed(world: World, at: str, counted: object) -> None:
    world.given(*complaint("ann"))

    assert found(world, window_days=30, at=day(at)) == counted


@pytest.mark.parametrize(("at", "handling"), [("2026-01-31", R), ("2026-02-01", U)])
def test_what_was_done_after_the_window_does_not_count(world: World, at: str, handling: Handling) -> None:
    world.given(*complaint("ann", heard=at))

    assert found(world, window_days=30) == {handling: (1, 0)}


def test_the_control_are_buyers_without_a_complaint_seen_from_one_window_before_the_instant(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-01-01"),
        bought("a2", "ann", "2026-01-20"),
        bought("b1", "bob", "2026-01-01"),
        bought("c1", "cyd", "2026-01-02T00:00:00.000001"),
        bought("d1", "dan", "2025-06-01"),
        bought("d2", "dan", "2026-02-01T00:00:00.000001"),
        bought("e1", "eve", "2026-01-01"),
        *complaint("eve", "2026-01-30"),
        unmatched("f1", "fay", "2026-01-01"),
        bought("x1", None, "2026-01-01"),
    )

    assert found(world, window_days=30, at=day("2026-01-31")) == {NONE: (3, 1)}


def test_returns_voided_purchases_and_complaints_of_nobody_do_not_count(world: World) -> None:
    mistake = bought("a1", "ann", "2026-01-02")
    world.given(
        mistake,
        *complaint("ann"),
        unmatched("a2", "ann", "2026-01-03"),
        opened("c1", None, "2026-01-01"),
        voided(mistake, 1),
    )

    assert found(world, window_days=30) == {U: (1, 0)}


def test_a_voided_complaint_puts_the_customer_among_those_without(world: World) -> None:
    [mistake] = complaint("ann")
    world.given(bought("a1", "ann", "2026-01-01"), mistake, voided(mistake, 2))

    assert found(world, window_days=30) == {NONE: (1, 0)}


def wilson(n: int, k: int, z: float = NormalDist().inv_cdf(0.975)) -> tuple[float, float]:
    """The Wilson score interval, at 95 % unless told otherwise, from its textbook form."""
    p = k / n
    middle, half = p + z * z / (2 * n), z * sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return (middle - half) / (1 + z * z / n), (middle + half) / (1 + z * z / n)


@pytest.mark.parametrize(("n", "k"), [(1, 0), (1, 1), (7, 3), (20, 0), (20, 20), (40, 13)])
def test_the_interval_is_wilsons(world: World, n: int, k: int) -> None:
    world.given(
        *(event for c in range(n) for event in complaint(f"c{c}")),
        *(bought(f"p{c}", f"c{c}", "2026-01-05") for c in range(k)),
    )

    row = world.compute("retention_by_handling", AT)[0]

    low, high = wilson(n, k)
    assert (row.customers, row.kept, row.rate) == (n, k, round(k / n, 6))
    assert (row.low, row.high) == pytest.approx((max(low, 0), min(high, 1)), abs=2e-6)
    assert 0 <= row.low <= row.rate <= row.high <= 1
