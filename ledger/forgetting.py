"""Forgetting a person: what is held in their name, and that keys once destroyed stay destroyed."""

import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

import psycopg
from psycopg import Connection, sql
from psycopg_pool import PoolTimeout

from domain.aggregate import VOID
from domain.customer import Customer
from domain.event import Event, events, personal_fields
from domain.obligations import CONCERNED, obligations
from domain.person import Person
from domain.rule import NOT_FOUND, Refused

from . import canonical
from .basis import History
from .database import DatabaseUnavailable, Duty, connect
from .destroyed import Destroyed, DestroyedKeys, erasures
from .reading import gathered, head, line
from .subjects import naming_fields
from .vault import FORGET_S_MAX, TOLD_BY, Vault, subject_in
from .writer import Commit, append

RETURNED = UUID("5c1f8a3e-7b0d-4f39-8a55-0b6d2f9e4c71")
"""Names the commands that destroy keys again which came back."""
LOOK_S = FORGET_S_MAX / 2
"""Why: twice as often as must be, so that whoever opens something finds that it was just looked."""
AGAIN = "The list of destroyed keys names it since {at}; it was there again, from a backup or an erasure cut short."

MEMBERS = """
    WITH RECURSIVE merged AS (
        SELECT DISTINCT ON (stream_id) stream_id, type, (data ->> 'survivor_id')::uuid AS survivor
          FROM ledger.entries WHERE type IN ('Customer.Merged', 'Customer.Unmerged')
         ORDER BY stream_id, position DESC
    ), members (id) AS (
        SELECT %s::uuid
         UNION
        SELECT stream_id FROM merged JOIN members ON survivor = members.id WHERE type = 'Customer.Merged')
    SELECT id FROM members"""
# What was recorded before it was known whose it is has a key of its own; a case may have told since.
STREAMS = """
    SELECT subject_id FROM vault.keys
     WHERE wrapped IS NOT NULL AND subject_id <> ALL (%(members)s) AND subject_id IN (
               SELECT stream_id FROM ledger.entries WHERE customer_id = ANY(%(members)s)
                UNION
               SELECT stream_id FROM ledger.entries
                WHERE customer_id IS NULL AND case_id IN (
                          SELECT case_id FROM ledger.entries WHERE customer_id = ANY(%(members)s)))
     ORDER BY subject_id"""
SEALED = """
    SELECT DISTINCT type || '.' || field.key, left(field.value, {told_by})
      FROM ledger.entries, jsonb_each_text(data) AS field
     WHERE {speaking} AND type = ANY(%(types)s) AND field.value LIKE 's1.%%'"""
LEDGER = "SELECT encode(leaf, 'hex') FROM ledger.entries WHERE position = 1"
STANDING = "SELECT coalesce(max(stream_version), 0) FROM ledger.entries WHERE stream_id = %s"
GONE = "SELECT subject_id FROM vault.keys WHERE wrapped IS NULL AND subject_id = ANY(%s)"


def members(connection: Connection[Any], customer_id: UUID) -> list[UUID]:
    """A customer and all that were merged into it, itself first."""
    return [member for (member,) in connection.execute(MEMBERS, (customer_id,)).fetchall()]


def streams(connection: Connection[Any], customers: list[UUID]) -> list[UUID]:
    """What has a key of its own, and is theirs all the same."""
    return [stream for (stream,) in connection.execute(STREAMS, {"members": customers}).fetchall()]


def speaking_of(parameter: str) -> sql.Composable:
    """The condition that an entry may hold something sealed of some persons, whose ids the parameter has.

    It is in their own history, has a key of its own that is theirs, or speaks of them in the history of another.
    """
    persons = sql.Placeholder(parameter)
    others = [
        sql.SQL("type = {} AND data ->> {} = ANY({}::text[])").format(kind.type_name, named, persons)
        for kind in events().values()
        for named in naming_fields(kind)
    ]
    own = [sql.SQL("{} = ANY({})").format(sql.Identifier(column), persons) for column in ("customer_id", "stream_id")]
    return sql.SQL("({})").format(sql.SQL(" OR ").join([*own, *others]))


def sealed(connection: Connection[Any], customers: list[UUID], theirs: list[UUID]) -> list[str]:
    """What is sealed with the keys of customers and of the streams that are theirs, by type and field."""
    keys = [*customers, *theirs]
    query = sql.SQL(SEALED).format(speaking=speaking_of("keys"), told_by=TOLD_BY)
    types = [kind.type_name for kind in events().values() if personal_fields(kind)]
    rows = connection.execute(query, {"keys": keys, "types": types}).fetchall()
    whose = {key.bytes for key in keys}
    return sorted({field for field, value in rows if subject_in(value) in whose})


