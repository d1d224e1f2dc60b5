"""Rows of a Parquet file."""

from collections.abc import Iterator
from typing import IO, Any

from ..faults import SourceError
from .row import Row, RowFile, Unreadable, as_text

BATCH_ROWS = 1_000
"""Why: rows become Python values a batch at a time; a thousand is some megabyte."""


def opened(name: str, file: IO[bytes], size: int) -> RowFile:
    """The rows of an open Parquet file of ``size`` bytes."""
    # Loading the library takes a third of a second, which no other format should pay.
    import pyarrow as arrow
    from pyarrow import parquet

    try:
        table = parquet.ParquetFile(file)
    except (arrow.ArrowInvalid, OSError) as error:
        raise SourceError(f"{name} is not a Parquet file: {str(error).splitlines()[0].rstrip('.')}.") from None
    columns = list(table.schema_arrow.names)
    if len(set(columns)) < len(columns):
        raise SourceError(f"{name} has two columns of one name; rename one.")
    total, read = table.metadata.num_rows, 0

    def rows() -> Iterator[Row | Unreadable]:
        nonlocal read
        try:
            for batch in table.iter_batches(BATCH_ROWS):
                for values in zip(*map(_texts, batch.columns), strict=True):
                    read += 1
                    yield Row(read, values)
        except (arrow.ArrowInvalid, OSError) as error:
            raise SourceError(f"{name} is damaged after row {read}: {error}.") from None

    return RowFile(columns, headed=True, rows=rows(), done=lambda: size * read // max(total, 1))


def _texts(column: Any) -> list[str]:
    import pyarrow as arrow

    if arrow.types.is_timestamp(column.type) and column.type.unit == "ns":
        column = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
    return [as_text(value) for value in column.to_pylist()]
