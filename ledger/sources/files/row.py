"""One row of a file, whatever the format."""

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from ..faults import SourceError

LINE_MAX = 16 * 2**20
"""Why: a longer line is no row; without a limit a file without line ends would have to fit into memory."""
OURS = "daybook_"
"""Columns of a reject file that are not of the source begin so; a corrected reject file can be imported as it is."""


class Row(NamedTuple):
    """One row."""

    line: int
    """Where it begins: the line of a text file, the number of a Parquet row; from 1."""
    values: Sequence[str]
    """The values, in the order of the file's columns."""
    raw: str | None = None
    """The row as it stands in the file, where that has no header."""


class Unreadable(NamedTuple):
    """Something in the place of a row that cannot be read as one."""

    line: int
    reason: str
    raw: str


class RowFile(NamedTuple):
    """An open file of rows."""

    columns: list[str]
    """The columns; where no header or schema names them, those asked for, and then others as they turn up."""
    headed: bool
    """Whether a header or schema names the columns."""
    rows: Iterator[Row | Unreadable]
    done: Callable[[], int]
    """How many bytes of the file have been read."""


def unsound(row: Row) -> str | None:
    """Why no text of a row can be kept, where one of them is none; ``None`` where all are sound."""
    joined = "".join(row.values)
    if "\0" in joined:
        return "it holds a NUL character"
    if not joined.isascii():
        try:
            joined.encode()
        except UnicodeEncodeError:
            return "it holds bytes that are no characters; set encoding under [file] in the mapping"
    return None


@contextmanager
def damage_told(name: str) -> Iterator[None]:
    """Turn what the layers below raise for a damaged file into one sentence."""
    try:
        yield
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise SourceError(f"{name} is damaged as a gzip file: {str(error).rstrip('.')}; get it anew.") from None
    except UnicodeDecodeError as error:
        raise SourceError(
            f'{name} is not {error.encoding} text; set encoding = "…" under [file] in the mapping.'
        ) from None


def as_text(value: Any) -> str:
    """The text a value prints as."""
    match value:
        case str():
            return value
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case float() if value != value:
            return ""
        case Decimal():
            return format(value, "f")
        case bytes():
            return value.decode("utf-8", "surrogateescape")
        case list() | dict():
            return msgspec.json.encode(value, enc_hook=str).decode()
        case _:
            return str(value)