def concerned(connection: Connection[Any], customers: list[UUID]) -> list[Event]:
    """The entries that may stand against forgetting some customers."""
    query = sql.SQL(
        "SELECT string_agg({}, E'\\n' ORDER BY position) FROM ledger.entries"
        " WHERE customer_id = ANY(%s) AND type = ANY(%s)"
    ).format(line())
    types = [kind.type_name for kind in CONCERNED]
    return gathered(connection, query, (customers, types))


def person(connection: Connection[Any], customers: list[UUID]) -> Person:
    """What is held in the name of a customer and of those merged into it, who are still to be added.

    To be asked for while nobody else can enter anything.
    """
    theirs = streams(connection, customers)
    holds, matters = obligations(concerned(connection, customers))
    return Person(streams=theirs, sealed=sealed(connection, customers, theirs), holds=holds, matters=matters)


def customer(id: UUID, history: History) -> Customer:
    """A customer that is to be forgotten, be its registration void; refuses ``NOT_FOUND``."""
    NOT_FOUND.refuse_if(not history, kind="customer", id=id)
    try:
        found = Customer.replay(history)
    except Refused as refused:
        if refused.code != VOID.code:
            raise
    else:
        return found or NOT_FOUND.refuse(kind="customer", id=id)
    found = Customer.unwritten(id, history[-1].stream_version)
    for entry in history:
        if isinstance(entry, Customer.Erased):
            entry.apply(found)
    return found


def enforce(url: str, vault: Vault) -> list[UUID]:
    """Destroy again the listed keys that came back, before anything is opened, and list those the ledger tells of.

    Each customer concerned gets an entry that says so. Gives the ids of the keys.
    """
    if vault.destroyed is None:
        return []
    with connect(url, Duty.API) as connection:
        again: list[UUID] = []
        for listed in _missing(connection, _of_this(connection, vault.destroyed)):
            with connection.transaction():
                # Appending takes the head, so that of several processes at their start one enters it.
                append(connection, [])
                if _missing(connection, [listed]):
                    _destroy(connection, vault, listed)
                    again += listed.keys
        enlist(connection, vault.destroyed)
    return again


def enlist(connection: Connection[Any], destroyed: DestroyedKeys) -> None:
    """Add what the ledger tells of and the list lacks: erasures by others, or a list that was lost."""
    known = {key for line in _of_this(connection, destroyed) for key in line.keys}
    destroyed.add(line for line in erasures(connection, 0, head(connection)) if not known.issuperset(line.keys))


def _of_this(connection: Connection[Any], destroyed: DestroyedKeys) -> list[Destroyed]:
    """The lines of the list that speak of this very ledger, be it one that was restored."""
    row = connection.execute(LEDGER).fetchone()
    return [line for line in destroyed.lines() if row and line.ledger == row[0]]


@contextmanager
def watching(url: str, vault: Vault) -> Iterator[None]:
    """Forget destroyed keys within ``FORGET_S_MAX`` until the block ends, be nothing opened meanwhile.

    What others erased is added to this process's list. While the database cannot be reached nothing is opened either,
    since whoever opens looks as well.
    """
    stopping, news = threading.Event(), threading.Event()
    vault.on_forgotten.append(news.set)

    def watch() -> None:
        while not stopping.wait(LOOK_S):
            with suppress(psycopg.Error, PoolTimeout, DatabaseUnavailable, OSError):
                vault.refresh(at_once=True)
                if news.is_set() and vault.destroyed is not None:
                    with connect(url, Duty.API) as connection:
                        enlist(connection, vault.destroyed)
                    news.clear()

    thread = threading.Thread(target=watch, name="forgetting", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopping.set()
        thread.join()


def _missing(connection: Connection[Any], lines: Iterable[Destroyed]) -> list[Destroyed]:
    """The lines of the list not all of whose keys are destroyed in the database."""
    asked = {key for line in lines for key in line.keys}
    gone = {key for (key,) in connection.execute(GONE, (list(asked),)).fetchall()}
    return [line for line in lines if not gone.issuperset(line.keys)]


def _destroy(connection: Connection[Any], vault: Vault, listed: Destroyed) -> None:
    found = connection.execute(STANDING, (listed.customer,)).fetchone()
    assert found is not None
    event = Customer.Erased(
        reason=AGAIN.format(at=listed.erased_at),
        keys=listed.keys,
        sealed=sealed(connection, [listed.customer], listed.keys),
        stream_id=listed.customer,
        stream_version=found[0] + 1,
        customer_id=listed.customer,
        occurred_at=datetime.now(UTC),
        actor_kind="system",
        actor_id="vault",
        command_id=uuid5(RETURNED, f"{listed.customer} {head(connection)}"),
    )
    body = canonical.body(event, vault.sealed(event))
    fingerprint = vault.fingerprint(body)
    commit = Commit.of(event.command_id, fingerprint, event.stream_id, [body], {})
    (answer,) = append(connection, [commit])
    assert answer.first is not None, f"nobody else could enter anything, and yet it is a {answer.outcome}"
    vault.destroy(connection, answer.first, answer.first)
