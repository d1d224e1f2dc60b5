"""Access paths: the filters and orders of a page, each backed by an index the read model declares.

The columns of an index before the first instant or number are filters to be given together; the one that follows them,
or else the key, gives the order. An index whose first column is an instant gives an order over all rows. The key comes
last in every order, so that no two rows are equal in it. What has no index cannot be asked for, so there is no slow
question.
"""

from collections.abc import Sequence
from datetime import datetime
from difflib import get_close_matches
from functools import cache
from itertools import takewhile
from typing import NamedTuple

from domain.event import events, marked
from domain.rule import Rule
from projections.engine.hints import optional
from projections.engine.model import ReadModel, columns

from .names import camel

BAD_FILTER = Rule("BAD_FILTER", "{problem}")


class Path(NamedTuple):
    """One way to page through a model."""

    filters: tuple[str, ...]
    """The columns that must equal given values; all rows where there are none."""
    order: str
    """The column that orders the rows; the key where nothing else does."""


@cache
def paths(model: type[ReadModel]) -> tuple[Path, ...]:
    """The access paths of a model; the first one of some filters gives their usual order."""
    found: list[Path] = []
    key = model.spec.key
    if key == "position":
        found.append(Path((), key))
    for index in model.spec.indexes:
        named = [column for column in index if column != key]
        filtering = _filtering(model, named)
        order = named[len(filtering) :] or [key]
        if len(order) == 1:
            found.append(Path(filtering, order[0]))
    if not any(path.filters == () for path in found):
        found.insert(0, Path((), key))
    return tuple(dict.fromkeys(found))


def _filtering(model: type[ReadModel], named: list[str]) -> tuple[str, ...]:
    """The columns of an index that are filters."""
    if not named or is_instant(model, named[0]):
        return ()
    hints = columns(model)
    return (named[0], *takewhile(lambda column: optional(hints[column])[0] not in (datetime, int), named[1:]))


def is_instant(model: type[ReadModel], column: str) -> bool:
    """Whether a column holds instants."""
    return optional(columns(model)[column])[0] is datetime


def nullable(model: type[ReadModel], column: str) -> bool:
    """Whether a column may be null."""
    return optional(columns(model)[column])[1]


def combinations(model: type[ReadModel]) -> list[tuple[str, ...]]:
    """The columns a page can be filtered by, each with those that are given together with it."""
    return list(dict.fromkeys(path.filters for path in paths(model) if path.filters))


def filters(model: type[ReadModel], beside: str | None = None) -> list[str]:
    """The columns a page can be filtered by, alone or together, or those it can be filtered by beside another."""
    found = [given for given in combinations(model) if beside is None or beside in given]
    return list(dict.fromkeys(column for given in found for column in given if column != beside))


def names_events(model: type[ReadModel], column: str) -> bool:
    """Whether a column holds the names of events."""
    return marked(columns(model)[column], "event")


def refuse_unknown_event(name: str) -> None:
    """Refuse ``BAD_FILTER`` for what is no event's name, with the names that were probably meant."""
    if name in events():
        return
    named = {known.lower(): known for known in events()}
    close = [named[found] for found in get_close_matches(name.lower(), named)]
    meant = f"Did you mean {' or '.join(close)}?" if close else "The description of this argument names them all."
    BAD_FILTER.refuse(problem=f"There is no event {name!r:.60}. {meant}")


def choose(model: type[ReadModel], given: list[str], order: str | None) -> Path:
    """The path for the filters given and the order asked for; refuses ``BAD_FILTER`` where no index backs it."""
    backed = [path for path in paths(model) if set(path.filters) == set(given)]
    if not backed:
        known = "; ".join(map(_named, combinations(model)))
        both = " together" if len(given) > 1 else ""
        BAD_FILTER.refuse(problem=f"No index is there for {_named(given)}{both}; filter by one of: {known}.")
    for path in backed:
        if order in (None, path.order):
            return path
    known = ", ".join(path.order.upper() for path in backed)
    what = f"With {_named(given)}" if given else "Without a filter"
    return BAD_FILTER.refuse(problem=f"{what}, rows come in the order {known} only; no index backs another.")


def _named(given: Sequence[str]) -> str:
    """Some filters for people to read."""
    return " and ".join(map(camel, given))
