"""Parameters and figures that several metrics share."""

from datetime import datetime
from typing import Annotated

from msgspec import Meta

from domain.vocabulary import Currency

Money = Annotated[int, Meta(description="An amount in minor units of the currency.")]
Share = Annotated[
    float | None, Meta(description="A share of 1, rounded to six digits; null where nothing was counted.")
]
Count = Annotated[int, Meta(description="How many were counted.")]
Since = Annotated[
    Annotated[datetime, Meta(tz=True)] | None,
    Meta(description="From when on, inclusive; null means from the beginning."),
]
Until = Annotated[
    Annotated[datetime, Meta(tz=True)] | None,
    Meta(description="Until when, exclusive; never later than the instant of the answer."),
]
Instant = Annotated[datetime, Meta(tz=True, description="An instant, with its offset from UTC.")]
CurrencyCode = Currency
