"""Complaint scope: how many complaints, about how much."""

from domain.case import Case
from domain.vocabulary import CaseKind, Category
from projections.metrics.complaint_scope import ComplaintScope
from tests.projections.facts import day, of_case, opened, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ComplaintScope.Row


def test_an_empty_ledger_has_no_complaints(world: World) -> None:
    assert world.compute("complaint_scope", AT) == [
        Row(complaints=0, customers=0, products=0, issues=0, bodies=0, first_at=None, last_at=None)
    ]


def test_products_issues_and_bodies_are_counted_once_each(world: World) -> None:
    late = {"category": Category.SERVICE, "subcategory": "late"}
    world.given(
        opened("c1", "ann", "2026-01-03", product="Loan"),
        of_case(Case.Classified, "c1", "ann", "2026-01-03", **late),
        of_case(Case.Referred, "c1", "ann", "2026-01-03", to="Bank A"),
        opened("c2", "ann", "2026-01-01", product="Loan"),
        of_case(Case.Classified, "c2", "ann", "2026-01-03", **late),
        of_case(Case.Referred, "c2", "ann", "2026-01-03", to="Bank B"),
        opened("c3", None, "2026-01-02", product="Card"),
        opened("r1", "bob", "2026-01-09", product="Desk", kind=CaseKind.REQUEST),
    )

    assert world.compute("complaint_scope", AT) == [
        Row(
            complaints=3, customers=1, products=2, issues=1, bodies=2, first_at=day("2026-01-01"),
            last_at=day("2026-01-03"),
        )
    ]  # fmt: skip


def test_the_window_and_voids_hold(world: World) -> None:
    mistake = opened("c2", None, "2026-02-02")
    world.given(opened("c1", None, "2026-02-01"), mistake, opened("c3", None, "2026-03-01"), voided(mistake, 2))

    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    assert world.compute("complaint_scope", AT, **window)[0].complaints == 1
