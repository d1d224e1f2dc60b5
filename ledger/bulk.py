"""Entering many events at once: one transaction, binary COPY, the same bytes and guards as single commands.

A chunk is copied straight away in the hope that all of it is new; the unique indexes judge. Only when they refuse is
the ledger asked what of the chunk it holds already, and where its streams stand, and the rest is copied again.
"""

import hashlib
from collections.abc import Hashable, Sequence
from datetime import datetime
from itertools import groupby
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from msgspec.structs import replace
from psycopg import Connection, errors

from domain.event import Event, personal_fields

from . import canonical
from .copying import COPY, END, START, row
from .subjects import subjects_of
from .vault import Vault

KNOWN = (
    "SELECT external_id, command_id FROM ledger.entries"
    " WHERE source = %s AND external_id IN (SELECT json_array_elements_text(%s::json))"
)
"""The asked ids come as JSON: psycopg takes far longer to dump a list of texts than PostgreSQL to find them."""
LAST = """
    SELECT stream_id, stream_version
      FROM json_array_elements_text(%s::json) AS asked, LATERAL (
               SELECT stream_id, stream_version FROM ledger.entries WHERE stream_id = asked.value::uuid
                ORDER BY stream_version DESC LIMIT 1) AS last
"""
"""Stream by stream on its index; as a join it would read the whole ledger."""
WRITE_ROWS = 256
"""Why: some 100 kB at a time keep PostgreSQL busy while the next rows are encoded."""

Identity = tuple[str | None, str | None]


class Entered(NamedTuple):
    """What became of a chunk; the numbers are indices into it."""

    head: int
    """The ledger's last position."""
    fresh: Sequence[int]
    """The events that were entered."""
    known: Sequence[int]
    """The events that stood in the ledger already."""
    clashing: Sequence[int]
    """Events whose external id stands in the ledger with other content, and those that share their record."""
    looked: bool
    """Whether the ledger had to be asked and held something; the next chunk had better ask first."""


def enter(
    connection: Connection[Any],
    vault: Vault,
    events: Sequence[Event],
    *,
    records: Sequence[Hashable] | None = None,
    look_first: bool = False,
) -> Entered:
    """Enter events in order, skipping imported ones that stand in the ledger already.

    The connection has the importer's duty. Runs in the transaction that is open, or in one of its own. An event
    without a stream version takes the next one of its stream. An imported event is known by its source and external
    id; one without a command id gets a digest of its content for it, so that an id that comes again with other
    content is told apart. ``records`` says of each event which record it is part of; of a record with a clash
    nothing is entered. ``look_first`` spares the attempt to copy what is probably known.
    """
    vault.provide({subject for event in events for subject in subjects_of(event)})
    with connection.transaction():
        # The lock is a statement of its own, so that the next one sees all that was entered before it.
        head, recorded_at = _take_head(connection)
        everything = range(len(events))
        if not look_first:
            try:
                with connection.transaction():
                    _copy(connection, vault, events, {}, head, recorded_at)
                return Entered(head + len(events), everything, (), (), looked=False)
            except errors.UniqueViolation:
                pass
        fresh, known, clashing = _judged(connection, vault, events, records or everything)
        news = [events[n] for n in fresh]
        last = _last_versions(connection, news)
        looked = bool(known or clashing or last)
        _copy(connection, vault, news, last, head, recorded_at)
        return Entered(head + len(news), fresh, known, clashing, looked)


def content_id(vault: Vault, event: Event) -> UUID:
    """The command id of an imported event: a digest of all it says, personal texts by their keyed mark."""
    if is_personal(event):
        clear = dict.fromkeys(personal_fields(type(event)))
        return _digest(event, canonical.payload(event, **clear), vault.mark(event).hex())
    return _digest(event, canonical.payload(event))


def is_personal(event: Event) -> bool:
    """Whether an event holds personal text, which is sealed before it is entered."""
    # A plain loop: this is asked several times of every event, and any() takes twice as long.
    for field in personal_fields(type(event)):  # noqa: SIM110
        if getattr(event, field) is not None:
            return True
    return False


def _digest(event: Event, data: bytes, mark: str = "") -> UUID:
    head = canonical.encode(
        (event.type_name, event.schema, event.stream_id, event.customer_id, event.case_id, event.occurred_at, mark)
    )
    # Decoded, since UUID(…) would take longer than the digest.
    return msgspec.convert(hashlib.sha256(head + data).hexdigest()[:32], UUID)


def _take_head(connection: Connection[Any]) -> tuple[int, Any]:
    found = connection.execute("SELECT position, recorded_at FROM ledger.take_head()").fetchone()
    assert found is not None
    return found[0], found[1]


def _judged(
    connection: Connection[Any], vault: Vault, events: Sequence[Event], records: Sequence[Hashable]
) -> tuple[list[int], list[int], list[int]]:
    """Which events are new, which are known, and which clash, by themselves or by their record."""
    held = _held(connection, events)
    fresh: list[int] = []
    known: list[int] = []
    clashing: list[int] = []
    for _, record in groupby(range(len(events)), key=records.__getitem__):
        numbers = list(record)
        there = [n for n in numbers if _identity(events[n]) in held]
        if any(held[_identity(events[n])] != _content(vault, events[n]) for n in there):
            clashing += numbers
            continue
        known += there
        news = [n for n in numbers if n not in there]
        fresh += news
        # What comes twice in one chunk is judged by its first.
        held |= {_identity(events[n]): _content(vault, events[n]) for n in news if events[n].source}
    return fresh, known, clashing


def _identity(event: Event) -> Identity:
    return event.source, event.external_id


def _content(vault: Vault, event: Event) -> UUID:
    return event.command_id if event.command_id.int else content_id(vault, event)


def _held(connection: Connection[Any], events: Sequence[Event]) -> dict[Identity, UUID]:
    held: dict[Identity, UUID] = {}
    for source in {event.source for event in events if event.source}:
        asked = [event.external_id for event in events if event.source == source]
        rows = connection.execute(KNOWN, (source, canonical.encode(asked).decode())).fetchall()
        held |= {(source, external_id): command_id for external_id, command_id in rows}
    return held


def _last_versions(connection: Connection[Any], events: Sequence[Event]) -> dict[UUID, int]:
    streams = {event.stream_id for event in events if not event.stream_version}
    return dict(connection.execute(LAST, (canonical.encode(streams).decode(),)).fetchall()) if streams else {}


def _copy(
    connection: Connection[Any],
    vault: Vault,
    events: Sequence[Event],
    versions: dict[UUID, int],
    head: int,
    recorded_at: datetime,
) -> None:
    """Copy the events in after ``head``; ``versions`` says where the streams of unnumbered events stand."""
    stamped = canonical.stamp(recorded_at)
    rows = [START]
    with connection.cursor().copy(COPY) as copy:
        for position, event in enumerate(events, head + 1):
            version = event.stream_version or versions.get(event.stream_id, 0) + 1
            versions[event.stream_id] = version
            if is_personal(event):
                command_id = _content(vault, event)
                data = canonical.encode(vault.sealed(replace(event, stream_version=version)))
            else:
                data = canonical.payload(event)
                command_id = event.command_id if event.command_id.int else _digest(event, data)
            body = canonical.body(event, msgspec.Raw(data), command_id=command_id, stream_version=version)
            leaf = canonical.leaf(canonical.entry(position, stamped, body))
            rows.append(row(event, position, version, recorded_at, command_id, data, leaf))
            if len(rows) == WRITE_ROWS:
                copy.write(b"".join(rows))
                rows.clear()
        copy.write(b"".join([*rows, END]))
