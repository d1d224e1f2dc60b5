"""Rows of a CSV file."""

import codecs
import csv
import io
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
        held: list[str] = []
        reader = csv.reader(_lines(text, held), delimiter=delimiter, strict=True)
        header = _header(name, reader, encoding)
        yield RowFile(header, headed=True, rows=_rows(name, reader, len(header), held), done=done)
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


def _lines(text: io.TextIOWrapper, held: list[str]) -> Iterator[str]:
    """The lines of a text, each also put into ``held``."""
    for line in iter(partial(text.readline, LINE_MAX), ""):
        held.append(line)
        yield line


def _rows(name: str, reader: Iterator[list[str]], width: int, held: list[str]) -> Iterator[Row | Unreadable]:
    with damage_told(name):
        while True:
            line = reader.line_num + 1  # type: ignore[attr-defined]
            held.clear()
            try:
                values = next(reader)
            except StopIteration:
                return
            except csv.Error as error:
                yield Unreadable(line, f"not well-formed CSV: {error}", "".join(held))
                continue
            if len(values) == width:
                yield Row(line, values)
            elif values:
                reason = f"{len(values)} values where the header has {width}"
                yield Unreadable(line, reason, "".join(held).rstrip("\r\n"))
