"""Cohort retention, classic: active in exactly the N-th calendar month after the first purchase."""

from tests.projections.facts import bought, day, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")


def grid(world: World, **params: object) -> list[tuple[str, int, int, int, float | None]]:
    rows = world.compute("cohort_retention", AT, **params)
    return [(row.cohort, row.customers, row.month, row.active, row.rate) for row in rows]


def test_an_empty_ledger_has_no_cohorts(world: World) -> None:
    assert grid(world) == []


def test_each_cohort_is_followed_to_the_last_month_of_any_purchase(world: World) -> None:
    world.given(
        bought("a1", "ann", "2026-01-31T23:59:59.999999"),
        bought("a2", "ann", "2026-03-01"),
        bought("a3", "ann", "2026-03-20"),
        bought("b1", "bob", "2026-01-05"),
        bought("c1", "cyd", "2026-02-01"),
        bought("c2", "cyd", "2026-03-31"),
        bought("d1", "dan", "2026-01-05"),
    )

    assert grid(world) == [
        ("2026-01", 3, 0, 3, 1.0),
        ("2026-01", 3, 1, 0, 0.0),
        ("2026-01", 3, 2, 1, 0.333333),
        ("2026-02", 1, 0, 1, 1.0),
        ("2026-02", 1, 1, 1, 1.0),
    ]


def test_months_are_those_of_utc(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-31T23:30:00+02:00"), bought("b1", "bob", "2026-01-31T23:30:00-02:00"))

    assert [(cohort, customers) for cohort, customers, month, *_ in grid(world) if month == 0] == [
        ("2026-01", 1),
        ("2026-02", 1),
    ]


def test_returns_unknown_customers_and_voided_entries_are_no_activity(world: World) -> None:
    mistake = bought("a2", "ann", "2026-02-02")
    world.given(
        bought("a1", "ann", "2026-01-02"),
        mistake,
        unmatched("r1", "ann", "2026-02-03"),
        bought("x1", None, "2026-02-04"),
        unmatched("r2", "bob", "2026-01-03"),
        bought("c1", "cyd", "2026-02-05"),
        voided(mistake, 2),
    )

    assert grid(world) == [("2026-01", 1, 0, 1, 1.0), ("2026-01", 1, 1, 0, 0.0), ("2026-02", 1, 0, 1, 1.0)]


def test_parameters_choose_cohorts_and_how_far_they_are_followed(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n}", f"2026-0{n}-10") for n in range(1, 6)))

    assert [(cohort, month) for cohort, _, month, _, _ in grid(world, months=1)] == [
        ("2026-01", 0), ("2026-01", 1), ("2026-02", 0), ("2026-02", 1), ("2026-03", 0), ("2026-03", 1), ("2026-04", 0),
        ("2026-04", 1), ("2026-05", 0),
    ]  # fmt: skip
    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-04-01T00:00:00Z"}
    assert {cohort for cohort, *_ in grid(world, **window)} == {"2026-02", "2026-03"}


def test_a_cohort_is_that_of_the_first_purchase_ever_not_of_the_first_in_the_window(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-10"), bought("a2", "ann", "2026-02-10"))

    assert grid(world, since="2026-02-01T00:00:00Z") == []
