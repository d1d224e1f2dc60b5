"""Folding a run of entries into rows, whichever way entries and rows come and go."""

from collections.abc import Iterable, Iterator, MutableMapping
from typing import Any, NamedTuple

from psycopg import Connection

from domain.event import Event

from .model import Fold, ReadModel, folds
from .quarantine import Quarantine


class Step(NamedTuple):
    """One entry about to be folded by one handler into the row of one key."""

    key: Any
    fold: Fold
    entry: Event


def steps(model: type[ReadModel], entries: Iterable[Event], after: int = 0) -> Iterator[Step]:
    """What folding the entries after a position takes, in order."""
    handlers = folds(model)
    for entry in entries:
        if entry.position > after:
            for fold in handlers.get(type(entry), ()):
                key = getattr(entry, fold.key)
                if key is not None:
                    yield Step(key, fold, entry)


def fold_steps(
    connection: Connection[Any],
    model: type[ReadModel],
    rows: MutableMapping[Any, ReadModel],
    todo: Iterable[Step],
    quarantine: Quarantine,
) -> None:
    """Fold every step into ``rows``; a key that fails goes into quarantine with the row it had before."""
    for key, fold, entry in todo:
        if quarantine.holds(key):
            continue
        row = rows.get(key)
        if row is None:
            if fold.amends:
                continue
            row = rows[key] = model(**{model.spec.key: key})
        try:
            fold.handle(row, entry)
        except Exception as error:  # noqa: BLE001  (whatever a fold raises, the other keys go on)
            before = quarantine.set_aside(connection, key, entry, error)
            del rows[key]
            if before is not None:
                rows[key] = before
