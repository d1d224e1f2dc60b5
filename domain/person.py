"""A person: on what ground their data is used, and what an erasure finds held in their name or must leave."""

from __future__ import annotations

from datetime import datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, NoReturn
from uuid import UUID

from msgspec import Struct

from .event import EPOCH
from .policy import RetentionPeriods
from .rule import Rule

if TYPE_CHECKING:
    from .customer import Customer

HELD = Rule("ERASURE_HELD", "A legal hold runs: {holds}; it must be released before the person can be forgotten.")
RETAINED = Rule(
    "ERASURE_RETAINED",
    "The {what} {id} must be kept until {until} by {duty}; erase the customer after that.",
)
BACKDATED = Rule(
    "ERASURE_BACKDATED",
    "An erasure happens when it is asked for, by the rules of now; leave occurredAt out.",
    field="occurredAt",
)
ERASED = Rule("PERSON_ERASED", "The person was erased; nothing more that is personal can be recorded in their name.")

DEFAULTS = RetentionPeriods(effective_from=EPOCH)
"""What is kept where no retention policy was published: complaints for three years, by FCA DISP 1.9.1R."""


class LegalBasis(StrEnum):
    """On what ground personal data is processed, in the terms of GDPR article 6."""

    CONSENT = "consent"
    """The person agreed."""
    CONTRACT = "contract"
    """A contract with the person needs it."""
    LEGAL_OBLIGATION = "legal_obligation"
    """The law obliges us to."""
    VITAL_INTERESTS = "vital_interests"
    """Somebody's life depends on it."""
    PUBLIC_TASK = "public_task"
    """A task in the public interest needs it."""
    LEGITIMATE_INTERESTS = "legitimate_interests"
    """Our interests, or another's, outweigh the person's."""


class RelationshipPart(StrEnum):
    """What part a person has in the business of a customer."""

    PAYER = "payer"
    """Pays for what is bought."""
    DECISION_MAKER = "decision_maker"
    """Decides what is bought."""
    BENEFICIARY = "beneficiary"
    """Has the use of what is bought."""


class Hold(Struct, frozen=True, kw_only=True):
    """A legal hold that runs."""

    reference: str
    reason: str
    since: datetime


class Matter(Struct, frozen=True, kw_only=True):
    """Something that may have to be kept for a time."""

    what: str
    """complaint, case or purchase."""
    id: UUID
    since: datetime


class Person(Struct, frozen=True, kw_only=True):
    """Everything held in the name of one customer and of those merged into it, as far as an erasure asks for it.

    A parameter of a command that is typed so receives it, and the command is done while nobody else can enter
    anything.
    """

    absorbed: list[Customer] = []
    """The customers that were merged into it."""
    streams: list[UUID] = []
    """What has a key of its own, since it was recorded before the customer was known."""
    sealed: list[str] = []
    """What is sealed with their keys, such as Case.Opened.description."""
    holds: list[Hold] = []
    matters: list[Matter] = []

    def refuse_while_kept(self, retention: RetentionPeriods | None, at: datetime) -> None:
        """Refuse while a legal hold runs, or something must be kept beyond an instant by the policy in force."""
        HELD.refuse_if(self.holds, holds="; ".join(map(_told, self.holds)))
        periods = retention or DEFAULTS
        kept = [(until, matter) for matter in self.matters if (until := _until(matter, periods)) > at]
        if kept:
            _refuse(retention, *max(kept, key=lambda each: each[0]))


def _refuse(retention: RetentionPeriods | None, until: datetime, matter: Matter) -> NoReturn:
    duty = (
        f"version {retention.version} of the retention periods"
        if retention
        else "the three years that complaints are kept where no retention periods are published (DISP 1.9.1R)"
    )
    RETAINED.refuse(what=matter.what, id=matter.id, until=until.isoformat(), duty=duty)


def _told(hold: Hold) -> str:
    return f"{hold.reference} since {hold.since.date()} ({hold.reason})"


def _until(matter: Matter, periods: RetentionPeriods) -> datetime:
    months = {"complaint": periods.complaint_months, "purchase": periods.purchase_months}
    return months_after(matter.since, months.get(matter.what, periods.case_months))


def months_after(at: datetime, months: int) -> datetime:
    """The same time so many calendar months later, on the last day of a month that has no such day."""
    year, month = divmod(at.year * 12 + at.month - 1 + months, 12)
    first = at.replace(year=year, month=month + 1, day=1)
    last = (first.replace(day=28) + timedelta(days=4)).replace(day=1) - timedelta(days=1)
    return first.replace(day=min(at.day, last.day))
