"""Evidence: the canonical bytes of entries as they are stored, made from their columns and compared with their leaf."""

from collections.abc import Mapping
from typing import Any

from psycopg import Connection, sql

from domain.event import Event

from . import canonical
from .reading import decoded
from .verifier import Entry
from .verifying import rows
from .verifying.rows import Row


class EvidenceError(Exception):
    """The evidence that is asked for cannot be given; the message says why, and what to do."""


def stored(connection: Connection[Any], which: sql.Composable, params: Mapping[str, Any], most: int) -> list[bytes]:
    """The canonical bytes of the entries of which ``which`` is true, by position, at most so many.

    Raises :class:`EvidenceError` for an entry whose columns no longer give its leaf.
    """
    return [_unaltered(row) for row in rows.some(connection, which, params, most)]


def _unaltered(row: Row) -> bytes:
    found = row.unaltered()
    if found is None:
        raise EvidenceError(f"The entry {row.position} was altered in the database; find out more with: daybook verify")
    return found


def event(entry: Entry) -> Event:
    """The event that an entry's canonical bytes tell of, personal fields sealed.

    Raises :class:`~domain.event.UnknownSchema` for an entry of a newer Daybook.
    """
    body = {name: value for name, value in entry.body.items() if value is not None}
    kind, data = f"{body.pop('type')}/{body.pop('schema')}", body.pop("data")
    envelope = {"type": kind, "position": entry.position, "recorded_at": entry.recorded_at}
    return decoded(canonical.encode(envelope | body | data))
