"""Looks: one row for each, as entered."""

from domain.look import Look, LookPurpose
from domain.vocabulary import Role
from projections.looks import Looks
from tests.projections.facts import day, fact, named
from tests.projections.world import World


def test_a_look_is_taken_over_as_told(world: World) -> None:
    told = {"purpose": LookPurpose.REPLAY, "subject_id": named("ann"), "fields": ["name"], "taken": "case 7"}
    world.given(fact(Look.Recorded, "l1", "2026-01-02", customer_id=named("ann"), actor_role=Role.AUDITOR, **told))

    [look] = world.rows(Looks).values()
    assert look == Looks(
        position=1, customer_id=named("ann"), occurred_at=day("2026-01-02"), actor_id=look.actor_id,
        actor_role=Role.AUDITOR, purpose=LookPurpose.REPLAY, fields=["name"], taken="case 7",
    )  # fmt: skip
    assert look.actor_id
