"""Policies: published as versions, one after the other, and never changed."""

from datetime import timedelta
from typing import Any

import pytest

from domain.event import Event
from domain.policy import AuthorityLimit, Policy, RemedyAuthority, RetentionPeriods, ServiceTargets, TierRule
from domain.vocabulary import Role
from tests.domain.specification import NOON, by, given

AGENT = AuthorityLimit(role=Role.AGENT, amount_minor=50_00)
ADMIN = by("root", Role.ADMIN)


def targets(version: int | None, days: int) -> ServiceTargets:
    """Service targets that take effect so many days after noon."""
    return ServiceTargets(
        version=version,
        effective_from=NOON + timedelta(days=days),
        acknowledge_within_s=3_600,
        resolve_within_s=86_400,
    )


@pytest.mark.parametrize(
    ("publish", "first", "published"),
    [
        (
            Policy.publish_tier_rule,
            TierRule(effective_from=NOON, currency="EUR"),
            TierRule(version=1, effective_from=NOON, currency="EUR"),
        ),
        (
            Policy.publish_remedy_authority,
            RemedyAuthority(effective_from=NOON, currency="EUR", limits=[AGENT]),
            RemedyAuthority(version=1, effective_from=NOON, currency="EUR", limits=[AGENT]),
        ),
        (Policy.publish_service_targets, targets(None, 0), targets(1, 0)),
        (
            Policy.publish_retention_periods,
            RetentionPeriods(effective_from=NOON, purchase_months=120),
            RetentionPeriods(version=1, effective_from=NOON, complaint_months=36, case_months=0, purchase_months=120),
        ),
    ],
)
def test_the_first_policy_published_is_version_one(publish: Any, first: Event, published: Event) -> None:
    given().when(publish, first, context=ADMIN).then(published, customer_id=None)


def test_the_next_version_counts_on() -> None:
    before = given(targets(1, 0), targets(2, 5), customer_id=None)

    policy = before.when(Policy.publish_service_targets, targets(None, 5), context=ADMIN).then(
        targets(3, 5), customer_id=None
    )

    assert (policy.versions, policy.effective_from) == (3, NOON + timedelta(days=5))


def test_a_policy_does_not_take_effect_before_the_one_it_follows() -> None:
    before = given(targets(1, 5), customer_id=None)

    before.when(Policy.publish_service_targets, targets(None, 4), context=ADMIN).then_refused(
        "POLICY_TAKES_EFFECT_IN_PAST", field="effectiveFrom", last=NOON + timedelta(days=5)
    )


def test_a_role_has_one_limit() -> None:
    twice = RemedyAuthority(effective_from=NOON, currency="EUR", limits=[AGENT, AGENT])

    given().when(Policy.publish_remedy_authority, twice, context=ADMIN).then_refused(
        "POLICY_DUPLICATE_LIMIT", field="limits", role=Role.AGENT
    )
