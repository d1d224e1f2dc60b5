"""Rows of a CSV file."""

import codecs
import csv
import io
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO

from ..faults import SourceError
from .row import LINE_MAX, Row, RowFile, Unreadable, damage_told


@contextmanager
def opened(name: str, plain: IO[bytes], done: Callable[[], int], encoding: str, delimiter: str) -> Iterator[RowFile]:
    """The rows of an open CSV file, its header read; raises :class:`SourceError` where there is no usable header."""
    # A byte that is no character is kept aside as half a one, so that it costs its row and not the rest of the file.
    codec = "utf-8-sig" if codecs.lookup(encoding).name == "utf-8" else encoding
    text = io.TextIOWrapper(plain, codec, errors="surrogateescape", newline="")
    try:
        lines = _Lines(text)
        parsed = partial(csv.reader, lines, delimiter=delimiter, strict=True)
        header = _header(name, parsed(), encoding)
        yield RowFile(header, headed=True, rows=_rows(name, lines, parsed, len(header)), done=done)
    finally:
        # The file below belongs to the caller, who closes it.
        text.detach()


def _header(name: str, reader: Iterator[list[str]], encoding: str) -> list[str]:
    with damage_told(name):
        try:
            header = next(reader, None)
        except csv.Error as error:
            raise SourceError(f"The header of {name} is not well-formed CSV: {error}.") from None
    if not header:
        raise SourceError(f"{name} is empty." if header is None else f"{name} begins with an empty line, not a header.")
    joined = "".join(header)
    if "\0" in joined or any("\udc80" <= character <= "\udcff" for character in joined):
        raise SourceError(f'{name} is not {encoding} text; set encoding = "…" under [file] in the mapping.')
    if twice := [column for column in header if header.count(column) > 1]:
        raise SourceError(f"The header of {name} names the column {twice[0]!r} twice; rename one.")
    return header


class _Lines:
    """The lines of a text, of which those that were read into a row that failed can be read once more."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self._again: deque[str] = deque()
        self.number = 0
        """How many lines were read."""
        self.held: list[str] = []
        """The lines read since :meth:`begin`."""

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = self._again.popleft() if self._again else self._text.readline(LINE_MAX)
        if not line:
            raise StopIteration
        self.number += 1
        self.held.append(line)
        return line

    def begin(self) -> int:
        """Begin a row; gives the number of its first line."""
        self.held = []
        return self.number + 1

    def give_back(self) -> str:
        """Have all held lines but the first one read again; gives the first."""
        first, *others = self.held
        self._again.extendleft(reversed(others))
        self.number -= len(others)
        return first


def _rows(
    name: str, lines: _Lines, parsed: Callable[[], Iterator[list[str]]], width: int
) -> Iterator[Row | Unreadable]:
    with damage_told(name):
        reader = parsed()
        while True:
            line = lines.begin()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                values, reason = [], f"not well-formed CSV: {error}"
            else:
                reason = f"{len(values)} values where the header has {width}"
                if len(values) == width:
                    yield Row(line, values)
                    continue
                if not values:
                    continue
            # A quote that was opened by mistake draws the lines after it into its row: they are rows of their own.
            several = len(lines.held) > 1
            first = lines.give_back()
            reader = parsed()
            yield Unreadable(line, f"{reason}; it opens a quote" if several else reason, first.rstrip("\r\n"))
