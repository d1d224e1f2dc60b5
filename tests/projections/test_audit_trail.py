"""The audit trail: every entry's envelope, and nothing of what it says."""

from uuid import UUID

from domain.command import Actor, Context
from domain.customer import Customer
from domain.entry import Entry
from domain.vocabulary import ActorKind, Role
from projections.audit_trail import AuditTrail
from tests.projections.facts import bought, day, fact, named, registered, voided
from tests.projections.world import World

CAUSE, PART = UUID(int=7), UUID(int=8)


def test_an_entry_is_shown_with_its_whole_envelope(world: World) -> None:
    circumstances = Context(
        at=day("2026-01-02T03:04:05.678901"),
        actor=Actor(kind=ActorKind.EMPLOYEE, id="ann", role=Role.SUPERVISOR),
        command_id=UUID(int=6),
        causation_id=CAUSE,
        correlation_id=PART,
        source="crm",
        external_id="42",
    )
    customer = Customer.register(circumstances, named("ann"), Customer.Registered(name="王小明"))
    world.given(*customer.collect_events())

    [entry] = world.entries()
    assert world.rows(AuditTrail) == {
        1: AuditTrail(
            position=1, stream_id=named("ann"), stream_version=1, type="Customer.Registered",
            customer_id=named("ann"), occurred_at=day("2026-01-02T03:04:05.678901"), recorded_at=entry.recorded_at,
            actor_kind=ActorKind.EMPLOYEE, actor_id="ann", actor_role=Role.SUPERVISOR, command_id=UUID(int=6),
            causation_id=CAUSE, correlation_id=PART, source="crm", external_id="42",
        )
    }  # fmt: skip
    assert entry.recorded_at > day("2026-01-02")


def test_an_actor_without_a_role_and_an_entry_of_no_customer_are_shown_as_such(world: World) -> None:
    world.given(bought("I1", None, "2026-01-01", actor_kind="import", actor_id="shop"))

    row = world.rows(AuditTrail)[1]
    assert (row.customer_id, row.actor_kind, row.actor_id, row.actor_role) == (None, ActorKind.IMPORT, "shop", None)


def test_a_voided_entry_names_the_entry_that_voided_it(world: World) -> None:
    mistake = bought("I1", "ann", "2026-01-01")
    world.given(registered("ann"), mistake, registered("bob"), voided(mistake, 2))

    rows = world.rows(AuditTrail)
    assert {position: row.voided_by for position, row in rows.items()} == {1: None, 2: 4, 3: None, 4: None}
    assert (rows[4].type, rows[4].stream_id, rows[4].actor_id) == (Entry.Voided.type_name, named("I1"), "bob")


def test_a_void_that_comes_in_a_later_batch_marks_the_same_entry(world: World) -> None:
    mistake = bought("I1", "ann", "2026-01-01")
    world.enter([mistake, fact(Entry.Voided, "I1", "2026-01-02", voided_position=1, voided_type="-", reason="r")])

    world.post([1, 1])

    assert {position: row.voided_by for position, row in world.rows(AuditTrail).items()} == {1: 2, 2: None}
