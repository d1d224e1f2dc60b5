"""The touchpoints: every contact, and the case it was found to belong to."""

from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction, Interface
from projections.touchpoints import Touchpoints
from tests.projections.facts import day, fact, named, touched, voided
from tests.projections.world import World

T1 = named("t1")


def test_a_contact_is_taken_over_as_told(world: World) -> None:
    world.given(
        touched(
            "t1", "ann", "2026-01-02T10:00", channel=Channel.CHAT, direction=Direction.OUTBOUND, purpose="回访",
            interface=Interface.BILLING, agent_id="eve", automated=True, duration_s=95, summary="she is well",
        )
    )  # fmt: skip

    [row] = world.rows(Touchpoints).values()
    assert world.vault.open("summary", row.summary) == "she is well"
    assert row == Touchpoints(
        touchpoint_id=T1, customer_id=named("ann"), occurred_at=day("2026-01-02T10:00"), channel=Channel.CHAT,
        direction=Direction.OUTBOUND, interface=Interface.BILLING, purpose="回访", agent_id="eve", automated=True,
        duration_s=95, summary=row.summary, version=1,
    )  # fmt: skip


def linked(touchpoint: str, case: str) -> object:
    ids = {"customer_id": named("ann"), "case_id": named(case)}
    return fact(Touchpoint.LinkedToCase, touchpoint, "2026-01-03", **ids)


def test_a_link_names_the_case_and_the_last_one_holds(world: World) -> None:
    world.given(touched("t1", "ann", "2026-01-02"), linked("t1", "c1"), linked("t1", "c2"))

    row = world.rows(Touchpoints)[T1]
    assert (row.case_id, row.version, row.occurred_at) == (named("c2"), 3, day("2026-01-02"))


def test_a_voided_link_gives_the_contact_back_to_the_case_before(world: World) -> None:
    mistake = linked("t1", "c2")
    world.given(touched("t1", "ann", "2026-01-02"), linked("t1", "c1"), mistake)

    world.given(voided(mistake, 3))

    row = world.rows(Touchpoints)[T1]
    assert (row.case_id, row.version) == (named("c1"), 4)


def test_a_contact_that_is_void_is_none_whatever_was_linked_to_it(world: World) -> None:
    mistake = touched("t1", "ann", "2026-01-02")
    world.given(mistake, linked("t1", "c1"), voided(mistake, 1))

    assert world.rows(Touchpoints) == {}
