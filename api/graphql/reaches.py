"""Reaches: which rows of which read models a plan needs, and as of when, so that no others are folded."""

from collections.abc import Mapping
from typing import NamedTuple

from projections.engine.concerned import HUBS

from .selection import Later


class Reach(NamedTuple):
    """Which rows of a read model a part of a plan needs: all of them, or those with certain values in a column."""

    model: str
    column: str | None
    moment: int | None = None
    """As of which of the plan's moments of the past; ``None`` for the rows as they stand."""
    given: Later | None = None
    """The one value, where the request gives it."""
    above: tuple[int, str] | None = None
    """Where the values come from otherwise: an earlier reach, by its number, and a column of its rows."""


def of_page(model: str, given: Mapping[str, Later], moment: int | None) -> Reach:
    """What a page needs with these filters: all rows, unless entries are found by what is filtered by."""
    for column, value in given.items():
        if column in HUBS:
            return Reach(model, column, moment, value)
    return Reach(model, None, moment)
