"""Access paths: the filters and orders of a page, each backed by an index the read model declares.

An index whose first column is an instant gives an order over all rows; any other gives a filter on its first column
and an order by the rest. The key comes last in every order, so that no two rows are equal in it. What has no index
cannot be asked for, so there is no slow question.
"""

from datetime import datetime
from functools import cache
from typing import NamedTuple

from domain.rule import Rule
from projections.engine.model import ReadModel, columns
from projections.engine.table import optional

from .names import camel

BAD_FILTER = Rule("BAD_FILTER", "{problem}")


class Path(NamedTuple):
    """One way to page through a model."""

    filter: str | None
    """The column that must equal a given value; all rows where there is none."""
    order: str
    """The column that orders the rows; the key where nothing else does."""


@cache
def paths(model: type[ReadModel]) -> tuple[Path, ...]:
    """The access paths of a model; the first one of a filter gives its usual order."""
    found: list[Path] = []
    key = model.spec.key
    if key == "position":
        found.append(Path(None, key))
    for first, *rest in model.spec.indexes:
        order = [column for column in rest if column != key]
        if len(order) > 1:
            continue
        if is_instant(model, first):
            found.append(Path(None, first))
        else:
            found.append(Path(first, order[0] if order else key))
    if not any(path.filter is None for path in found):
        found.insert(0, Path(None, key))
    return tuple(dict.fromkeys(found))


def is_instant(model: type[ReadModel], column: str) -> bool:
    """Whether a column holds instants."""
    return optional(columns(model)[column])[0] is datetime


def nullable(model: type[ReadModel], column: str) -> bool:
    """Whether a column may be null."""
    return optional(columns(model)[column])[1]


def filters(model: type[ReadModel]) -> list[str]:
    """The columns a page can be filtered by, one at a time."""
    return list(dict.fromkeys(path.filter for path in paths(model) if path.filter))


def orders(model: type[ReadModel]) -> list[str]:
    """The columns a page can be ordered by."""
    return list(dict.fromkeys(path.order for path in paths(model)))


def choose(model: type[ReadModel], given: list[str], order: str | None) -> Path:
    """The path for the filters given and the order asked for; refuses ``BAD_FILTER`` where no index backs it."""
    if len(given) > 1:
        BAD_FILTER.refuse(problem=f"Give one of {', '.join(map(camel, given))}, not several; no index backs them all.")
    wanted = given[0] if given else None
    backed = [path for path in paths(model) if path.filter == wanted]
    for path in backed:
        if order in (None, path.order):
            return path
    known = ", ".join(path.order.upper() for path in backed)
    what = f"With {camel(wanted)}" if wanted else "Without a filter"
    return BAD_FILTER.refuse(problem=f"{what}, rows come in the order {known} only; no index backs another.")
