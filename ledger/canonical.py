"""The canonical bytes of an entry: what is hashed, signed and proved.

They are the JSON array ``[position,"recorded_at",{…}]`` without spaces, in UTF-8. The object holds every other
envelope field and ``data``, with sorted keys; absent values are ``null``; personal fields are ciphertext. Times are
RFC 3339 in UTC. There are no floats. The leaf is SHA-256 over ``0x00`` and these bytes (RFC 6962 section 2.1).
"""

import hashlib
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import msgspec

from domain.event import Event

encode = msgspec.json.Encoder(order="deterministic").encode

BODY = (
    "actor_id", "actor_kind", "actor_role", "case_id", "causation_id", "command_id", "correlation_id", "customer_id",
    "data", "external_id", "occurred_at", "schema", "source", "stream_id", "stream_version", "type",
)  # fmt: skip
"""The keys of the object, sorted."""


def body(event: Event, data: Mapping[str, Any] | msgspec.Raw) -> bytes:
    """The canonical object of an event whose payload, with personal fields sealed, is ``data``, plain or encoded."""
    return encode(
        {
            "actor_id": event.actor_id,
            "actor_kind": event.actor_kind,
            "actor_role": event.actor_role,
            "case_id": event.case_id,
            "causation_id": event.causation_id,
            "command_id": event.command_id,
            "correlation_id": event.correlation_id,
            "customer_id": event.customer_id,
            "data": data,
            "external_id": event.external_id,
            "occurred_at": event.occurred_at.astimezone(UTC),
            "schema": event.schema,
            "source": event.source,
            "stream_id": event.stream_id,
            "stream_version": event.stream_version,
            "type": event.type_name,
        }
    )


def stamp(recorded_at: datetime) -> str:
    """A ledger time as it stands in the canonical bytes, always with six digits of microseconds."""
    return recorded_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry(position: int, stamped: str, body: bytes) -> bytes:
    """The canonical bytes of an entry, from its position, its stamped ledger time and its body."""
    return b'[%d,"%s",%s]' % (position, stamped.encode(), body)


def leaf(canonical: bytes) -> bytes:
    """The Merkle tree leaf hash of an entry's canonical bytes."""
    return hashlib.sha256(b"\x00" + canonical).digest()
