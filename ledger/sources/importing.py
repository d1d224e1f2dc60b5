"""An import: a file read as a mapping says, entered chunk by chunk, gone on with where it stopped."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from uuid import UUID, uuid5

from .drafting import SOURCES, Circumstances, Drafter
from .files.opening import Format, format_of, open_rows
from .mapping import NamedMapping
from .records import Grouping
from .run import Means, Run, Summary
from .trial import Trial
from .values import Table, Wanted

LOCK = "SELECT pg_try_advisory_lock(hashtextextended(%s, 0))"
WAIT = "SELECT pg_advisory_lock(hashtextextended(%s, 0))"
UNLOCK = "SELECT pg_advisory_unlock(hashtextextended(%s, 0))"


def import_file(means: Means, path: Path, named: NamedMapping, format: Format | None = None) -> Summary:
    """Import a file as a mapping says; raises :class:`SourceError` where file or mapping cannot be worked with.

    Rows that cannot be taken are in the reject file and do not stop the rest. What is in the ledger already is left
    as it is. An import that was interrupted goes on where it stopped.
    """
    read_as = format or format_of(path)
    wanted = wanted_columns(named)
    form = named.mapping.file
    opened = partial(open_rows, path, read_as, encoding=form.encoding, delimiter=form.delimiter, wanted=wanted)
    with opened() as file:
        Trial(named, file).run()
    with opened() as file:
        with path.open("rb") as raw:
            content = hashlib.file_digest(raw, "sha256").digest()
        told = hashlib.sha256(content + hashlib.sha256(named.text).digest() + read_as.encode()).digest()
        import_id = uuid5(uuid5(SOURCES, named.mapping.source), told.hex())
        with _alone(means, import_id):
            return Run(means, path, named, file, import_id, told).run()


def wanted_columns(named: NamedMapping) -> list[str]:
    """The columns a mapping asks for; raises :class:`SourceError` where it does not fit the catalogue of events."""
    positions = Wanted()
    table = Table(named, positions)
    Grouping(table)
    Drafter(table, Circumstances(SOURCES, datetime.now(UTC)))
    return list(positions)


@contextmanager
def _alone(means: Means, import_id: UUID) -> Iterator[None]:
    """Wait while another process imports the same file: two would write one reject file."""
    name = (str(import_id),)
    row = means.connection.execute(LOCK, name).fetchone()
    if row is None or not row[0]:
        means.tell("Another import of this file is under way; waiting for it to end.")
        means.connection.execute(WAIT, name)
    try:
        yield
    finally:
        if not means.connection.closed:
            means.connection.execute(UNLOCK, name)
