"""Folding in bulk: a stream of entries, from the first on, into the rows of many keys at once.

It gives the rows that :mod:`.folding` gives, in a fraction of the time: the handlers are looked up once for each
event type, and a row once for all the handlers that an entry meets in it.
"""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from operator import attrgetter
from typing import Any, NamedTuple
from uuid import UUID

from domain.event import Event

from .corrections import AMENDED, VOIDED, Corrections
from .folding import in_order
from .hints import optional
from .model import Fold, ReadModel, columns, folds

Handler = tuple[Callable[[Any, Any], None], bool, bool]
"""A handler, whether it only amends a row that is there, and whether it takes only the key's own entries."""


class Group(NamedTuple):
    """Handlers of one event type, next to one another, that find their row by the same field."""

    key: Callable[[Any], Any]
    handlers: tuple[Handler, ...]
    elsewhere: bool
    """Whether they change a row that another entry made, of a model that flows."""


class Bulk:
    """The rows of a model as far as its entries were folded, in the model's order.

    A model that flows is emptied as it goes: an entry that changes a row which is not there leaves its key to be folded
    anew.
    """

    def __init__(
        self, model: type[ReadModel], known: Corrections, until: datetime | None = None, *, begun: bool = False
    ) -> None:
        """Fold what counts by what is ``known``, and had happened by ``until`` where that is given.

        What was entered before may have ``begun`` rows that are not here.
        """
        self._begun = begun
        self._model, self._known, self._until = model, known, until
        self._of_streams = model.spec.flows and not model.spec.is_feed
        self._ordered = model.spec.order_by == "occurred_at"
        # Python hashes and compares its UUIDs in Python; their integers are found in half the time.
        self._by_int = optional(columns(model)[model.spec.key])[0] is UUID
        self._groups = {kind: _grouped(model, handlers) for kind, handlers in folds(model).items()}
        self._late = {kind: _grouped(model, _marking(handlers)) for kind, handlers in folds(model).items()}
        self._anew: dict[Any, Any] = {}
        self._rows: dict[Any, ReadModel] = {}
        self._settling: dict[Any, ReadModel] = {}

    def __len__(self) -> int:
        """How many rows were made or changed of late."""
        return len(self._rows)

    @property
    def anew(self) -> list[Any]:
        """The keys that have to be folded anew, each by itself: a fold raised, or the row was not there."""
        return list(self._anew.values())

    def take(self) -> list[ReadModel]:
        """The rows of all other keys; they are gone from here."""
        return [*self.settled(), *self.settled()]

    def settled(self) -> list[ReadModel]:
        """The rows that were not changed of late; they are gone from here. Those of a feed never change again."""
        if self._model.spec.is_feed:
            self._settling, self._rows = self._rows, {}
        rows, self._settling, self._rows = list(self._settling.values()), self._rows, {}
        self._begun = self._begun or bool(rows)
        return rows

    def fold(self, entries: Collection[Event]) -> None:
        """Fold the next entries."""
        seen = in_order(self._model, self._known.applied(self._model, entries))
        if self._until is None:
            self._fold(seen, self._groups)
            return
        for entry in seen:
            self._fold((entry,), self._late if entry.occurred_at > self._until else self._groups)

    def _fold(self, entries: Iterable[Event], groups: Mapping[type[Event], Sequence[Group]]) -> None:
        rows, by_int, ordered = self._rows, self._by_int, self._ordered
        for entry in entries:
            for key_of, handlers, elsewhere in groups.get(type(entry), ()):
                key = key_of(entry)
                if key is None:
                    continue
                mark = key.int if by_int else key
                row: Any = rows.get(mark)
                taking = handlers
                if row is None or elsewhere:
                    row, taking = self._row(handlers, key, mark, entry, elsewhere)
                try:
                    for handle, _, own in taking:
                        if not own or entry.stream_id == key:
                            handle(row, entry)
                            if ordered:
                                row.last_occurred_at = entry.occurred_at
                except Exception:  # noqa: BLE001  (whatever a fold raises, the other keys go on)
                    self._leave(key, mark)

    def _row(
        self, handlers: tuple[Handler, ...], key: Any, mark: Any, entry: Event, elsewhere: bool
    ) -> tuple[Any, tuple[Handler, ...]]:
        """The row of a key that is not at hand, or is of another entry, and the handlers that take the entry into it.

        There are none where there is no row, or the key is left to be folded anew.
        """
        if mark in self._anew:
            return None, ()
        row: Any = self._rows.get(mark)
        if row is None and (row := self._settling.pop(mark, None)) is not None:
            self._rows[mark] = row
        if elsewhere and (row is None or self._ordered):
            self._amend_elsewhere(key, mark, entry)
            return None, ()
        if row is not None:
            return row, handlers
        if self._begun and self._of_streams and entry.stream_version > 1:
            self._leave(key, mark)
            return None, ()
        for number, (_, amends, own) in enumerate(handlers):
            if not amends and (not own or entry.stream_id == key):
                row = self._rows[mark] = self._model(**{self._model.spec.key: key})
                return row, handlers[number:]
        return None, ()

    def _leave(self, key: Any, mark: Any) -> None:
        """Let a key be folded anew."""
        self._anew[mark] = key
        self._rows.pop(mark, None)

    def _amend_elsewhere(self, key: Any, mark: Any, entry: Event) -> None:
        """Let a key be folded anew, unless the entry corrects one of which the model has no row."""
        corrected = getattr(entry, "voided_type", None) or getattr(entry, "amended_type", None)
        if corrected is None or corrected in {kind.type_name for kind in folds(self._model)}:
            self._leave(key, mark)


def _grouped(model: type[ReadModel], handlers: Collection[Fold]) -> tuple[Group, ...]:
    groups: list[tuple[str, list[Handler]]] = []
    for handle, key, amends, own in handlers:
        if not groups or groups[-1][0] != key:
            groups.append((key, []))
        groups[-1][1].append((handle, amends, own))
    return tuple(Group(attrgetter(key), tuple(each), model.spec.flows and key != model.spec.by) for key, each in groups)


def _marking(handlers: Collection[Fold]) -> list[Fold]:
    """The handlers that mark corrected entries, which count whenever a correction was made."""
    return [fold for fold in handlers if fold.key in (VOIDED, AMENDED)]
