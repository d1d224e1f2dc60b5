"""The tier review: applies the published tier rule at an instant and enters what changes."""

import hashlib
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from psycopg import Connection

from domain.command import Actor, Context
from domain.customer import Customer
from domain.policy import TierRule
from domain.rule import Rule
from domain.tier import TierInputs, judge
from domain.vocabulary import ActorKind, Tier
from ledger.application import Ledger
from projections.tier_figures import tier_figures

REVIEWS = UUID("a8b9f6d2-3c41-4f57-8e0b-9a1de6c7f5b3")
"""Names the commands of reviews, so that the same review done again enters nothing."""
WRITERS = 16
"""Why: enough commands at once to fill the pages of the group commit."""
BEST_FIRST = list(Tier)
NO_RULE = Rule("TIER_RULE_MISSING", "No tier rule is in force at {at}; publish one with publishTierRule.")


class Assignment(NamedTuple):
    """One customer whose tier changes."""

    customer_id: UUID
    before: Tier | None
    tier: Tier
    reason: str
    inputs: TierInputs


class Review(NamedTuple):
    """What a review found and did."""

    policy_version: int
    ranked: int
    overridden: int
    """Customers left alone because a tier set by hand still holds."""
    graced: int
    """Customers whose tier would fall but for the grace period."""
    assigned: int


def review(
    ledger: Ledger, connection: Connection[Any], at: datetime, advance: Callable[[int, int | None], None]
) -> Review:
    """Judge every customer with a purchase in the rule's window before ``at``; enter the tiers that change.

    A tier falls only when the result was already worse than it the grace period before. An override holds until it
    expires. Refuses ``TIER_RULE_MISSING``. The read models should stand at the ledger's head.
    """
    rule = ledger.in_force(TierRule, at)
    if rule is None:
        NO_RULE.refuse(at=at.isoformat())
    now = tier_figures(connection, rule, at)
    earlier = tier_figures(connection, rule, at - timedelta(days=rule.downgrade_grace_days))
    held = connection.execute("SELECT customer_id, tier, override_until FROM books.tier_status").fetchall()
    tiers = {customer_id: Tier(tier) for customer_id, tier, _ in held if tier}
    overridden = {customer_id for customer_id, _, until in held if until and until > at} & set(now)
    changed = _changes(rule, {c: inputs for c, inputs in now.items() if c not in overridden}, tiers)
    due = [change for change in changed if not _in_grace(rule, change, earlier)]
    _enter(ledger, rule, at, due, advance)
    return Review(rule.version or 0, len(now), len(overridden), len(changed) - len(due), len(due))


def _changes(rule: TierRule, figures: dict[UUID, TierInputs], tiers: dict[UUID, Tier]) -> list[Assignment]:
    judged = (
        Assignment(customer_id, tiers.get(customer_id), *judge(rule, inputs), inputs)
        for customer_id, inputs in figures.items()
    )
    return sorted((found for found in judged if found.tier is not found.before), key=lambda found: found.inputs.rank)


def _in_grace(rule: TierRule, change: Assignment, earlier: dict[UUID, TierInputs]) -> bool:
    """Whether the tier would fall, but was not yet due to fall the grace period before."""
    if change.before is None or BEST_FIRST.index(change.tier) < BEST_FIRST.index(change.before):
        return False
    if change.customer_id not in earlier:
        return True
    then, _ = judge(rule, earlier[change.customer_id])
    return BEST_FIRST.index(then) <= BEST_FIRST.index(change.before)


def _enter(
    ledger: Ledger, rule: TierRule, at: datetime, due: Iterable[Assignment], advance: Callable[[int, int | None], None]
) -> None:
    due = list(due)
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="tier review") as writers:
        for done, _ in enumerate(writers.map(lambda change: _assign(ledger, rule, at, change), due), 1):
            advance(done, len(due))


def _assign(ledger: Ledger, rule: TierRule, at: datetime, change: Assignment) -> None:
    command_id = uuid5(REVIEWS, f"{rule.version} {at.isoformat()} {change.customer_id}")
    actor = Actor(kind=ActorKind.SYSTEM, id="tier-review")
    customer = ledger.load(Customer, change.customer_id)
    assert isinstance(customer, Customer)
    fact = Customer.TierAssigned(
        tier=change.tier,
        policy_version=rule.version or 0,
        reviewed_at=at,
        reason=change.reason,
        currency=rule.currency,
        inputs=change.inputs,
    )
    customer.assign_tier(Context(at=at, actor=actor, command_id=command_id), fact)
    ledger.write(customer, command_id, hashlib.sha256(command_id.bytes).digest())
