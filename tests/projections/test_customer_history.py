"""The customer history: every entry of a customer as it was entered, personal text sealed."""

from domain.purchase import Line
from domain.vocabulary import ActorKind, Role
from projections.customer_history import CustomerHistory
from tests.projections.facts import bought, day, named, opened, registered, voided
from tests.projections.world import World


def test_an_entry_is_shown_with_what_it_says(world: World) -> None:
    lines = [Line(sku="A", quantity=2, amount_minor=900, category="toys")]
    world.given(bought("I1", "ann", "2026-01-02", lines=lines, country="法国", actor_role=Role.AGENT))

    [entry] = world.entries()
    assert world.rows(CustomerHistory) == {
        1: CustomerHistory(
            position=1, customer_id=named("ann"), type="Purchase.Recorded", occurred_at=day("2026-01-02"),
            recorded_at=entry.recorded_at, actor_kind=ActorKind.EMPLOYEE, actor_id="ann", actor_role=Role.AGENT,
            data={
                "reference": "I1", "currency": "EUR", "total_minor": 900, "country": "法国",
                "lines": [{"sku": "A", "quantity": 2, "amount_minor": 900, "category": "toys"}],
            },
        )
    }  # fmt: skip


def test_an_entry_of_a_case_names_it_and_keeps_what_was_said_sealed(world: World) -> None:
    world.given(registered("ann"), opened("c1", "ann", "2026-01-03", description="它坏了"))

    row = world.rows(CustomerHistory)[2]
    assert (row.customer_id, row.case_id, row.type) == (named("ann"), named("c1"), "Case.Opened")
    assert row.data["kind"] == "complaint"
    assert world.vault.open("description", row.data["description"]) == "它坏了"


def test_a_voided_entry_stays_and_names_what_voided_it_and_why_is_an_entry_too(world: World) -> None:
    mistake = bought("I1", "ann", "2026-01-01")
    world.given(mistake, voided(mistake, 1))

    rows = world.rows(CustomerHistory)
    assert [(row.position, row.voided_by, row.customer_id) for row in rows.values()] == [
        (1, 2, named("ann")),
        (2, None, named("ann")),
    ]
    assert rows[2].data == {
        "voided_position": 1, "voided_type": "Purchase.Recorded", "reason": "entered by mistake",
    }  # fmt: skip


def test_entries_of_no_customer_are_in_nobodys_history_but_there(world: World) -> None:
    world.given(bought("I1", None, "2026-01-01"))

    assert [row.customer_id for row in world.rows(CustomerHistory).values()] == [None]
