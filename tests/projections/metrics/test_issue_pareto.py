"""Issue Pareto: the vital few among the causes of complaint."""

from collections.abc import Iterator

from domain.case import Case
from domain.event import Event
from domain.vocabulary import CaseKind, Category
from projections.metrics.issue_pareto import IssuePareto
from tests.projections.facts import day, of_case, opened, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = IssuePareto.Row


def complaints(**issues: int) -> Iterator[Event]:
    for issue, number in issues.items():
        for n in range(number):
            name = f"{issue}{n}"
            yield opened(name, None, "2026-01-01")
            if issue != "none":
                yield of_case(Case.Classified, name, None, "2026-01-02", category=Category.SERVICE, subcategory=issue)


def test_an_empty_ledger_has_no_issues(world: World) -> None:
    assert world.compute("issue_pareto", AT) == []


def test_the_fewest_issues_that_reach_the_share_are_vital_and_ties_go_by_name(world: World) -> None:
    world.given(*complaints(late=5, dirty=2, broken=2, Zebra=1))

    assert world.compute("issue_pareto", AT) == [
        Row(issue="late", complaints=5, running_share=0.5, vital=True),
        Row(issue="broken", complaints=2, running_share=0.7, vital=True),
        Row(issue="dirty", complaints=2, running_share=0.9, vital=True),
        Row(issue="Zebra", complaints=1, running_share=1.0, vital=False),
    ]
    assert [row.vital for row in world.compute("issue_pareto", AT, share_percent=70)] == [True, True, False, False]
    assert [row.vital for row in world.compute("issue_pareto", AT, share_percent=71)] == [True, True, True, False]
    assert [row.vital for row in world.compute("issue_pareto", AT, share_percent=100)] == [True] * 4


def test_complaints_without_an_issue_are_counted_among_themselves(world: World) -> None:
    world.given(*complaints(none=2, late=2), opened("r", None, "2026-01-01", kind=CaseKind.REQUEST))

    assert [(row.issue, row.complaints) for row in world.compute("issue_pareto", AT)] == [("late", 2), (None, 2)]


def test_a_voided_class_leaves_the_complaint_and_a_voided_complaint_leaves_nothing(world: World) -> None:
    case, kind = complaints(late=1)
    world.given(case, kind, voided(kind, 2))
    assert [(row.issue, row.complaints) for row in world.compute("issue_pareto", AT)] == [(None, 1)]

    world.given(voided(case, 1))
    assert world.compute("issue_pareto", AT) == []


def test_the_window_is_that_of_the_opening(world: World) -> None:
    world.given(opened("c1", None, "2026-01-31"), opened("c2", None, "2026-02-01"), opened("c3", None, "2026-03-01"))

    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    assert [row.complaints for row in world.compute("issue_pareto", AT, **window)] == [1]
