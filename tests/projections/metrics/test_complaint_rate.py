"""Complaint rate: complaints for each thousand customers and purchases."""

from domain.vocabulary import CaseKind
from projections.metrics.complaint_rate import ComplaintRate
from tests.projections.facts import bought, day, opened, unmatched, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ComplaintRate.Row


def test_without_exposure_there_is_no_rate(world: World) -> None:
    world.given(opened("c1", None, "2026-01-01"))

    assert world.compute("complaint_rate", AT) == [
        Row(exposure="customers", complaints=1, exposed=0, per_thousand=None),
        Row(exposure="purchases", complaints=1, exposed=0, per_thousand=None),
    ]


def test_complaints_of_anyone_are_set_against_buyers_and_purchases(world: World) -> None:
    world.given(
        *(bought(f"a{n}", "ann", "2026-01-01") for n in range(5)),
        bought("b1", "bob", "2026-01-01"),
        bought("x1", None, "2026-01-01"),
        unmatched("r1", "cyd", "2026-01-01"),
        opened("c1", "ann", "2026-01-02"),
        opened("c2", "ann", "2026-01-03"),
        opened("c3", None, "2026-01-03"),
        opened("c4", "bob", "2026-01-03", kind=CaseKind.REQUEST),
    )

    assert world.compute("complaint_rate", AT) == [
        Row(exposure="customers", complaints=3, exposed=2, per_thousand=1500.0),
        Row(exposure="purchases", complaints=3, exposed=7, per_thousand=428.571429),
    ]


def test_the_window_holds_for_both_and_what_is_void_counts_for_neither(world: World) -> None:
    purchase, complaint = bought("a1", "ann", "2026-02-02"), opened("c1", "ann", "2026-02-02")
    world.given(
        purchase, complaint, bought("a2", "ann", "2026-02-01"), opened("c2", "ann", "2026-02-28"),
        bought("a3", "ann", "2026-01-31"), opened("c3", "ann", "2026-03-01"), voided(purchase, 1), voided(complaint, 2),
    )  # fmt: skip

    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    assert world.compute("complaint_rate", AT, **window) == [
        Row(exposure="customers", complaints=1, exposed=1, per_thousand=1000.0),
        Row(exposure="purchases", complaints=1, exposed=1, per_thousand=1000.0),
    ]
