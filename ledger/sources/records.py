"""Rows made into records: one by one, or several that belong together, as the lines of an invoice do."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import NamedTuple

from .files.row import Row, Unreadable, unsound
from .mapping import columns_of
from .values import Table, Values, key_text

GROUP_WINDOW = 1_000
"""Why: rows of one group may be parted by those of a few others, as when two tills write one file; with more of them
between, a group is complete."""
GROUP_ROWS_MAX = 10_000
"""Why: five times the longest list an event may hold; a group that goes on has the wrong columns."""
HELD_ROWS_MAX = 100_000
"""Why: some 100 MB; groups are given out in the order of their first rows, so one that never ends holds up all."""


class Record(NamedTuple):
    """One or more rows that tell of one thing outside."""

    key: str
    """What it is known by; empty while it is known by its content alone."""
    rows: Sequence[Row]

    @property
    def values(self) -> list[Values]:
        """The rows' values."""
        return [row.values for row in self.rows]


class Unusable(NamedTuple):
    """Rows that make no record."""

    rows: Sequence[Row | Unreadable]
    reason: str


Item = Record | Unusable


class Grouping:
    """How the rows of a file make records."""

    def __init__(self, table: Table) -> None:
        """Bind a mapping's ``[record]`` to a file's columns; raises :class:`SourceError` where they do not fit."""
        form = table.named.mapping.record
        self._columns = columns_of(form.group_by)
        names = columns_of(form.id) or self._columns
        self.grouped, self.named = bool(self._columns), bool(names)
        self._group = key_text(self._columns, table, "record.group_by") if self._columns else None
        self._id = key_text(names, table, "record.id") if names else None
        self._names = " and ".join(names)

    def items(self, rows: Iterable[Row | Unreadable]) -> Iterator[Item]:
        """The records and what is none, each group in the place of its first row."""
        return self._groups(rows, self._group) if self._group else self._singles(rows)

    def late(self, key: str) -> str:
        """Why a group that comes a second time cannot be taken."""
        columns = " and ".join(self._columns)
        return f"{key} came before, more than {GROUP_WINDOW} rows ago; sort the file by {columns}"

    def _singles(self, rows: Iterable[Row | Unreadable]) -> Iterator[Item]:
        for row in rows:
            if isinstance(row, Unreadable):
                yield Unusable([row], row.reason)
            elif reason := unsound(row):
                yield Unusable([row], reason)
            else:
                yield self._record([row])

    def _groups(self, rows: Iterable[Row | Unreadable], group_of: Callable[[Values], str]) -> Iterator[Item]:
        open_groups: dict[str, list[Row]] = {}
        joined: dict[str, int] = {}
        held = 0
        for number, row in enumerate(rows):
            if isinstance(row, Unreadable):
                yield Unusable([row], row.reason)
                continue
            if reason := unsound(row):
                yield Unusable([row], reason)
                continue
            key = group_of(row.values)
            if not key:
                yield Unusable([row], f"{' and '.join(self._columns)} is blank, so it belongs to no record")
                continue
            group = open_groups.setdefault(key, [])
            if len(group) == GROUP_ROWS_MAX:
                yield Unusable([row], f"{key} has more than {GROUP_ROWS_MAX} rows")
                continue
            group.append(row)
            joined[key] = number
            held += 1
            while open_groups:
                oldest = next(iter(open_groups))
                if joined[oldest] + GROUP_WINDOW >= number and held <= HELD_ROWS_MAX:
                    break
                complete = open_groups.pop(oldest)
                del joined[oldest]
                held -= len(complete)
                yield self._record(complete)
        for complete in open_groups.values():
            yield self._record(complete)

    def _record(self, rows: Sequence[Row]) -> Item:
        if self._id is None:
            return Record("", rows)
        key = self._id(rows[0].values)
        return Record(key, rows) if key else Unusable(rows, f"{self._names} is blank, so it has no id")
