"""The eventsourcing library's mapper and recorder, over our table of entries."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any
from uuid import UUID

import msgspec
from eventsourcing.domain import DomainEventProtocol
from eventsourcing.persistence import (
    ApplicationRecorder,
    JSONTranscoder,
    Mapper,
    Notification,
    StoredEvent,
    Subscription,
)
from psycopg import Connection, sql
from psycopg_pool import ConnectionPool

from domain.event import Event, personal_fields

from . import canonical
from .reading import decoded, line, refuse_unreadable
from .vault import Vault
from .writer import Commit, Writer, append

STREAM_MAX = 100_000
"""Why: no single case or customer has more entries of its own; beyond it something runs wild."""

STREAM = {
    desc: sql.SQL(
        "SELECT stream_version, type, {line} FROM ledger.entries WHERE stream_id = %(stream)s"
        " AND stream_version > coalesce(%(gt)s, 0) AND (%(lte)s::int IS NULL OR stream_version <= %(lte)s)"
        " ORDER BY stream_version {order} LIMIT %(limit)s"
    )
    .format(line=line(), order=sql.SQL("DESC" if desc else "ASC"))
    .as_string()
    for desc in (False, True)
}
"""One stream's entries in order of version, and in reverse."""


@dataclass(frozen=True)
class StoredEntry(StoredEvent):
    """A stored event that knows its command."""

    command_id: UUID


def commit_of(
    stored: Sequence[StoredEvent], fingerprint: bytes, basis: Mapping[UUID, int] = MappingProxyType({})
) -> Commit:
    """The commit of one command's stored events; raises :class:`~ledger.writer.TooLarge`."""
    first, *others = stored
    assert isinstance(first, StoredEntry)
    assert isinstance(first.originator_id, UUID)
    assert all(isinstance(other, StoredEntry) and other.command_id == first.command_id for other in others)
    return Commit.of(first.command_id, fingerprint, first.originator_id, [each.state for each in stored], basis)


class EntryMapper(Mapper[UUID]):
    """Maps events to canonical bytes with personal fields sealed, and stored lines back to events in clear."""

    def __init__(self, vault: Vault) -> None:
        """Seal and open with ``vault``."""
        super().__init__(transcoder=JSONTranscoder())
        self._vault = vault

    def to_stored_event(self, domain_event: DomainEventProtocol[UUID]) -> StoredEvent:
        """The event's stored name and the canonical body of its entry."""
        assert isinstance(domain_event, Event)
        data = canonical.encode(self._vault.sealed(domain_event))
        refuse_unreadable(domain_event, data)
        state = canonical.body(domain_event, msgspec.Raw(data))
        return StoredEntry(
            domain_event.stream_id,
            domain_event.stream_version,
            domain_event.type_name,
            state,
            domain_event.command_id,
        )

    def to_domain_event(self, stored_event: StoredEvent) -> DomainEventProtocol[UUID]:
        """The event of a stored JSON line, with the personal fields that can still be opened in clear."""
        return self.opened(decoded(stored_event.state))

    def opened(self, event: Event) -> Event:
        """The event with its sealed fields in clear; ``None`` where the subject was erased."""
        sealed = [(field, text) for field in personal_fields(type(event)) if (text := getattr(event, field))]
        if not sealed:
            return event
        clear = self._vault.open_many(sealed)
        told = {field: text for (field, _), text in zip(sealed, clear, strict=True)}
        return msgspec.structs.replace(event, **told).entered_in(event.older_form)


class EntryRecorder(ApplicationRecorder):
    """Appends through the group-commit writer; reads entries as JSON lines."""

    def __init__(self, pool: ConnectionPool[Connection[Any]], writer: Writer) -> None:
        """Read through ``pool``, append through ``writer``."""
        self._pool, self._writer = pool, writer

    def insert_events(self, stored_events: Sequence[StoredEvent], **kwargs: Any) -> Sequence[int] | None:
        """Append one command's entries; ``answers`` (a list) receives the answer.

        Keyword arguments: ``fingerprint`` (32 bytes), ``answers``, ``basis``: the versions that other streams must
        still have, and ``connection``: one to append through, in its transaction, in place of the writer's.
        Returns the positions when the entries were accepted, ``None`` otherwise.
        """
        if not stored_events:
            return []
        commit = commit_of(stored_events, kwargs["fingerprint"], kwargs.get("basis", {}))
        connection = kwargs.get("connection")
        answer = append(connection, [commit])[0] if connection else self._writer.enter(commit)
        kwargs["answers"].append(answer)
        if answer.outcome != "accepted":
            return None
        assert answer.first is not None
        assert answer.last is not None
        return range(answer.first, answer.last + 1)

    def select_events(
        self,
        originator_id: UUID | str,
        *,
        gt: int | None = None,
        lte: int | None = None,
        desc: bool = False,
        limit: int | None = None,
    ) -> Sequence[StoredEvent]:
        """One stream's entries in order of version, as JSON lines."""
        params = {"stream": originator_id, "gt": gt, "lte": lte, "limit": min(limit or STREAM_MAX, STREAM_MAX)}
        with self._pool.connection() as connection:
            rows = connection.execute(STREAM[desc], params).fetchall()
        return [StoredEvent(originator_id, version, topic, text.encode()) for version, topic, text in rows]

    def select_notifications(
        self,
        start: int | None,
        limit: int,
        stop: int | None = None,
        topics: Sequence[str] = (),
        *,
        inclusive_of_start: bool = True,
    ) -> Sequence[Notification]:
        """Entries in order of position, for the library's own followers."""
        query = sql.SQL(
            "SELECT position, stream_id, stream_version, type, {line} FROM ledger.entries"
            " WHERE position >= %(start)s AND (%(stop)s::bigint IS NULL OR position <= %(stop)s)"
            " AND (%(topics)s::text[] = '{{}}' OR type = ANY(%(topics)s)) ORDER BY position LIMIT %(limit)s"
        ).format(line=line())
        first = (start or 1) + (0 if inclusive_of_start or start is None else 1)
        params = {"start": first, "stop": stop, "topics": list(topics), "limit": limit}
        with self._pool.connection() as connection:
            rows = connection.execute(query, params).fetchall()
        return [
            Notification(stream, version, topic, text.encode(), position)
            for position, stream, version, topic, text in rows
        ]

    def max_notification_id(self) -> int | None:
        """The ledger's last position, or ``None`` while it is empty."""
        with self._pool.connection() as connection:
            row = connection.execute("SELECT position FROM ledger.head").fetchone()
        return row[0] or None if row else None

    def subscribe(self, gt: int | None = None, topics: Sequence[str] = ()) -> Subscription[ApplicationRecorder]:
        """Not offered: positions are dense, so a follower reads on from its last one."""
        raise NotImplementedError("read with select_notifications from the last position on")
