"""Folding a run of entries into rows, whichever way entries and rows come and go."""

from collections.abc import Iterable, Iterator, MutableMapping
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple

from domain.event import Event

from .corrections import AMENDED, VOIDED
from .model import LAST, Fold, ReadModel, folds


class Step(NamedTuple):
    """One entry about to be folded by one handler into the row of one key."""

    key: Any
    fold: Fold
    entry: Event


def in_order(model: type[ReadModel], entries: Iterable[Event]) -> Iterable[Event]:
    """The entries, given by position, in the order in which the model folds them."""
    if model.spec.order_by == "position":
        return entries
    return sorted(entries, key=attrgetter("occurred_at"))


def steps(model: type[ReadModel], entries: Iterable[Event], until: datetime | None = None) -> Iterator[Step]:
    """What folding the entries takes, in the model's order.

    With ``until`` what happened later is left out, save that corrections are marked whenever they were made.
    """
    handlers = folds(model)
    for entry in in_order(model, entries):
        late = until is not None and entry.occurred_at > until
        for fold in handlers.get(type(entry), ()):
            if late and fold.key not in (VOIDED, AMENDED):
                continue
            key = getattr(entry, fold.key)
            if key is not None and not (fold.own and entry.stream_id != key):
                yield Step(key, fold, entry)


def take(model: type[ReadModel], rows: MutableMapping[Any, ReadModel], step: Step) -> None:
    """Fold one step into the row of its key; raises whatever the handler raises."""
    row = rows.get(step.key)
    if row is not None:
        fold_into(row, step)
    elif not step.fold.amends:
        row = rows[step.key] = model(**{model.spec.key: step.key})
        fold_into(row, step)


def fold_into(row: ReadModel, step: Step) -> None:
    """Fold one step into a row that is there; raises whatever the handler raises."""
    step.fold.handle(row, step.entry)
    if row.spec.order_by == "occurred_at":
        setattr(row, LAST, step.entry.occurred_at)


def fold_steps(
    model: type[ReadModel], rows: MutableMapping[Any, ReadModel], todo: Iterable[Step], anew: set[Any]
) -> None:
    """Fold every step into ``rows``, which hold what was folded of their keys before.

    The keys in ``anew`` are passed over, since they have to be folded anew; a key whose fold raises joins them, and
    one whose entry comes late in the model's order.
    """
    ordered = model.spec.order_by == "occurred_at"
    for step in todo:
        if step.key in anew:
            continue
        if ordered and _late(rows.get(step.key), step):
            anew.add(step.key)
            continue
        try:
            take(model, rows, step)
        except Exception:  # noqa: BLE001  (whatever a fold raises, the other keys go on)
            anew.add(step.key)


def _late(row: Any, step: Step) -> bool:
    """Whether entries that were entered before this one may have to be folded after it."""
    if row is not None:
        return bool(step.entry.occurred_at < row.last_occurred_at)
    # Nothing can have spoken of a stream before it began; otherwise an earlier entry may have found no row to change.
    return not step.fold.amends and not (step.entry.stream_id == step.key and step.entry.stream_version == 1)
