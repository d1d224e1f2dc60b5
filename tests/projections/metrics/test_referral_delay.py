"""Referral delay: days from opening to the last referral, negative ones included."""

from domain.case import Case
from domain.vocabulary import CaseKind
from projections.metrics.referral_delay import ReferralDelay
from tests.projections.facts import day, of_case, opened, voided
from tests.projections.world import World

AT = day("2026-12-31")
Row = ReferralDelay.Row


def test_without_referrals_there_is_no_delay(world: World) -> None:
    world.given(opened("c1", None, "2026-01-01"))

    assert world.compute("referral_delay", AT) == [
        Row(
            referred=0, not_referred=1, min_days=None, median_days=None, mean_days=None, max_days=None,
            before_opening=0,
        )
    ]  # fmt: skip


def test_a_referral_before_the_opening_is_negative_and_counted(world: World) -> None:
    world.given(
        opened("c1", None, "2026-01-02"),
        of_case(Case.Referred, "c1", None, "2026-01-01", to="B"),
        opened("c2", None, "2026-01-02"),
        of_case(Case.Referred, "c2", None, "2026-01-02T12:00", to="B"),
        opened("c3", None, "2026-01-02"),
        of_case(Case.Referred, "c3", None, "2026-01-03", to="B"),
        of_case(Case.Referred, "c3", None, "2026-01-06", to="D"),
        opened("c4", None, "2026-01-02"),
        opened("r1", None, "2026-01-02", kind=CaseKind.REQUEST),
        of_case(Case.Referred, "r1", None, "2026-09-02", to="B"),
    )

    assert world.compute("referral_delay", AT) == [
        Row(
            referred=3, not_referred=1, min_days=-1.0, median_days=0.5, mean_days=1.166667, max_days=4.0,
            before_opening=1,
        )
    ]  # fmt: skip


def test_a_voided_referral_gives_way_to_the_one_before(world: World) -> None:
    mistake = of_case(Case.Referred, "c1", None, "2026-01-09", to="D")
    world.given(opened("c1", None, "2026-01-01"), of_case(Case.Referred, "c1", None, "2026-01-03", to="B"), mistake)

    world.given(voided(mistake, 3))

    assert world.compute("referral_delay", AT)[0].max_days == 2.0


def test_the_window_is_that_of_the_opening(world: World) -> None:
    world.given(opened("c1", None, "2026-01-31"), opened("c2", None, "2026-02-01"), opened("c3", None, "2026-03-01"))

    window = {"since": "2026-02-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"}
    assert world.compute("referral_delay", AT, **window)[0].not_referred == 1
