"""Everything held about one person, readable: their entries in clear, and what the read models make of them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection, sql

from domain.command import Actor
from domain.event import Event
from domain.look import LookPurpose
from domain.rule import NOT_FOUND, Rule
from ledger import forgetting
from ledger.reading import gathered, head, line
from ledger.vault import Vault, is_sealed, subject_in
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine.concerned import HUBS, hanging
from projections.engine.cut import Cut
from projections.engine.links import Links
from projections.engine.model import ReadModel, columns, models
from projections.engine.refolding import refold

from .wiring import Desk

ENTRIES_MAX = 100_000
"""Why: far above what is recorded of anybody; a file of some 100 MB, held in memory while it is written."""

ERASED = Rule("SUBJECT_ERASED", "The person was erased on {at}; nothing is held any more that could be handed over.")
TOO_MUCH = Rule(
    "SUBJECT_TOO_LARGE", "More than {most} entries speak of this person; they cannot be handed over at once."
)

THEIRS = """
    SELECT string_agg(line, E'\\n' ORDER BY position) FROM (
        SELECT position, {line} AS line FROM ledger.entries
         WHERE position <= %(to)s AND {speaking} ORDER BY position LIMIT %(most)s) AS found"""
GONE = "SELECT min(occurred_at) FROM ledger.entries WHERE type = 'Customer.Erased' AND customer_id = %s"


class Held(msgspec.Struct):
    """What is held about one person at a position of the ledger."""

    customer_id: UUID
    """The customer, who survived where several were merged."""
    customers: list[UUID]
    """The customer and those merged into it."""
    exported_at: datetime
    position: int
    """The position of the last entry looked at."""
    entries: list[dict[str, Any]]
    """Every entry about them, in order, as it was entered; null where a text is another person's."""
    books: dict[str, list[dict[str, Any]]]
    """What the read models say of them, by the model's name."""


def survivor(connection: Connection[Any], customer_id: UUID) -> UUID:
    """The customer, or the one that customer was merged into by now."""
    return Links.at(connection, head(connection)).root(customer_id)


def held(connection: Connection[Any], desk: Desk, customer_id: UUID, actor: Actor) -> Held:
    """Everything held about a customer and those merged into them or they into, personal text in clear.

    To be read in one snapshot, a transaction of the caller's. Texts of other persons, which the same entries may hold,
    stay sealed and are null. That the actor took it is noted. Refuses ``NOT_FOUND``, ``SUBJECT_ERASED`` and
    ``SUBJECT_TOO_LARGE``.
    """
    to = head(connection)
    root = Links.at(connection, to).root(customer_id)
    members = forgetting.members(connection, root)
    streams = forgetting.streams(connection, members)
    _refuse_erased(connection, root)
    entries = _entries(connection, members, streams, to)
    books = {model.spec.name: _rows(connection, model, root, to) for model in models().values()}
    NOT_FOUND.refuse_if(not entries, kind="customer", id=customer_id)
    own = {subject.bytes for subject in (*members, *streams)}
    found = Held(
        customer_id=root,
        customers=members,
        exported_at=datetime.now(UTC),
        position=to,
        entries=[_told(entry) for entry in entries],
        books={name: rows for name, rows in books.items() if rows},
    )
    values = _open(desk.vault, found, own)
    desk.looks.note(actor, LookPurpose.EXPORT, values, subjects=members, taken=f"everything of {root}")
    return found


def _refuse_erased(connection: Connection[Any], customer_id: UUID) -> None:
    row = connection.execute(GONE, (customer_id,)).fetchone()
    ERASED.refuse_if(row and row[0], at=row and row[0])


def _entries(connection: Connection[Any], members: list[UUID], streams: list[UUID], to: int) -> list[Event]:
    query = sql.SQL(THEIRS).format(line=line(), speaking=forgetting.speaking_of("keys"))
    params = {"keys": [*members, *streams], "to": to, "most": ENTRIES_MAX + 1}
    entries = gathered(connection, query, params)
    TOO_MUCH.refuse_if(len(entries) > ENTRIES_MAX, most=ENTRIES_MAX)
    return entries


def _told(entry: Event) -> dict[str, Any]:
    """An entry in plain values: what happened, when, by whom, and what it says."""
    told: dict[str, Any] = msgspec.to_builtins(
        {
            "position": entry.position,
            "type": entry.type_name,
            "occurred_at": entry.occurred_at,
            "recorded_at": entry.recorded_at,
            "by": f"{entry.actor_kind} {entry.actor_id}",
            "customer_id": entry.customer_id,
            "case_id": entry.case_id,
            "source": entry.source,
            "external_id": entry.external_id,
            "says": entry.payload(),
        }
    )
    return told


def _rows(connection: Connection[Any], model: type[ReadModel], customer_id: UUID, to: int) -> list[dict[str, Any]]:
    """The rows of a read model that are about a customer, folded now; none of a feed, whose rows are the entries."""
    if model.spec.is_feed or "customer_id" not in columns(model):
        return []
    cut = Cut(to)
    keys: Sequence[Any] = [customer_id]
    if model.spec.key != HUBS[0]:
        links = Links.at(connection, to)
        keys = hanging(connection, model, HUBS[0], [customer_id], cut, links, ENTRIES_MAX).keys
    rows = (row for row, _ in refold(connection, model, keys, cut).values())
    theirs = [row for row in rows if row is not None and row.customer_id == customer_id]  # type: ignore[attr-defined]
    return [msgspec.to_builtins(row) for row in theirs]


def _open(vault: Vault, found: Held, own: set[bytes]) -> list[tuple[str, str]]:
    """Put the clear text in the place of what is sealed of the person, and null in that of what is another's.

    Gives the sealed values that were opened, each with its field.
    """
    theirs: list[tuple[dict[str, Any], str]] = []
    for holder, field in [place for told in (*found.entries, *_flat(found.books)) for place in _sealed(told)]:
        if subject_in(holder[field]) in own:
            theirs.append((holder, field))
        else:
            holder[field] = None
    values = [(field, holder[field]) for holder, field in theirs]
    for (holder, field), text in zip(theirs, vault.open_many(values), strict=True):
        holder[field] = text
    return values


def _flat(books: dict[str, list[dict[str, Any]]]) -> Iterator[dict[str, Any]]:
    for rows in books.values():
        yield from rows


def _sealed(value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """The objects and fields within a value that hold something sealed."""
    if isinstance(value, list):
        for each in value:
            yield from _sealed(each)
    elif isinstance(value, dict):
        for field, each in value.items():
            if isinstance(each, str) and is_sealed(each):
                yield value, field
            else:
                yield from _sealed(each)
