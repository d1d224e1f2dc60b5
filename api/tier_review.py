"""The tier review: applies the published tier rule at an instant and enters what changes."""

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from enum import Enum
from typing import Any, NamedTuple
from uuid import UUID, uuid5

from psycopg import Connection

from domain.aggregate import VOID
from domain.command import Actor, Context
from domain.customer import Customer
from domain.policy import TierRule
from domain.rule import NOT_FOUND, VERSION_CONFLICT, Refused, Rule
from domain.tier import TierInputs, judge
from domain.vocabulary import ActorKind, Tier
from ledger.application import Ledger
from projections.tier_figures import tier_figures

REVIEWS = UUID("a8b9f6d2-3c41-4f57-8e0b-9a1de6c7f5b3")
"""Names the commands of reviews, so that the same review done again enters nothing."""
WRITERS = 16
"""Why: enough commands at once to fill the pages of the group commit."""
ATTEMPTS_MAX = 5
"""Why: an assignment loses a race only to a change of the same customer; five in a row mean something runs wild."""
BEST_FIRST = list(Tier)
NO_RULE = Rule("TIER_RULE_MISSING", "No tier rule is in force at {at}; publish one with publishTierRule.")
TOO_EARLY = Rule(
    "TIER_REVIEW_TOO_EARLY",
    "Tiers were assigned as of {last}; a review looks from that instant or a later one.",
    field="at",
)


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
    """Customers whose tier changed, each by an entry."""
    lapsed: int
    """Customers who hold a tier but bought nothing in the window; the rule says nothing of them, so they keep it."""
    left_out: int
    """Customers who can hold no tier, since their registration is void or missing."""


class Outcome(Enum):
    """What became of an assignment."""

    ENTERED = "entered"
    HELD_ALREADY = "held already, or set by hand meanwhile"
    NO_CUSTOMER = "no customer"


def review(
    ledger: Ledger, connection: Connection[Any], at: datetime, advance: Callable[[int, int | None], None]
) -> Review:
    """Judge every customer with a purchase in the rule's window before ``at``; enter the tiers that change.

    A tier falls only when the result was already worse than it the grace period before. An override holds until it
    expires. Refuses ``TIER_RULE_MISSING``, and ``TIER_REVIEW_TOO_EARLY`` before the last review. The read models should
    stand at the ledger's head.
    """
    rule = ledger.in_force(TierRule, at)
    if rule is None:
        NO_RULE.refuse(at=at.isoformat())
    held = connection.execute("SELECT customer_id, tier, since, override_until FROM books.tier_status").fetchall()
    last = max((since for _, _, since, until in held if until is None), default=at)
    TOO_EARLY.refuse_if(last > at, last=last.isoformat())
    now = tier_figures(connection, rule, at)
    earlier = tier_figures(connection, rule, at - timedelta(days=rule.downgrade_grace_days))
    tiers = {customer_id: Tier(tier) for customer_id, tier, _, _ in held if tier}
    overridden = {customer_id for customer_id, _, _, until in held if until and until > at} & set(now)
    changed = _changes(rule, {c: inputs for c, inputs in now.items() if c not in overridden}, tiers)
    due = [change for change in changed if not _in_grace(rule, change, earlier)]
    done = _enter(ledger, rule, at, due, advance)
    return Review(
        policy_version=rule.version or 0,
        ranked=len(now),
        overridden=len(overridden),
        graced=len(changed) - len(due),
        assigned=done[Outcome.ENTERED],
        lapsed=len(tiers.keys() - now.keys()),
        left_out=done[Outcome.NO_CUSTOMER],
    )


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
    ledger: Ledger, rule: TierRule, at: datetime, due: Sequence[Assignment], advance: Callable[[int, int | None], None]
) -> Counter[Outcome]:
    done: Counter[Outcome] = Counter()
    with ThreadPoolExecutor(WRITERS, thread_name_prefix="tier review") as writers:
        for outcome in writers.map(lambda change: _assign(ledger, rule, at, change), due):
            done[outcome] += 1
            advance(done.total(), len(due))
    return done


def _assign(ledger: Ledger, rule: TierRule, at: datetime, change: Assignment) -> Outcome:
    """Enter one assignment, unless the customer holds the tier by now; decides anew when the customer changed."""
    for _ in range(ATTEMPTS_MAX):
        try:
            customer = ledger.load(Customer, change.customer_id)
        except Refused as refused:
            if refused.code not in (NOT_FOUND.code, VOID.code):
                raise
            return Outcome.NO_CUSTOMER
        assert isinstance(customer, Customer)
        if customer.tier is change.tier or customer.is_overridden(at):
            return Outcome.HELD_ALREADY
        # With the version in its name the command is done once, and can be done again when the tier was changed since.
        name = f"{rule.version} {at.isoformat()} {customer.id} {customer.version}"
        context = Context(at=at, actor=Actor(kind=ActorKind.SYSTEM, id="tier-review"), command_id=uuid5(REVIEWS, name))
        customer.assign_tier(context, _fact(rule, at, change))
        answer = ledger.write(customer, hashlib.sha256(name.encode()).digest())
        if answer.outcome in ("accepted", "done"):
            return Outcome.ENTERED
    raise VERSION_CONFLICT.refusal(kind="Customer", current=customer.version, expected=customer.version - 1)


def _fact(rule: TierRule, at: datetime, change: Assignment) -> Customer.TierAssigned:
    return Customer.TierAssigned(
        tier=change.tier,
        policy_version=rule.version or 0,
        reviewed_at=at,
        reason=change.reason,
        currency=rule.currency,
        inputs=change.inputs,
    )
