"""Amendments, merges and late entries: each has the keys it concerns folded anew, and nothing else."""

from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from domain.vocabulary import Channel, ContactKind, InvalidReason, Tier
from projections.audit_trail import AuditTrail
from projections.case_register import CaseRegister
from projections.complaint_outcomes import ComplaintOutcomes
from projections.customer_history import CustomerHistory
from projections.customer_profile import CustomerProfile
from projections.engine.kept import Merges
from projections.engine.links import Links
from projections.engine.model import ReadModel, on
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from projections.tier_status import TierStatus
from tests.projections.facts import bought, day, fact, named, of_case, opened, registered, touched, voided
from tests.projections.world import World

ANN, EVE, BOB = named("ann"), named("eve"), named("bob")


def amended(target: Event, position: int, **changes: Any) -> Event:
    """Some fields of the entry that stands at a position were stated anew."""
    return fact(
        Entry.Amended, "-", "2026-12-31", stream_id=target.stream_id, customer_id=target.customer_id,
        case_id=target.case_id, amended_position=position, amended_type=target.type_name, changes=changes,
        reason="mistyped", actor_id="bob",
    )  # fmt: skip


def merged(absorbed: str, survivor: str, at: str = "2026-06-01") -> Event:
    """A customer was merged into another."""
    return fact(Customer.Merged, absorbed, at, customer_id=named(absorbed), survivor_id=named(survivor))


def unmerged(absorbed: str, survivor: str, at: str = "2026-07-01") -> Event:
    """That was undone."""
    told = {"survivor_id": named(survivor), "reason": "father and son"}
    return fact(Customer.Unmerged, absorbed, at, customer_id=named(absorbed), **told)


def purchases(world: World) -> dict[UUID, int]:
    """How often each customer bought."""
    return {customer: row.purchases for customer, row in world.rows(PurchaseBehaviour).items()}


def test_an_amended_entry_counts_as_amended(world: World) -> None:
    purchase = bought("p1", "ann", "2026-01-01", country="FR")
    world.given(purchase, bought("p2", "ann", "2026-01-02", country="FR"))

    world.given(amended(purchase, 1, country="DE", reference="R-9"))

    assert [(row.country, row.reference) for row in world.rows(Sales).values()] == [("DE", "R-9"), ("FR", "p2")]


def test_the_history_shows_what_was_entered_and_that_it_was_amended(world: World) -> None:
    purchase = bought("p1", "ann", "2026-01-01", country="FR")
    world.given(purchase, amended(purchase, 1, country="DE"), amended(purchase, 1, country="IT"))

    rows = world.rows(CustomerHistory)

    assert rows[1].data["country"] == "FR"
    assert {position: row.amended_by for position, row in rows.items()} == {1: 3, 2: None, 3: None}
    assert {position: row.amended_by for position, row in world.rows(AuditTrail).items()} == {1: 3, 2: None, 3: None}


def test_what_is_void_stays_void_though_it_was_amended(world: World) -> None:
    purchase = bought("p1", "ann", "2026-01-01", country="FR")

    world.given(purchase, amended(purchase, 1, country="DE"), voided(purchase, 1))

    assert purchases(world) == {}
    assert [(row.country, row.voided) for row in world.rows(Sales).values()] == [("DE", True)]


def test_a_merged_customer_is_answered_for_by_the_survivor_in_every_book(world: World) -> None:
    world.given(
        registered("ann", country="FR"), registered("eve", country="DE"),
        bought("p1", "ann", "2026-01-01"), bought("p2", "eve", "2026-01-02"), opened("c1", "eve", "2026-01-03"),
    )  # fmt: skip

    world.given(merged("eve", "ann"))

    assert purchases(world) == {ANN: 2}
    assert {row.customer_id for row in world.rows(Sales).values()} == {ANN}
    assert world.rows(CaseRegister)[named("c1")].customer_id == ANN
    assert {row.customer_id for row in world.rows(CustomerHistory).values()} == {ANN}
    [(customer, profile)] = world.rows(CustomerProfile).items()
    assert (customer, profile.country, profile.case_count, profile.merged) == (ANN, "FR", 1, [EVE])
    assert profile.version == 1, "the survivor's own history did not move"


def test_who_did_what_to_whom_stands_as_it_was_entered(world: World) -> None:
    world.given(registered("ann"), registered("eve"), bought("p1", "eve", "2026-01-01"), merged("eve", "ann"))

    assert [row.customer_id for row in world.rows(AuditTrail).values()] == [ANN, EVE, EVE, EVE]


def test_what_is_entered_of_a_merged_customer_later_counts_for_the_survivor(world: World) -> None:
    world.given(registered("ann"), registered("eve"), merged("eve", "ann"))

    world.given(bought("p1", "eve", "2026-08-01"), touched("t1", "eve", "2026-08-02"))

    assert purchases(world) == {ANN: 1}
    assert world.rows(CustomerProfile)[ANN].touchpoint_count == 1


