"""The parameters of a simulated world: its size, its span, and the rates by which it is generated."""

import calendar
from datetime import UTC, datetime, timedelta
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec

from domain.rule import INVALID_INPUT

from ..money import CURRENCIES

DAY = 86_400
"""Seconds of a day; the world counts its time in seconds since its start."""
YEAR = 365 * DAY
"""Seconds of a year, for rates."""

Share = Annotated[float, msgspec.Meta(ge=0, le=1)]
PerYear = Annotated[float, msgspec.Meta(ge=0, le=100)]


class Handling(Enum):
    """How a complaint is handled; the classes of domain row 40, the last one split by the promised time."""

    UNACKNOWLEDGED = "unacknowledged"
    REGISTERED = "registered"
    ACCEPTED_LATE = "accepted_late"
    ACCEPTED_IN_TIME = "accepted_in_time"


class World(msgspec.Struct, frozen=True, kw_only=True):
    """Everything a simulated world is made from; the same parameters always give the same world.

    Shares and probabilities are between 0 and 1. A value out of its range is refused as ``INVALID_INPUT``.
    """

    until: datetime
    """The instant at which the world ends; nothing happens after it."""
    customers: Annotated[int, msgspec.Meta(ge=1, le=10_000_000)] = 1_000
    """How many customers live in the world."""
    months: Annotated[int, msgspec.Meta(ge=1, le=240)] = 24
    """How many calendar months before its end the world begins."""
    seed: Annotated[int, msgspec.Meta(ge=0, le=2**63 - 1)] = 1
    """What the world is drawn from; another seed gives another world."""
    currency: Annotated[str, msgspec.Meta(pattern=r"^[A-Z]{3}\Z")] = "EUR"
    """The currency of purchases and remedies, by its ISO 4217 code."""

    follow_up_days: Annotated[int, msgspec.Meta(ge=30, le=730)] = 180
    """H: for how many days after a complaint a purchase counts as staying."""
    complaint_share: Share = 0.30
    """The share of customers who complain, each once and after a purchase."""
    recent_complaint_share: Share = 0.05
    """The share of complaints that may come so late that H days have not passed by the world's end."""
    unacknowledged_share: Share = 0.25
    """The share of complaints that are never acknowledged (class U)."""
    registered_share: Share = 0.30
    """The share of complaints that are acknowledged without a solution the customer accepts (class R)."""
    in_time_share: Share = 0.60
    """Of the complaints with an accepted solution (class S), the share resolved within the promised time."""
    retained_unacknowledged: Share = 0.10
    """The probability that a customer buys within H days after a complaint of class U."""
    retained_registered: Share = 0.20
    """The probability that a customer buys within H days after a complaint of class R."""
    retained_accepted_late: Share = 0.54
    """The probability that a customer buys within H days after a complaint of class S resolved late."""
    retained_accepted_in_time: Share = 0.54
    """The probability that a customer buys within H days after a complaint of class S resolved in time."""
    retained_without_complaint: Share = 0.75
    """The probability that a customer who never complains and has bought before buys in the world's last H days."""

    purchases_per_year: PerYear = 4.0
    """How often the median customer buys in a year, while they stay."""
    spending_spread: Annotated[float, msgspec.Meta(ge=0, le=3)] = 1.65
    """The spread (sigma of the logarithm) of spending; the default gives some 80 % to the top 20 %."""
    return_share: Share = 0.07
    """The share of purchases of which something comes back."""
    unmatched_return_share: Share = 0.015
    """The share of purchases after which something comes back that names no purchase."""
    touchpoints_per_year: PerYear = 3.0
    """How many contacts a customer has in a year beside those of their cases."""
    other_cases_per_year: PerYear = 0.3
    """How many requests, suggestions, feedback and compliments a customer brings in a year."""
    remedy_share: Share = 0.60
    """The share of handled complaints for which a remedy is offered."""
    above_authority_share: Share = 0.30
    """The share of remedies that are above the agent's authority and need an approval."""
    remedy_refused_share: Share = 0.25
    """The share of approvals asked for that the supervisor refuses."""
    reopened_share: Share = 0.10
    """The share of settled cases, other than complaints resolved in time, that are reopened."""

    def __post_init__(self) -> None:
        """Refuse what is out of range, with the parameter's name, and bring equal values to one form."""
        for name, hint in _limited(type(self)).items():
            msgspec.structs.force_setattr(self, name, _checked(name, getattr(self, name), hint))
        handled_badly = self.unacknowledged_share + self.registered_share
        INVALID_INPUT.refuse_if(
            handled_badly > 1,
            problem="unacknowledged_share and registered_share must not exceed 1 together; lower one of them.",
        )
        INVALID_INPUT.refuse_if(
            self.currency not in CURRENCIES,
            problem=f"currency must be a code of ISO 4217, such as EUR or JPY, not {self.currency!r}.",
        )
        INVALID_INPUT.refuse_if(self.until.tzinfo is None, problem="until needs a time zone; give it in UTC.")
        INVALID_INPUT.refuse_if(
            not 1950 <= self.until.year <= 9000, problem=f"until must lie in the years 1950 to 9000, not {self.until}."
        )
        msgspec.structs.force_setattr(self, "until", self.until.astimezone(UTC))

    @property
    def start(self) -> datetime:
        """The world's first instant: the end, so many calendar months before."""
        end = self.until
        year, month = divmod(end.year * 12 + end.month - 1 - self.months, 12)
        return end.replace(year=year, month=month + 1, day=min(end.day, calendar.monthrange(year, month + 1)[1]))

    @property
    def length(self) -> int:
        """How long the world lasts, in seconds."""
        return (self.until - self.start) // timedelta(seconds=1)

    @property
    def follow_up(self) -> int:
        """H in seconds."""
        return self.follow_up_days * DAY

    def retained(self, handling: Handling) -> float:
        """The probability that a customer stays after a complaint so handled."""
        rate: float = getattr(self, f"retained_{handling.value}")
        return rate


def _checked(name: str, value: Any, hint: Any) -> Any:
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError:
        limits = get_args(hint)[1]
        wanted = "a code of three capitals" if limits.ge is None else f"from {limits.ge:,} to {limits.le:,}"
        INVALID_INPUT.refuse(problem=f"{name} must be {wanted.replace(',', ' ')}, not {value!r}.")


@cache
def _limited(world: type[World]) -> dict[str, Any]:
    hints = get_type_hints(world, include_extras=True).items()
    return {name: hint for name, hint in hints if get_origin(hint) is Annotated}
