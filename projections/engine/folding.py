"""Folding a run of entries into rows, whichever way entries and rows come and go."""

from collections.abc import Container, Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

from domain.event import Event

from .model import Fold, ReadModel, folds


class Step(NamedTuple):
    """One entry about to be folded by one handler into the row of one key."""

    key: Any
    fold: Fold
    entry: Event


def steps(model: type[ReadModel], entries: Iterable[Event]) -> Iterator[Step]:
    """What folding the entries takes, in order."""
    handlers = folds(model)
    for entry in entries:
        for fold in handlers.get(type(entry), ()):
            key = getattr(entry, fold.key)
            if key is not None:
                yield Step(key, fold, entry)


def fold_steps(
    model: type[ReadModel],
    rows: MutableMapping[Any, ReadModel],
    todo: Iterable[Step],
    anew: set[Any],
    left_out: Container[int] = (),
) -> None:
    """Fold every step into ``rows``, save for the entries at the positions ``left_out``.

    The keys in ``anew`` are passed over, since they have to be folded anew; a key whose fold raises joins them.
    """
    for key, fold, entry in todo:
        if key in anew or entry.position in left_out:
            continue
        row = rows.get(key)
        if row is None:
            if fold.amends:
                continue
            row = rows[key] = model(**{model.spec.key: key})
        try:
            fold.handle(row, entry)
        except Exception:  # noqa: BLE001  (whatever a fold raises, the other keys go on)
            anew.add(key)
