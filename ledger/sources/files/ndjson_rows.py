"""Rows of a file with one JSON object to a line."""

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import IO, Any

import msgspec

from ..faults import SourceError
from .row import LINE_MAX, Row, RowFile, Unreadable, as_text, damage_told

COLUMNS_MAX = 2_000
"""Why: above PostgreSQL's own limit for a table; a file with more keys uses them as values."""
BOM = b"\xef\xbb\xbf"

# Numbers stay texts, since a float would lose digits of an amount.
_decode = msgspec.json.Decoder(dict[str, Any], float_hook=str).decode


def opened(name: str, plain: IO[bytes], done: Callable[[], int], wanted: Sequence[str]) -> RowFile:
    """The rows of an open NDJSON file; the columns ``wanted`` come first, absent or not."""
    columns = list(wanted)
    return RowFile(columns, headed=False, rows=_rows(name, plain, columns), done=done)


def _rows(name: str, plain: IO[bytes], columns: list[str]) -> Iterator[Row | Unreadable]:
    index = {column: n for n, column in enumerate(columns)}
    line = 0
    with damage_told(name):
        for line, raw in enumerate(iter(partial(plain.readline, LINE_MAX), b""), 1):
            text = raw.removeprefix(BOM).strip()
            if not text:
                continue
            try:
                found = _decode(text)
            except msgspec.DecodeError as error:
                yield Unreadable(line, f"not a JSON object: {error}", text.decode("utf-8", "backslashreplace"))
                continue
            for column in found.keys() - index.keys():
                index[column] = len(columns)
                columns.append(column)
            if len(columns) > COLUMNS_MAX:
                raise SourceError(f"{name} has more than {COLUMNS_MAX} different keys; a row's keys are its columns.")
            values = [""] * len(columns)
            for column, value in found.items():
                values[index[column]] = as_text(value)
            yield Row(line, values, text.decode())
    if not line:
        raise SourceError(f"{name} is empty.")
