"""Complaint outcomes: the first of each milestone of a case, which later ones do not move."""

from domain.case import Case
from domain.vocabulary import CaseKind, Channel, SolutionKind
from projections.complaint_outcomes import ComplaintOutcomes
from tests.projections.facts import day, named, of_case, opened, voided
from tests.projections.world import World

C1 = named("c1")
PROPOSED = {"kind": SolutionKind.FIX}


def test_the_first_of_each_milestone_stands(world: World) -> None:
    promised = {"resolve_due_at": day("2026-01-09"), "channel": Channel.EMAIL}
    world.given(
        opened("c1", "ann", "2026-01-01", **promised),
        of_case(Case.Acknowledged, "c1", "ann", "2026-01-02", channel=Channel.EMAIL),
        of_case(Case.SolutionProposed, "c1", "ann", "2026-01-03", **PROPOSED),
        of_case(Case.SolutionRejected, "c1", "ann", "2026-01-03T12:00"),
        of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-04"),
        of_case(Case.Resolved, "c1", "ann", "2026-01-05", resolution="done"),
        of_case(Case.Reopened, "c1", "ann", "2026-01-06", reason="again"),
        of_case(Case.SolutionRejected, "c1", "ann", "2026-01-07"),
        of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-08"),
        of_case(Case.Resolved, "c1", "ann", "2026-01-10", resolution="done"),
    )

    assert world.rows(ComplaintOutcomes) == {
        C1: ComplaintOutcomes(
            case_id=C1, customer_id=named("ann"), kind=CaseKind.COMPLAINT, channel=Channel.EMAIL,
            opened_at=day("2026-01-01"), acknowledged_at=day("2026-01-02"), accepted_at=day("2026-01-04"),
            rejected_at=day("2026-01-03T12:00"), resolved_at=day("2026-01-05"), promised_at=day("2026-01-09"),
            last_occurred_at=day("2026-01-10"),
        )
    }  # fmt: skip


def test_a_milestone_that_is_void_gives_way_to_the_next(world: World) -> None:
    mistake = of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-04")
    later = of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-08")
    world.given(opened("c1", "ann", "2026-01-01"), mistake, later)

    world.given(voided(mistake, 2))

    assert world.rows(ComplaintOutcomes)[C1].accepted_at == day("2026-01-08")


def test_a_complaint_whose_opening_is_void_is_none(world: World) -> None:
    mistake = opened("c1", "ann", "2026-01-01")
    world.given(mistake, of_case(Case.Acknowledged, "c1", "ann", "2026-01-02", channel=Channel.EMAIL))

    world.given(voided(mistake, 1))
    world.given(of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-04"))

    assert world.rows(ComplaintOutcomes) == {}


def test_a_case_that_is_no_complaint_says_so(world: World) -> None:
    world.given(opened("c1", None, "2026-01-01", kind=CaseKind.REQUEST))

    row = world.rows(ComplaintOutcomes)[C1]
    assert (row.kind, row.customer_id) == (CaseKind.REQUEST, None)
