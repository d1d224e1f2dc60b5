"""The reject file: rows that could not be taken, each with its line and the reason, as CSV."""

import csv
import os
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path
from typing import IO

from .files.row import OURS, Row, Unreadable

LINE, REASON, RAW = f"{OURS}line", f"{OURS}reason", f"{OURS}row"


class Rejects:
    """Writes rejected rows to a file that is made with the first of them; :meth:`close` it."""

    def __init__(self, path: Path, columns: Sequence[str] | None) -> None:
        """Write to ``path``; ``columns`` are those of the file's header, ``None`` where it has none."""
        self.path, self.count = path, 0
        self._columns = [(n, name) for n, name in enumerate(columns or ()) if not name.startswith(OURS)]
        self._file: IO[str] | None = None

    def begin(self, kept: int) -> None:
        """Keep the first ``kept`` rows of the file an earlier run left, and drop what is after them.

        An interrupted run may have written more than it committed; those rows come again.
        """
        self.count = kept
        if not kept:
            self.path.unlink(missing_ok=True)
        elif self.path.exists():
            fresh = self.path.with_suffix(".part")
            with _opened(self.path, "r") as old, _opened(fresh, "w") as new:
                csv.writer(new).writerows(islice(csv.reader(old), kept + 1))
            fresh.replace(self.path)

    def add(self, rows: Sequence[Row | Unreadable], reason: str) -> None:
        """Write rows down with the reason why they were not taken."""
        self.count += len(rows)
        self._write([str(row.line), reason, *self._cells(row)] for row in rows)

    def keep(self) -> None:
        """Make sure that what was written outlives a crash."""
        if self._file:
            self._file.flush()
            os.fsync(self._file.fileno())

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()

    def _cells(self, row: Row | Unreadable) -> list[str]:
        if row.raw is not None:
            return [row.raw]
        assert isinstance(row, Row)
        return [row.values[n] for n, _ in self._columns]

    def _write(self, rows: Iterable[list[str]]) -> None:
        if self._file is None:
            begun = self.path.exists()
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = _opened(self.path, "a")
            if not begun:
                names = [name for _, name in self._columns] or [RAW]
                csv.writer(self._file).writerow([LINE, REASON, *names])
        csv.writer(self._file).writerows(rows)


def _opened(path: Path, mode: str) -> IO[str]:
    """Open a reject file, for its owner alone; bytes that are no UTF-8 are written back as they came."""
    return open(path, mode, encoding="utf-8", errors="surrogateescape", newline="", opener=_private)


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
