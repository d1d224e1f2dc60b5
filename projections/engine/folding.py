"""Folding a run of entries into rows, whichever way entries and rows come and go."""

from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
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

    @property
    def begins(self) -> bool:
        """Whether the entry is the first of the very stream that is the key, and may make the row."""
        return self.entry.stream_version == 1 and not self.fold.amends and self.entry.stream_id == self.key


def in_order(model: type[ReadModel], entries: Iterable[Event]) -> Iterable[Event]:
    """The entries, given by position, in the order in which the model folds them."""
    if model.spec.order_by == "position":
        return entries
    return sorted(entries, key=attrgetter("occurred_at"))


def steps(model: type[ReadModel], entries: Iterable[Event], until: datetime | None = None) -> Iterator[Step]:
    """What folding the entries takes, in the model's order.

    With ``until`` what happened later is left out, save that corrections are marked whenever they were made.
    """
    handlers = _handlers(model)
    for entry in in_order(model, entries):
        late = until is not None and entry.occurred_at > until
        for key_of, fold in handlers.get(type(entry), ()):
            if late and fold.key not in (VOIDED, AMENDED):
                continue
            key = key_of(entry)
            if key is not None and not (fold.own and entry.stream_id != key):
                # Half the time that the named way takes, for the most frequent thing of all.
                yield tuple.__new__(Step, (key, fold, entry))


def _handlers(model: type[ReadModel]) -> Mapping[type[Event], Sequence[tuple[Callable[[Any], Any], Fold]]]:
    """The handlers of a model by event class, each with the function that gives the key from an entry."""
    return {kind: [(attrgetter(fold.key), fold) for fold in each] for kind, each in folds(model).items()}


def taken(model: type[ReadModel], row: ReadModel | None, step: Step) -> ReadModel | None:
    """The row of a step's key with the step folded into it; ``None`` where there still is none.

    Raises whatever the handler raises.
    """
    if row is None:
        if step.fold.amends:
            return None
        row = model(**{model.spec.key: step.key})
    fold_into(row, step)
    return row


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
        key = step.key
        if anew and key in anew:
            continue
        row = rows.get(key)
        if ordered and _late(row, step):
            anew.add(key)
            continue
        try:
            made = taken(model, row, step)
        except Exception:  # noqa: BLE001  (whatever a fold raises, the other keys go on)
            anew.add(key)
        else:
            if row is None and made is not None:
                rows[key] = made


def _late(row: Any, step: Step) -> bool:
    """Whether entries that were entered before this one may have to be folded after it."""
    if row is not None:
        return bool(step.entry.occurred_at < row.last_occurred_at)
    # Nothing can have spoken of a stream before it began; otherwise an earlier entry may have found no row to change.
    return not step.fold.amends and not step.begins