def test_a_merge_that_is_undone_leaves_both_as_they_would_have_been(world: World) -> None:
    world.given(
        registered("ann"), registered("eve"), bought("p1", "ann", "2026-01-01"), opened("c1", "eve", "2026-01-03")
    )
    world.given(merged("eve", "ann"), bought("p2", "eve", "2026-06-15"))

    world.given(unmerged("eve", "ann"))

    assert purchases(world) == {ANN: 1, EVE: 1}
    assert world.rows(CaseRegister)[named("c1")].customer_id == EVE
    assert {customer: row.merged for customer, row in world.rows(CustomerProfile).items()} == {ANN: [], EVE: []}


def test_who_was_merged_follows_the_survivor_into_the_next_merge(world: World) -> None:
    world.given(registered("ann"), registered("eve"), registered("bob"), bought("p1", "eve", "2026-01-01"))

    world.given(merged("eve", "ann"), merged("ann", "bob"))
    assert purchases(world) == {BOB: 1}
    assert sorted(world.rows(CustomerProfile)[BOB].merged) == sorted([ANN, EVE])

    world.given(unmerged("ann", "bob"))
    assert purchases(world) == {ANN: 1}


def test_contact_points_of_both_stand_side_by_side(world: World) -> None:
    def contact(customer: str, value: str) -> Event:
        told = {"contact": "home", "kind": ContactKind.PHONE, "value": value}
        return fact(Customer.ContactPointAdded, customer, "2026-01-02", customer_id=named(customer), **told)

    gone = fact(
        Customer.ContactPointInvalidated, "eve", "2026-07-01", customer_id=EVE, contact="home",
        reason=InvalidReason.DISCONNECTED,
    )  # fmt: skip

    world.given(
        registered("ann"), registered("eve"), contact("ann", "1"), contact("eve", "2"), merged("eve", "ann"), gone
    )

    points = world.rows(CustomerProfile)[ANN].contact_points
    assert [(point.stated_of, point.invalid) for point in points] == [(None, None), (EVE, InvalidReason.DISCONNECTED)]


def test_the_tier_is_the_one_the_survivor_was_given(world: World) -> None:
    def given_tier(customer: str, tier: Tier, at: str) -> Event:
        told = {"tier": tier, "reason": "x", "expires_at": day("2027-01-01")}
        return fact(Customer.TierOverridden, customer, at, customer_id=named(customer), **told)

    world.given(registered("ann"), registered("eve"), given_tier("ann", Tier.IRON, "2026-01-02"))
    world.given(given_tier("eve", Tier.GOLD, "2026-02-02"), merged("eve", "ann"))

    assert {customer: row.tier for customer, row in world.rows(TierStatus).items()} == {ANN: Tier.IRON}


def test_links_know_who_moved() -> None:
    merges = Merges()
    merges.tell(1, EVE, ANN)
    merges.tell(2, ANN, BOB)
    before, now = Links(merges, 1), Links(merges, 2)

    assert (now.root(EVE), now.root(ANN), now.root(BOB)) == (BOB, BOB, BOB)
    assert sorted(now.members([BOB])) == sorted([BOB, ANN, EVE])
    assert now.moved_since(before, [ANN]) == {EVE, ANN}
    assert now.moved_since(now, [ANN]) == set()


def test_a_late_entry_takes_its_place_in_business_time(world: World) -> None:
    world.given(
        opened("c1", "ann", "2026-01-01"),
        of_case(Case.Acknowledged, "c1", "ann", "2026-01-01", channel=Channel.EMAIL),
        of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-09"),
    )
    assert world.rows(ComplaintOutcomes)[named("c1")].accepted_at == day("2026-01-09")

    world.given(of_case(Case.SolutionAccepted, "c1", "ann", "2026-01-05"))

    row = world.rows(ComplaintOutcomes)[named("c1")]
    assert (row.accepted_at, row.last_occurred_at) == (day("2026-01-05"), day("2026-01-09"))


def test_a_model_in_business_time_has_the_column_it_is_kept_by(own_models: None) -> None:
    with pytest.raises(TypeError, match="Unordered must have a column last_occurred_at if, and only if"):

        class Unordered(ReadModel, key="customer_id", order_by="occurred_at"):
            """One."""

            customer_id: UUID

    with pytest.raises(TypeError, match="Ordered must have a column"):

        class Ordered(ReadModel, key="customer_id"):
            """One."""

            customer_id: UUID
            last_occurred_at: datetime | None = None

            @on(Customer.Registered)
            def begun(self, e: Customer.Registered) -> None:
                """Begin."""
