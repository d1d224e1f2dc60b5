"""Receipts: what the ledger attests to a person who asked to be forgotten, in a signed note."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection, sql

from domain.customer import Customer
from domain.rule import NOT_FOUND
from ledger.notes import Signing, sign
from ledger.reading import decoded, line

KIND = "daybook.erasure/v1"
OF_COMMAND = (
    "SELECT {} FROM ledger.entries WHERE type = 'Customer.Erased'"
    " AND command_id = (SELECT command_id FROM ledger.entries WHERE position = %s) ORDER BY position"
)
ERASURE = "SELECT max(position) FROM ledger.entries WHERE type = 'Customer.Erased' AND customer_id = %s"


class Erasure(msgspec.Struct):
    """One customer of those that were erased together."""

    customer_id: UUID
    position: int
    """Where the entry stands that says so."""
    keys: list[UUID]
    """The ids of the keys that were destroyed."""


class Receipt(msgspec.Struct):
    """What a receipt says, in the order of its text."""

    customer_id: UUID
    erased_at: str
    reason: str
    erased_by: str
    command_id: UUID
    erased: list[Erasure]
    """The customer's own erasure, then those of the customers that had been merged into it."""
    sealed: list[str]
    """What can no longer be opened."""


def receipt(connection: Connection[Any], position: int, signers: Sequence[Signing]) -> str:
    """The receipt of the erasure entered at a position: two lines of text, and the signatures over them.

    The same at any time, as it says what stands in the ledger. Without signers it is text that nobody signed.
    """
    query = sql.SQL(OF_COMMAND).format(line())
    entries = [decoded(text) for (text,) in connection.execute(query, (position,)).fetchall()]
    erased = [entry for entry in entries if isinstance(entry, Customer.Erased)]
    NOT_FOUND.refuse_if(not erased, kind="erasure", id=position)
    first = erased[0]
    assert first.customer_id is not None
    told = Receipt(
        customer_id=first.customer_id,
        erased_at=first.occurred_at.isoformat(),
        reason=first.reason,
        erased_by=first.actor_id,
        command_id=first.command_id,
        erased=[Erasure(entry.stream_id, entry.position, entry.keys) for entry in erased],
        sealed=first.sealed,
    )
    text = f"{KIND}\n{msgspec.json.encode(told).decode()}\n"
    return sign(text, signers) if signers else text


def receipt_of(connection: Connection[Any], customer_id: UUID, signers: Sequence[Signing]) -> str:
    """The receipt of a customer's erasure; refuses ``NOT_FOUND`` where the customer was not erased."""
    row = connection.execute(ERASURE, (customer_id,)).fetchone()
    NOT_FOUND.refuse_if(row is None or row[0] is None, kind="erasure of a customer", id=customer_id)
    assert row is not None
    return receipt(connection, row[0], signers)
