"""An entry of the ledger with its proof, over GraphQL."""

from typing import Any

import anyio.to_thread
from msgspec import Struct
from psycopg import Connection, sql
from strawberry.types.field import StrawberryField

from domain.event import Event
from domain.look import LookPurpose
from domain.rule import NOT_FOUND
from ledger.reading import decoded, line

from .. import proofs
from . import access
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .scalars import Long
from .selection import selects
from .steps import EntryStep, told
from .types import outgoing

PROOF_COST = 20
"""Why: an entry, its corrections and some tiles of the tree are read, each by its key."""
READ = sql.SQL("""
    SELECT {line},
           (SELECT max(position) FROM ledger.entries
             WHERE type = 'Entry.Voided' AND data ->> 'voided_position' = %(text)s),
           (SELECT max(position) FROM ledger.entries
             WHERE type = 'Entry.Amended' AND data ->> 'amended_position' = %(text)s)
      FROM ledger.entries WHERE position = %(at)s""").format(line=line())


class Proof(Struct):
    """The proof that an entry stands in the ledger as it was sealed."""

    text: str | None
    """A file for ``daybook check`` and other verifiers (C2SP tlog-proof); null where there is none."""
    reason: str | None
    """Why there is none; else null."""


class LedgerEntry(EntryStep):
    """An entry as it stands in the ledger."""

    proof: Proof
    """That it stands in the ledger as it was sealed."""


def entry_queries() -> list[StrawberryField]:
    """The query for an entry."""
    offered = [argument("position", Long, "The entry's position.")]
    doc = (
        "An entry as it stands in the ledger, with its proof. An error NOT_FOUND where there is none."
        f" For: {access.listed(access.readers('audit_trail'))}."
    )
    return [query("entry", outgoing(LedgerEntry), doc, offered, _entry, cost=PROOF_COST)]


async def _entry(context: Context, info: Info, position: int, at_least: int | None = None) -> Ready:
    access.refuse_unless(context.viewer.role, access.readers("audit_trail"), "read an entry")
    await context.services.reader.wait([], at_least)

    def read() -> tuple[Event, dict[str, Any]]:
        with context.services.desk.pool.connection() as connection:
            entry, corrections = _read(connection, position)
            wanted = selects(info.field_nodes, context.scope, "proof")
            proven = proofs.proofs(connection, [position]) if wanted else {}
            altered = selects(info.field_nodes, context.scope, "altered") and proofs.altered(connection, [position])
            return entry, corrections | {"proof": as_told(proven.get(position)), "altered": bool(altered)}

    entry, more = await anyio.to_thread.run_sync(read)
    context.takes(LookPurpose.PROOF, f"entry {position}", [entry])
    return context.shaped(info, LedgerEntry, told(LedgerEntry, entry, (), **more))


def _read(connection: Connection[Any], position: int) -> tuple[Event, dict[str, Any]]:
    row = connection.execute(READ, {"at": position, "text": str(position)}).fetchone()
    NOT_FOUND.refuse_if(row is None, kind="entry", id=position)
    assert row is not None
    return decoded(row[0]), {"voided_by": row[1], "amended_by": row[2]}


def as_told(proof: proofs.Proof | None) -> dict[str, Any]:
    """A proof as the dict its JSON is; of nothing where it is not selected."""
    return {"text": proof and proof.text, "reason": proof and proof.reason}
