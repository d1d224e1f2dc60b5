"""Files of rows: CSV, NDJSON or Parquet, plain or gzipped, read as a stream; every value as the text it prints as.

Texts are the common ground, so that one table gives the same entries in whatever format it comes: ``null`` is the
empty text, numbers keep their digits, times read ``2010-12-01 08:26:00``, and lists and objects are JSON.
"""

import gzip
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import IO, cast

from ..faults import SourceError
from . import csv_rows, ndjson_rows, parquet_rows
from .row import RowFile, damage_told


class Format(StrEnum):
    """The formats that can be read."""

    CSV = "csv"
    NDJSON = "ndjson"
    PARQUET = "parquet"


SUFFIXES = {
    ".csv": Format.CSV,
    ".tsv": Format.CSV,
    ".ndjson": Format.NDJSON,
    ".jsonl": Format.NDJSON,
    ".parquet": Format.PARQUET,
    ".pq": Format.PARQUET,
}
GZIP = b"\x1f\x8b"


def format_of(path: Path) -> Format:
    """The format a file's name tells; raises :class:`SourceError` where it tells none."""
    named = Path(path.stem) if path.suffix.lower() == ".gz" else path
    if named.suffix.lower() not in SUFFIXES:
        raise SourceError(f"The name {path.name} does not tell the format; say --format csv, ndjson or parquet.")
    return SUFFIXES[named.suffix.lower()]


@contextmanager
def open_rows(
    path: Path,
    format: Format,
    *,
    encoding: str = "utf-8",
    delimiter: str | None = None,
    wanted: Sequence[str] = (),
) -> Iterator[RowFile]:
    """Open a file of rows; ``wanted`` are the columns a mapping asks for, which NDJSON does not name beforehand.

    Raises :class:`SourceError` for what is missing, empty, damaged or not of the format, here or while it is read.
    """
    try:
        raw = path.open("rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be opened: {error.strerror}.") from None
    with raw:
        zipped = raw.peek(2)[:2] == GZIP
        plain = cast(IO[bytes], gzip.GzipFile(fileobj=raw)) if zipped else raw
        match format:
            case Format.CSV:
                separator = delimiter or ("\t" if ".tsv" in path.suffixes else ",")
                with csv_rows.opened(path.name, plain, raw.tell, encoding, separator) as file:
                    yield file
            case Format.NDJSON:
                yield ndjson_rows.opened(path.name, plain, raw.tell, wanted)
            case Format.PARQUET:
                with _seekable(path.name, plain, zipped) as seekable:
                    yield parquet_rows.opened(path.name, seekable, path.stat().st_size)


@contextmanager
def _seekable(name: str, plain: IO[bytes], zipped: bool) -> Iterator[IO[bytes]]:
    if not zipped:
        yield plain
        return
    with tempfile.TemporaryFile() as file:
        with damage_told(name):
            shutil.copyfileobj(plain, file)
        yield file
