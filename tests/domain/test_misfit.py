"""What does not fit is told in words for people, with the place it stands at."""

from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
from msgspec import Meta, Struct

from domain.misfit import Misfit
from domain.purchase import Line
from domain.vocabulary import Currency, Instant, Name, Seconds, Tier

INSTANT = "must be an instant with its time zone, such as 2026-01-31T08:00:00Z"


class Form(Struct, forbid_unknown_fields=True):
    """One field of each kind."""

    name: Name
    seconds: Seconds | None = None
    currency: Currency | None = None
    at: Instant | None = None
    id: UUID | None = None
    tier: Tier | None = None
    lines: Annotated[list[Line], Meta(min_length=1, max_length=2)] | None = None
    share: Annotated[float, Meta(ge=0.5)] | None = None
    sure: bool = False
    columns: str | list[str] | None = None


@pytest.mark.parametrize(
    ("given", "path", "problem"),
    [
        ({"name": 7}, "name", "must be text, not a whole number"),
        ({"name": None}, "name", "must be text, not null"),
        ({"name": "x" * 201}, "name", "must have at most 200 characters"),
        ({"seconds": -1}, "seconds", "must be 0 or more"),
        ({"seconds": 2**31 + 1}, "seconds", "must be 2147483648 or less"),
        ({"seconds": 1.5}, "seconds", "must be a whole number"),
        ({"currency": "euro"}, "currency", "must match ^[A-Z]{3}$"),
        ({"at": "yesterday"}, "at", INSTANT),
        ({"at": "2026-01-01T00:00:00"}, "at", INSTANT),
        ({"id": "K-1"}, "id", "must be a UUID"),
        ({"tier": "tin"}, "tier", "cannot be 'tin'"),
        ({"lines": "tea"}, "lines", "must be a list, not text"),
        ({"lines": []}, "lines", "must have at least 1 items"),
        ({"lines": [{}]}, "lines[0].sku", "is missing"),
        ({"lines": [{"sku": "a", "quantity": True, "amount_minor": 1}]}, "lines[0].quantity",
         "must be a whole number, not true or false"),
        ({"share": 0.25}, "share", "must be 0.5 or more"),
        ({"sure": "yes"}, "sure", "must be true or false, not text"),
        ({"columns": 7}, "columns", "must be text or a list, not a whole number"),
        ({"colour": "red"}, "colour", "is not known here"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_told_in_words(given: dict[str, Any], path: str, problem: str) -> None:
    with pytest.raises(msgspec.ValidationError) as error:
        msgspec.convert({"name": "Ada"} | given, Form)

    assert Misfit.of(error.value) == (path, problem)
    assert Misfit.of(error.value).sentence == f"{path} {problem}"


def test_what_is_missing_or_is_nothing_of_the_kind_is_told_too() -> None:
    with pytest.raises(msgspec.ValidationError) as missing:
        msgspec.convert({}, Form)
    with pytest.raises(msgspec.ValidationError) as other:
        msgspec.convert([], Form)

    assert Misfit.of(missing.value) == ("name", "is missing")
    assert Misfit.of(other.value).sentence == "it must be an object of named values, not a list"


def test_a_sentence_that_is_not_known_is_not_lost() -> None:
    assert Misfit.of(msgspec.ValidationError("Odd - at `$.a`")) == ("a", "does not fit (Odd)")
