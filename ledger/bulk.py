"""Entering many events at once: one transaction, binary COPY, the same bytes and guards as single commands."""

from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection
from psycopg.types.json import set_json_dumps

from domain.event import Event

from . import canonical
from .vault import Vault, personal_fields, subject_of

COLUMNS = {
    "position": "int8", "stream_id": "uuid", "stream_version": "int4", "type": "text", "schema": "int2",
    "customer_id": "uuid", "case_id": "uuid", "occurred_at": "timestamptz", "recorded_at": "timestamptz",
    "actor_kind": "text", "actor_id": "text", "actor_role": "text", "command_id": "uuid", "causation_id": "uuid",
    "correlation_id": "uuid", "source": "text", "external_id": "text", "data": "jsonb", "leaf": "bytea",
}  # fmt: skip
COPY = f"COPY ledger.entries ({', '.join(COLUMNS)}) FROM STDIN (FORMAT BINARY)"
KNOWN = (
    "SELECT external_id, command_id FROM ledger.entries"
    " WHERE source = %s AND external_id IN (SELECT json_array_elements_text(%s::json))"
)
"""The asked ids come as JSON: psycopg takes far longer to dump a list of texts than PostgreSQL to find them."""


class Entered(NamedTuple):
    """What became of a chunk: the last position, how many entries were new, which were known, which clashed."""

    head: int
    new: int
    known: int
    clashing: Sequence[Event]
    """Events whose external id stands in the ledger with other content; nothing of them was entered."""


def enter(connection: Connection[Any], vault: Vault, events: Sequence[Event]) -> Entered:
    """Enter events in order, skipping imported ones that stand in the ledger already.

    The connection has the importer's duty. Runs in the transaction that is open, or in one of its own. The stream
    versions must continue their streams. An imported event is known by its source and external id; its command id
    is a digest of its content, so one that comes again with other content is told apart and given back as clashing.
    """
    vault.provide({subject_of(event) for event in events if personal_fields(type(event))})
    with connection.transaction():
        # The lock is a statement of its own, so that the next one sees all that was entered before it.
        head, recorded_at = _take_head(connection)
        fresh, clashing = _fresh(connection, events)
        if fresh:
            _copy(connection, vault, fresh, head, recorded_at)
    known = len(events) - len(fresh) - len(clashing)
    return Entered(head + len(fresh), len(fresh), known, clashing)


def _take_head(connection: Connection[Any]) -> tuple[int, Any]:
    row = connection.execute("SELECT position, recorded_at FROM ledger.take_head()").fetchone()
    assert row is not None
    return row[0], row[1]


def _fresh(connection: Connection[Any], events: Sequence[Event]) -> tuple[list[Event], list[Event]]:
    known: dict[tuple[str, str], UUID] = {}
    for source in {event.source for event in events if event.source}:
        asked = [event.external_id for event in events if event.source == source]
        rows = connection.execute(KNOWN, (source, canonical.encode(asked).decode())).fetchall()
        known |= {(source, external_id): command_id for external_id, command_id in rows}
    fresh, clashing = [], []
    for event in events:
        identity = (event.source, event.external_id)
        if identity not in known:
            fresh.append(event)
        elif known[identity] != event.command_id:
            clashing.append(event)
    return fresh, clashing


def _copy(connection: Connection[Any], vault: Vault, events: Sequence[Event], head: int, recorded_at: Any) -> None:
    stamped = canonical.stamp(recorded_at)
    cursor = connection.cursor()
    # The payload is encoded once, for its column and for the hash.
    set_json_dumps(bytes, cursor)
    with cursor.copy(COPY) as copy:
        copy.set_types(list(COLUMNS.values()))
        for position, event in enumerate(events, head + 1):
            data = canonical.encode(vault.sealed(event))
            hashed = canonical.leaf(canonical.entry(position, stamped, canonical.body(event, msgspec.Raw(data))))
            copy.write_row(
                (
                    position, event.stream_id, event.stream_version, event.type_name, event.schema,
                    event.customer_id, event.case_id, event.occurred_at, recorded_at,
                    event.actor_kind, event.actor_id, event.actor_role, event.command_id, event.causation_id,
                    event.correlation_id, event.source, event.external_id, data, hashed,
                )
            )  # fmt: skip
