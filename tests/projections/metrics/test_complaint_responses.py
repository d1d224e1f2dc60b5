"""Complaint responses: what was answered, in time or not, and how it was taken."""

from collections.abc import Iterator

from domain.case import Case
from domain.event import Event
from domain.vocabulary import CaseKind, ClosingBasis, Response
from projections.metrics.complaint_responses import ComplaintResponses
from tests.projections.facts import day, of_case, opened, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ComplaintResponses.Row


def answered(case: str, response: Response, *, timely: bool | None, taken: str = "", **told: object) -> Iterator[Event]:
    yield opened(case, None, "2026-01-01", **told)
    yield of_case(Case.Referred, case, None, "2026-01-02", to="Bank")
    yield of_case(Case.Responded, case, None, "2026-01-03", response=response, timely=timely)
    if "disputed" in taken:
        yield of_case(Case.SolutionRejected, case, None, "2026-01-04")
    if "closed" in taken:
        yield of_case(Case.Closed, case, None, "2026-01-05", basis=ClosingBasis.NO_RESPONSE_AFTER)


def test_without_responses_there_is_only_the_row_for_all(world: World) -> None:
    world.given(opened("c1", None, "2026-01-01"))

    assert world.compute("complaint_responses", AT) == [
        Row(response=None, complaints=0, share=None, timely=0, timely_rate=None, disputed=0, undisputed=0, unknown=0,
            disputed_rate=None),
    ]  # fmt: skip


def test_each_response_is_counted_by_timeliness_and_by_how_it_was_taken(world: World) -> None:
    world.given(
        *answered("c1", Response.EXPLANATION, timely=True, taken="closed"),
        *answered("c2", Response.EXPLANATION, timely=True, taken="disputed"),
        *answered("c3", Response.EXPLANATION, timely=False, taken="disputed and closed"),
        *answered("c4", Response.EXPLANATION, timely=None),
        *answered("c5", Response.UNTIMELY, timely=False),
        *answered("c6", Response.MONETARY_RELIEF, timely=True, taken="closed"),
        *answered("r1", Response.MONETARY_RELIEF, timely=True, kind=CaseKind.REQUEST),
        opened("c7", None, "2026-01-01"),
    )

    assert world.compute("complaint_responses", AT) == [
        Row(response=None, complaints=6, share=1.0, timely=3, timely_rate=0.6, disputed=2, undisputed=2, unknown=2,
            disputed_rate=0.5),
        Row(response=Response.EXPLANATION, complaints=4, share=0.666667, timely=2, timely_rate=0.666667, disputed=2,
            undisputed=1, unknown=1, disputed_rate=0.666667),
        Row(response=Response.MONETARY_RELIEF, complaints=1, share=0.166667, timely=1, timely_rate=1.0, disputed=0,
            undisputed=1, unknown=0, disputed_rate=0.0),
        Row(response=Response.UNTIMELY, complaints=1, share=0.166667, timely=0, timely_rate=0.0, disputed=0,
            undisputed=0, unknown=1, disputed_rate=None),
    ]  # fmt: skip


def test_the_last_response_counts_and_a_voided_one_does_not(world: World) -> None:
    first, last = (
        of_case(Case.Responded, "c1", None, f"2026-01-0{n}", response=response, timely=timely)
        for n, response, timely in ((3, Response.IN_PROGRESS, True), (4, Response.CLOSED, False))
    )
    world.given(opened("c1", None, "2026-01-01"), of_case(Case.Referred, "c1", None, "2026-01-02", to="B"), first, last)
    assert [row.response for row in world.compute("complaint_responses", AT)] == [None, Response.CLOSED]

    world.given(voided(last, 4))
    assert [(row.response, row.timely) for row in world.compute("complaint_responses", AT)] == [
        (None, 1),
        (Response.IN_PROGRESS, 1),
    ]


def test_the_window_is_that_of_the_opening(world: World) -> None:
    world.given(*answered("c1", Response.CLOSED, timely=True))

    assert world.compute("complaint_responses", AT, until="2026-01-01T00:00:00Z")[0].complaints == 0
    assert world.compute("complaint_responses", AT, since="2026-01-01T00:00:00Z")[0].complaints == 1
