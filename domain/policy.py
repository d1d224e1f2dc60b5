"""Policies: tier rule, remedy authority, service targets and retention, published as versions and never changed.

Whatever depends on a policy names the version in force, so a replay judges the past by the rules of the past.
A parameter of a command that is typed as one of the published events below receives the version in force.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated
from uuid import UUID, uuid5

from msgspec import Meta, Struct
from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .event import DECIDED, Event
from .rule import Rule
from .vocabulary import AmountMinor, BasisPoints, Currency, Instant, PolicyVersion, Role, Seconds

POLICIES = UUID("b0f5c1a4-52d0-4a6e-9f0a-0e1d6a3c7b11")
"""Names the policy streams; one stream for each kind of policy, the same in every ledger."""
TIER_RULE = uuid5(POLICIES, "tier_rule")
REMEDY_AUTHORITY = uuid5(POLICIES, "remedy_authority")
SERVICE_TARGETS = uuid5(POLICIES, "service_targets")
RETENTION_PERIODS = uuid5(POLICIES, "retention_periods")

Months = Annotated[int, Meta(ge=0, le=1200, description="A number of calendar months.")]
Days = Annotated[int, Meta(ge=0, le=36_500, description="A number of days.")]

TAKES_EFFECT_IN_PAST = Rule(
    "POLICY_TAKES_EFFECT_IN_PAST",
    "A policy cannot take effect before {last}, when the version before it did.",
    field="effectiveFrom",
)
DUPLICATE_LIMIT = Rule("POLICY_DUPLICATE_LIMIT", "The role {role} has two limits; give it one.", field="limits")


class AuthorityLimit(Struct, frozen=True, kw_only=True):
    """Up to what amount a role may settle on its own."""

    role: Role
    amount_minor: AmountMinor


class Policy(Aggregate):
    """One kind of policy and all its versions."""

    versions: int = 0
    effective_from: datetime | None = None

    class TierRulePublished(Event):
        """The rule by which customers get their tier; the defaults are those of domain row 1.9."""

        version: Annotated[PolicyVersion | None, DECIDED] = None
        effective_from: Instant
        """From when the version is in force."""
        currency: Currency
        window_months: Months = 12
        """How far back a review looks."""
        top_share: BasisPoints = 2_000
        """Which share of the customers, by contribution, is platinum or gold."""
        platinum_tenure_months: Months = 24
        """How long a platinum customer has been one."""
        platinum_discount_share: BasisPoints = 1_000
        """The largest share of discounts a platinum customer takes."""
        lead_intensity_percent: Annotated[int, Meta(ge=100, le=100_000)] = 300
        """From what multiple of the median service intensity, in percent, a customer may be lead."""
        lead_bottom_share: BasisPoints = 1_000
        """Which share of the customers, from the bottom by contribution, may be lead."""
        service_cost_per_hour_minor: AmountMinor = 0
        """What an hour of handling costs, in minor units; counted against the contribution."""
        downgrade_grace_days: Days = 30
        """How long a worse result must stand before the tier falls."""

        def apply(self, policy: Policy) -> None:
            policy.versions, policy.effective_from = self.version or 0, self.effective_from

    class RemedyAuthorityPublished(Event):
        """Up to what amount each role may settle without approval."""

        version: Annotated[PolicyVersion | None, DECIDED] = None
        effective_from: Instant
        """From when the version is in force."""
        currency: Currency
        limits: list[AuthorityLimit]

        def apply(self, policy: Policy) -> None:
            policy.versions, policy.effective_from = self.version or 0, self.effective_from

        def limit(self, role: Role | None, currency: str) -> int:
            """The amount the role may settle alone in minor units; 0 for other roles and other currencies."""
            if currency != self.currency:
                return 0
            return max((limit.amount_minor for limit in self.limits if limit.role == role), default=0)

    class ServiceTargetsPublished(Event):
        """How soon a case is to be acknowledged and resolved, and how long it can be reopened."""

        version: Annotated[PolicyVersion | None, DECIDED] = None
        effective_from: Instant
        """From when the version is in force."""
        acknowledge_within_s: Seconds
        """Time to the first acknowledgement, in seconds of the calendar."""
        resolve_within_s: Seconds
        """Time to the resolution that is promised, in seconds of the calendar."""
        reopen_within_days: Days | None = None
        """How long a resolved or closed case can be reopened; null means without limit."""

        def apply(self, policy: Policy) -> None:
            policy.versions, policy.effective_from = self.version or 0, self.effective_from

        def reopen_until(self, settled_at: datetime) -> datetime | None:
            """Until when a case settled at that instant can be reopened."""
            if self.reopen_within_days is None:
                return None
            return settled_at + timedelta(days=self.reopen_within_days)

    class RetentionPeriodsPublished(Event):
        """How long what is recorded must be kept, even where the person wishes to be forgotten."""

        version: Annotated[PolicyVersion | None, DECIDED] = None
        effective_from: Instant
        """From when the version is in force."""
        complaint_months: Months = 36
        """How long a complaint and what was done about it is kept, from its receipt; FCA DISP 1.9.1R asks for 36."""
        case_months: Months = 0
        """How long any other case is kept, from its opening."""
        purchase_months: Months = 0
        """How long a purchase, or a return that names none, is kept."""

        def apply(self, policy: Policy) -> None:
            policy.versions, policy.effective_from = self.version or 0, self.effective_from

    @command(Role.ADMIN, name="publish_tier_rule", stream=lambda _: TIER_RULE)
    def publish_tier_rule(self, context: Context, fact: TierRulePublished) -> None:
        """Publish the next version of the tier rule."""
        self.enter(context, replace(fact, version=self._next(fact.effective_from)))

    @command(Role.ADMIN, name="publish_remedy_authority", stream=lambda _: REMEDY_AUTHORITY)
    def publish_remedy_authority(self, context: Context, fact: RemedyAuthorityPublished) -> None:
        """Publish the next version of the remedy authority."""
        roles = [limit.role for limit in fact.limits]
        for role in roles:
            DUPLICATE_LIMIT.refuse_if(roles.count(role) > 1, role=role)
        self.enter(context, replace(fact, version=self._next(fact.effective_from)))

    @command(Role.ADMIN, name="publish_service_targets", stream=lambda _: SERVICE_TARGETS)
    def publish_service_targets(self, context: Context, fact: ServiceTargetsPublished) -> None:
        """Publish the next version of the service targets."""
        self.enter(context, replace(fact, version=self._next(fact.effective_from)))

    @command(Role.ADMIN, name="publish_retention_periods", stream=lambda _: RETENTION_PERIODS)
    def publish_retention_periods(self, context: Context, fact: RetentionPeriodsPublished) -> None:
        """Publish the next version of the retention periods."""
        self.enter(context, replace(fact, version=self._next(fact.effective_from)))

    def _next(self, effective_from: datetime) -> int:
        last = self.effective_from
        TAKES_EFFECT_IN_PAST.refuse_if(last is not None and effective_from < last, last=last)
        return self.versions + 1


TierRule = Policy.TierRulePublished
RemedyAuthority = Policy.RemedyAuthorityPublished
ServiceTargets = Policy.ServiceTargetsPublished
RetentionPeriods = Policy.RetentionPeriodsPublished
POLICY_STREAMS: dict[type[Event], UUID] = {
    TierRule: TIER_RULE,
    RemedyAuthority: REMEDY_AUTHORITY,
    ServiceTargets: SERVICE_TARGETS,
    RetentionPeriods: RETENTION_PERIODS,
}
