"""A trial of a mapping on a file: what fits no row is a fault of the mapping, told once and not with each row.

Nothing is written. In most files the trial ends after the first rows; it only goes on where a part of the mapping has
fitted none of them so far.
"""

from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import NoReturn

from domain.aggregate import SKEW

from .binding import key_of
from .drafting import CUSTOMER, SOURCES, Circumstances, Drafter
from .faults import SourceError, Unfit
from .files.row import Row, RowFile
from .mapping import NamedMapping, Value, columns_in
from .records import Grouping, Item, Unusable
from .values import Table

ROWS_MIN = 1_000
"""Why: read in some 20 ms, and most kinds of rows are among them."""
MISFITS_MIN = 20
"""Why: fewer rows can be looked at one by one, and be wrong by themselves."""
RECORD = -1
"""The part of a mapping that says what a record is."""


class _Part:
    """How a part of the mapping fared."""

    def __init__(self) -> None:
        self.fits = False
        self.misfits: Counter[str | None] = Counter()
        """How often it did not fit, by the place at fault."""
        self.first: dict[str | None, str] = {}
        """Why it did not fit first, by the same."""

    @property
    def place(self) -> str | None:
        """The place most often at fault."""
        [(place, _)] = self.misfits.most_common(1)
        return place

    def take(self, unfit: Unfit | None) -> None:
        """Count a record."""
        if unfit is None:
            self.fits = True
        else:
            self.misfits[unfit.place] += 1
            self.first.setdefault(unfit.place, str(unfit))


class Trial:
    """One trial over one file."""

    def __init__(self, named: NamedMapping, file: RowFile) -> None:
        """Ready to try a mapping on an open file; raises :class:`SourceError` where it asks for a missing column."""
        self._named, self._file = named, file
        table = Table(named, {column: n for n, column in enumerate(file.columns)})
        self._grouping = Grouping(table)
        self._drafter = Drafter(table, Circumstances(SOURCES, datetime.now(UTC) + SKEW))
        self._parts: dict[int, _Part] = {}
        self._filled: set[int] = set()
        """The columns in which something stands."""

    def run(self) -> None:
        """Try rows; raises :class:`SourceError` for a part of the mapping that fits none of those it is for."""
        # What is damaged further on is told by the import, once what comes before it was entered.
        with suppress(SourceError):
            self._try()
        for number in sorted(self._parts):
            if self._is_at_fault(number):
                self._tell(number)

    def _try(self) -> None:
        tried = 0
        for item in self._grouping.items(self._file.rows):
            tried += len(item.rows)
            for row in item.rows:
                if isinstance(row, Row):
                    self._filled.update(n for n, text in enumerate(row.values) if text)
            for number, unfit in self._attempts(item):
                self._parts.setdefault(number, _Part()).take(unfit)
            if tried >= ROWS_MIN and not any(self._is_at_fault(number) for number in self._parts):
                return

    def _attempts(self, item: Item) -> Iterator[tuple[int, Unfit | None]]:
        if not isinstance(item, Unusable):
            yield RECORD, None
            yield from self._drafter.attempts(item.key, item.values)
        elif isinstance(item.rows[0], Row):
            yield RECORD, Unfit(item.reason)

    def _is_at_fault(self, number: int) -> bool:
        """Whether a part has fitted no record, and that is not the fault of some records themselves."""
        part = self._parts[number]
        if part.fits:
            return False
        _, columns = self._place(number)
        return part.misfits[part.place] >= MISFITS_MIN or (bool(columns) and self._missing(columns) == columns)

    def _missing(self, columns: list[str]) -> list[str]:
        """Those of the columns that the file does not have; of a file with a header it was told before."""
        return [column for column in columns if column not in self._there()]

    def _there(self) -> list[str]:
        """The columns of the file."""
        columns = self._file.columns
        return columns if self._file.headed else [column for n, column in enumerate(columns) if n in self._filled]

    def _place(self, number: int) -> tuple[str, list[str]]:
        """The key of the mapping at fault, and the columns it takes."""
        place, mapping = self._parts[number].place, self._named.mapping
        values: dict[str, str | Value | None]
        if number == RECORD:
            return "record", columns_in(mapping.record.group_by) + columns_in(mapping.record.id)
        if number == CUSTOMER:
            assert mapping.customer is not None
            key, values = "customer", {"reference": mapping.customer.reference, **mapping.customer.fields}
        else:
            form = mapping.event[number - 1]
            key = key_of(number, form)
            if place == "occurred_at" and form.occurred_at is None:
                return place, columns_in(mapping.occurred_at)
            if place in ("occurred_at", "stream"):
                return f"{key}, {place}", columns_in(form.occurred_at if place == "occurred_at" else form.stream)
            values = {"currency": mapping.currency, **form.fields}
        return f"{key}, fields.{place}" if place else key, columns_in(values.get(place or ""))

    def _tell(self, number: int) -> NoReturn:
        key, columns = self._place(number)
        part, missing = self._parts[number], self._missing(columns)
        taken = f" from {_listed(columns)}" if columns else ""
        lacking = f"no column {_listed(missing)}; it has " if missing else ""
        self._named.wrong(
            key,
            f"it cannot be taken{taken} in any of {part.misfits[part.place]} records, the first because"
            f" {part.first[part.place]}; nothing was imported. The file has {lacking}{', '.join(self._there())}.",
        )


def _listed(columns: list[str]) -> str:
    return " and ".join(map(repr, columns))
