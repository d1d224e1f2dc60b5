"""The tier review: each clause of the rule, only changes, once, with a grace before a fall, overrides left alone."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
from typer.testing import CliRunner

from api.cli import app
from api.tier_review import Review, review
from domain.customer import Customer
from domain.event import Event
from domain.policy import TIER_RULE, TierRule
from domain.purchase import Line
from domain.rule import Refused
from domain.tier import judge
from domain.vocabulary import Role, Tier
from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.vault import Vault
from ledger.writer import Writer
from projections.tier_status import TierStatus
from tests.conftest import MASTER_KEY, acting
from tests.projections.facts import bought, day, fact, named, registered, touched, unmatched, voided
from tests.projections.world import World

AT = day("2026-07-01")
PLATINUM, GOLD, IRON, LEAD = Tier
LOYAL = "top share, loyal at full price"
SHORT = "top share, short tenure"


@pytest.fixture
def desk(world: World) -> Iterator[Ledger]:
    """A ledger to assign tiers in."""
    with database.pool(world.url, Duty.API, size=4) as pool:
        ledger = Ledger(pool, Writer(world.url), Vault(pool, MASTER_KEY, "test-1"))
        yield ledger
        ledger.close()


def rule(version: int = 1, effective_from: str = "2020-01-01", **fields: Any) -> Event:
    told = {"version": version, "effective_from": day(effective_from), "currency": "EUR"} | fields
    return fact(TierRule, "-", "2020-01-01", stream_id=TIER_RULE, **told)


def reviewed(desk: Ledger, world: World, at: datetime = AT) -> Review:
    """Review with the read models at the head, before and after."""
    world.post()
    found = review(desk, world.connection, at, lambda _done, _total: None)
    world.post()
    return found


def tiers(world: World) -> dict[Any, Tier | None]:
    return {customer: row.tier for customer, row in world.rows(TierStatus).items()}


def assignments(world: World) -> list[Customer.TierAssigned]:
    return [entry for entry in world.entries() if isinstance(entry, Customer.TierAssigned)]


def customers(*names: str) -> Iterator[Event]:
    for name in names:
        yield registered(name, "2020-01-01")


def sale(customer: str, at: str, amount: int, listed: int | None = None) -> Event:
    lines = [Line(sku="A", quantity=1, amount_minor=amount, list_amount_minor=listed)]
    return bought(f"{customer} {at} {amount}", customer, at, lines=lines)


def crowd(number: int = 8) -> Iterator[Event]:
    """Customers with 100 each, so that the top and the bottom share are somebody."""
    for n in range(number):
        yield registered(f"one of {n}", "2020-01-01")
        yield sale(f"one of {n}", "2026-03-01", 100)


@pytest.mark.parametrize(
    ("story", "tier", "clause"),
    [
        ([sale("ann", "2023-01-01", 1), sale("ann", "2026-03-01", 900)], PLATINUM, LOYAL),
        ([sale("ann", "2024-07-01", 1), sale("ann", "2026-03-01", 900)], PLATINUM, LOYAL),
        ([sale("ann", "2024-07-02", 1), sale("ann", "2026-03-01", 900)], GOLD, SHORT),
        ([sale("ann", "2023-01-01", 1), sale("ann", "2026-03-01", 9, 10)], IRON, "below the top share"),
        ([sale("ann", "2023-01-01", 1), sale("ann", "2026-03-01", 810, 900)], PLATINUM, LOYAL),
        ([sale("ann", "2023-01-01", 1), sale("ann", "2026-03-01", 899, 1000)], GOLD, "top share, many discounts"),
        ([sale("ann", "2023-01-01", 1), sale("ann", "2026-03-01", 90)], IRON, "below the top share"),
        ([sale("ann", "2026-03-01", 90), unmatched("r", "ann", "2026-03-02", 91)], LEAD, "negative contribution"),
        ([sale("ann", "2026-03-01", 90), touched("t", "ann", "2026-03-02", duration_s=400)], LEAD, "costly to serve"),
        ([sale("ann", "2026-03-01", 101), touched("t", "ann", "2026-03-02", duration_s=400)], GOLD, SHORT),
    ],
)  # fmt: skip
def test_each_clause_of_the_rule_gives_its_tier(
    desk: Ledger, world: World, story: list[Event], tier: Tier, clause: str
) -> None:  # fmt: skip
    handled = [touched(f"t{n}", f"one of {n}", "2026-03-02", duration_s=60) for n in range(8)]
    world.enter([rule(), *customers("ann"), *story, *crowd(), *handled])

    reviewed(desk, world)

    row = world.rows(TierStatus)[named("ann")]
    assert (row.tier, row.reason, row.policy_version, row.since) == (tier, clause, 1, AT)


def test_anyone_can_derive_each_tier_again_from_what_its_entry_holds(desk: Ledger, world: World) -> None:
    policy = rule(service_cost_per_hour_minor=3000, top_share=3000)
    world.enter([
        policy, *customers("ann", "bob"), *crowd(), sale("ann", "2022-01-01", 50), sale("ann", "2026-05-01", 700, 750),
        sale("bob", "2026-05-01", 20), touched("t", "bob", "2026-05-02", duration_s=7200),
    ])  # fmt: skip

    found = reviewed(desk, world)

    entered = assignments(world)
    assert found == Review(policy_version=1, ranked=10, overridden=0, graced=0, assigned=10, lapsed=0, left_out=0)
    assert len(entered) == 10
    assert {entry.tier for entry in entered} == {PLATINUM, GOLD, IRON, LEAD}
    for entry in entered:
        assert judge(policy, entry.inputs) == (entry.tier, entry.reason)
        assert (entry.reviewed_at, entry.occurred_at, entry.currency) == (AT, AT, "EUR")
        assert (entry.actor_kind, entry.actor_id) == ("system", "tier-review")


def test_the_same_review_again_enters_nothing(desk: Ledger, world: World) -> None:
    world.enter([rule(), *crowd()])
    first = reviewed(desk, world)

    again = reviewed(desk, world)

    assert (first.assigned, again.assigned) == (8, 0)
    assert len(assignments(world)) == 8


def test_the_same_review_enters_nothing_again_even_before_the_books_know_of_it(
    desk: Ledger, world: World
) -> None:  # fmt: skip
    world.given(rule(), *crowd())

    done = [review(desk, world.connection, AT, lambda _done, _total: None).assigned for _ in range(2)]

    assert done == [8, 0]
    assert len(assignments(world)) == 8


def test_a_review_enters_only_what_changes(desk: Ledger, world: World) -> None:
    world.enter([rule(), *crowd(), *customers("ann"), sale("ann", "2026-03-01", 10)])
    reviewed(desk, world)
    world.enter([sale("ann", "2026-07-02", 5000)])

    found = reviewed(desk, world, day("2026-07-03"))

    last = assignments(world)[9:]
    assert [(entry.customer_id, entry.tier) for entry in last] == [(named("ann"), GOLD)]
    assert (found.ranked, found.assigned, found.graced) == (9, 1, 1), "one of the crowd falls out of the top, not yet"


def test_a_tier_falls_only_once_the_worse_result_stood_for_the_grace_period(
    desk: Ledger, world: World
) -> None:  # fmt: skip
    world.enter(
        [rule(top_share=1000), *customers("ann", "bob"), sale("ann", "2026-06-01", 500), sale("bob", "2026-06-01", 1)]
    )
    reviewed(desk, world)
    assert tiers(world) == {named("ann"): GOLD, named("bob"): IRON}
    world.enter([sale("bob", "2026-07-10", 900)])

    at_once = reviewed(desk, world, day("2026-07-11"))
    assert (at_once.graced, tiers(world)) == (1, {named("ann"): GOLD, named("bob"): GOLD})
    just_before = reviewed(desk, world, day("2026-08-08T23:59:59"))
    assert (just_before.graced, just_before.assigned) == (1, 0)
    due = reviewed(desk, world, day("2026-08-09"))
    assert (due.graced, due.assigned, tiers(world)) == (0, 1, {named("ann"): IRON, named("bob"): GOLD})


def test_a_better_tier_needs_no_grace_and_a_first_one_neither(desk: Ledger, world: World) -> None:
    world.enter([rule(), *customers("ann"), sale("ann", "2026-06-30", 10), unmatched("r", "ann", "2026-06-30", 20)])
    assert reviewed(desk, world).assigned == 1
    assert tiers(world) == {named("ann"): LEAD}
    world.enter([sale("ann", "2026-07-02", 100)])

    reviewed(desk, world, day("2026-07-03"))

    assert tiers(world) == {named("ann"): GOLD}


def test_an_override_is_left_alone_until_it_ends(desk: Ledger, world: World) -> None:
    world.enter([rule(), *crowd(), *customers("ann"), sale("ann", "2026-03-01", 10)])
    told = {"tier": PLATINUM, "reason": "the mayor", "expires_at": day("2026-08-01")}
    world.enter([fact(Customer.TierOverridden, "ann", "2026-06-01", customer_id=named("ann"), **told)])

    during = reviewed(desk, world)
    assert (during.overridden, tiers(world)[named("ann")]) == (1, PLATINUM)
    at_its_end = reviewed(desk, world, day("2026-08-01"))

    assert (at_its_end.overridden, tiers(world)[named("ann")]) == (0, IRON)
    assert world.rows(TierStatus)[named("ann")].override_until is None


def test_the_rule_in_force_at_the_instant_decides(desk: Ledger, world: World) -> None:
    world.enter([rule(1), rule(2, "2026-07-02", top_share=10_000), *crowd()])

    assert reviewed(desk, world).policy_version == 1
    assert list(tiers(world).values()).count(GOLD) == 2
    assert reviewed(desk, world, day("2026-07-02")).policy_version == 2
    assert list(tiers(world).values()).count(GOLD) == 8


def test_without_a_rule_in_force_the_review_is_refused_and_enters_nothing(desk: Ledger, world: World) -> None:
    world.enter([rule(1, "2026-07-02"), *crowd()])

    with pytest.raises(Refused) as refused:
        reviewed(desk, world)

    assert (refused.value.code, str(refused.value)) == (
        "TIER_RULE_MISSING",
        "No tier rule is in force at 2026-07-01T00:00:00+00:00; publish one with publishTierRule.",
    )
    assert assignments(world) == []


def test_a_review_of_an_instant_before_the_last_one_is_refused(desk: Ledger, world: World) -> None:
    world.enter([rule(), *crowd()])
    reviewed(desk, world)

    with pytest.raises(Refused) as refused:
        reviewed(desk, world, day("2026-06-30"))

    assert (refused.value.code, refused.value.field) == ("TIER_REVIEW_TOO_EARLY", "at")
    assert "2026-07-01T00:00:00+00:00" in str(refused.value)
    assert len(assignments(world)) == 8


def test_a_fact_that_came_late_is_taken_up_by_the_same_review_again(desk: Ledger, world: World) -> None:
    world.enter([rule(), *crowd(), *customers("ann"), sale("ann", "2026-03-01", 10)])
    reviewed(desk, world)
    world.enter([sale("ann", "2026-05-01", 5000)])

    again = reviewed(desk, world)

    assert (again.assigned, tiers(world)[named("ann")]) == (2, GOLD), "whom she displaced was displaced a month ago too"


def test_an_assignment_that_was_voided_can_be_entered_again(desk: Ledger, world: World) -> None:
    world.enter([rule(), *customers("ann"), sale("ann", "2026-03-01", 10)])
    reviewed(desk, world)
    [entry] = assignments(world)
    desk.execute("void_entry", {"position": entry.position, "reason": "too soon"}, acting(Role.SUPERVISOR))

    found = reviewed(desk, world)

    assert found.assigned == 1
    assert tiers(world) == {named("ann"): GOLD}
    assert len(assignments(world)) == 2


def test_who_was_never_registered_or_is_void_holds_no_tier_and_is_told_of(desk: Ledger, world: World) -> None:
    mistake = registered("eve", "2020-01-01")
    world.enter([mistake, rule(), *customers("ann"), *(sale(name, "2026-03-01", 10) for name in ("ann", "bob", "eve"))])
    world.enter([voided(mistake, 1)])

    found = reviewed(desk, world)

    assert found == Review(policy_version=1, ranked=3, overridden=0, graced=0, assigned=1, lapsed=0, left_out=2)
    assert set(tiers(world)) == {named("ann")}


def test_an_assignment_that_loses_a_race_is_decided_anew(
    desk: Ledger, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    world.given(rule(), *customers("ann"), sale("ann", "2026-03-01", 10))
    load, raced = desk.load, []

    def racing(kind: Any, id: Any) -> Any:
        loaded = load(kind, id)
        if not raced:
            raced.append(desk.execute("change_customer_profile", {"id": id, "country": "DE"}, acting()))
        return loaded

    monkeypatch.setattr(desk, "load", racing)
    found = reviewed(desk, world)

    assert len(raced) == 1
    assert (found.assigned, tiers(world)) == (1, {named("ann"): GOLD})


def test_the_command_reviews_posts_and_tells_what_it_did(
    desk: Ledger, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:  # fmt: skip
    world.enter([rule(), *crowd()])
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setenv("DAYBOOK_MASTER_KEY", "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM=")

    done = CliRunner().invoke(app, ["review-tiers", "--at", "2026-07-01T02:00:00+02:00", "--json"])

    assert done.exit_code == 0
    assert json.loads(done.stdout) == {
        "policy_version": 1, "ranked": 8, "overridden": 0, "graced": 0, "assigned": 8, "lapsed": 0, "left_out": 0,
    }  # fmt: skip
    assert len(tiers(world)) == 8, "what was assigned is posted too"
    assert {entry.occurred_at for entry in assignments(world)} == {AT}


@pytest.mark.parametrize(
    ("at", "problem"),
    [
        ("yesterday", "'yesterday' is no instant; write it like 2026-06-30T00:00:00Z."),
        ("2026-06-30", "'2026-06-30' needs an offset, such as Z for UTC: write it like 2026-06-30T00:00:00Z."),
        ("2999-01-01T00:00:00Z", "2999-01-01T00:00:00Z lies in the future; give an instant that has passed."),
    ],
)
def test_the_command_refuses_an_instant_it_cannot_judge_from(at: str, problem: str) -> None:
    done = CliRunner().invoke(app, ["review-tiers", "--at", at])

    assert isinstance(done.exception, Refused)
    assert (done.exception.code, str(done.exception)) == ("INVALID_INPUT", problem)
