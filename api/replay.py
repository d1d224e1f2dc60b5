"""Replaying a case: its entries one after the other, with what each one changed.

The same fold that posts the case register is run over the case's own entries, its remedies' and its touchpoints', as
they stood at a position of the ledger, and over the merges of its customer. So the last step shows what the register
shows, and each one before it what was known then.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

from psycopg import Connection, sql

from domain.aggregate import standing
from domain.command import Actor
from domain.customer import Customer
from domain.event import Event
from domain.look import LookPurpose
from domain.rule import NOT_FOUND, Rule
from ledger.reading import gathered, line
from projections.case_register import CaseRegister
from projections.engine.as_of import AsOf, resolve
from projections.engine.explaining import Change, State, changes, state
from projections.engine.kept import Merges
from projections.engine.links import MERGING, Links
from projections.engine.model import ReadModel, fold

from .opening import looked_at
from .wiring import Desk

STEPS_MAX = 2_000
"""Why: the longest real cases have some hundred entries; beyond this something else is wrong than the case."""
TOO_LONG = Rule("CASE_TOO_LONG", "The case has more than {most} entries; replay it up to an earlier position.")
NOT_YET = Rule(
    "CASE_NOT_YET_KNOWN", "The case {id} was not known yet at position {asked}; its first entry is at {first}."
)
PASSED_OVER = {"version", "last_at"}
"""Columns that follow from the entry itself, so that telling their change says nothing."""

READ = """
    SELECT string_agg(line, E'\\n' ORDER BY position) FROM (
        SELECT position, {line} AS line FROM ledger.entries
         WHERE {which} AND (%(at)s::bigint IS NULL OR position <= %(at)s)
         ORDER BY position LIMIT %(most)s) AS entered"""
OF_CASE = "case_id = %(case)s"
OF_MERGES = """
    type IN ('Customer.Merged', 'Customer.Unmerged') AND stream_id IN (
        WITH RECURSIVE whose (id) AS (
            SELECT customer_id FROM ledger.entries WHERE case_id = %(case)s
             UNION
            SELECT (data ->> 'survivor_id')::uuid FROM ledger.entries JOIN whose ON stream_id = id
             WHERE type = 'Customer.Merged')
        SELECT id FROM whose)"""


class Step(NamedTuple):
    """One entry and what it did to the case, or to the customer."""

    entry: Event
    before: State | None
    """The row before it, in plain values; ``None`` before the case was opened."""
    after: State | None
    changes: Sequence[Change]
    voided_by: int | None = None
    """The position of a later entry that declared this one void."""
    amended_by: int | None = None
    """The position of the last later entry that stated fields of this one anew."""


def replay(connection: Connection[Any], case_id: UUID, at_position: int | None = None) -> list[Step]:
    """The steps of a case, up to a position where one is given, with personal fields sealed.

    Refuses ``NOT_FOUND``, ``CASE_NOT_YET_KNOWN`` where there was no such case then, ``CASE_TOO_LONG``, and what
    :func:`~projections.engine.as_of.resolve` does of a position.
    """
    if at_position is not None:
        resolve(connection, AsOf(position=at_position))
    params = {"case": case_id, "at": at_position}
    entries = _read(connection, sql.SQL(OF_CASE), params | {"most": STEPS_MAX + 1})
    if not entries:
        _refuse_unknown(connection, case_id, at_position)
    TOO_LONG.refuse_if(len(entries) > STEPS_MAX, most=STEPS_MAX)
    merges = _read(connection, sql.SQL(OF_MERGES), params | {"most": None})
    return unfolded(CaseRegister, case_id, [*entries, *merges])


def unfolded(model: type[ReadModel], key: UUID, entries: Sequence[Event], *, every: bool = False) -> list[Step]:
    """What entries did to the row of a key, one after the other; merges that did not concern it only if ``every``."""
    voided = {entry.voids: entry.position for entry in entries if entry.voids is not None}
    amended = {entry.amends: entry.position for entry in entries if entry.amends is not None}
    return [
        step._replace(voided_by=voided.get(step.entry.position), amended_by=amended.get(step.entry.position))
        for step in _steps(model, key, entries, every=every)
    ]


def _refuse_unknown(connection: Connection[Any], case_id: UUID, at_position: int | None) -> NoReturn:
    known = connection.execute("SELECT min(position) FROM ledger.entries WHERE case_id = %s", (case_id,)).fetchone()
    NOT_FOUND.refuse_if(known is None or known[0] is None, kind="case", id=case_id)
    assert known is not None
    NOT_YET.refuse(id=case_id, asked=at_position, first=known[0])


def _read(connection: Connection[Any], which: sql.SQL, params: dict[str, Any]) -> list[Event]:
    return gathered(connection, sql.SQL(READ).format(line=line(), which=which), params)


def _steps(model: type[ReadModel], key: UUID, entries: Sequence[Event], *, every: bool) -> Iterator[Step]:
    row, before = None, None
    merges, told = Merges(), list[Event]()
    links = Links(merges)
    for entry in sorted(entries, key=lambda entry: entry.position):
        if isinstance(entry, MERGING):
            survivor = entry.survivor_id if isinstance(entry, Customer.Merged) else None
            merges.tell(entry.position, entry.stream_id, survivor)
            links, earlier = Links(merges, entry.position), links
            if not every and not any(links.root(of) != earlier.root(of) for each in told if (of := each.customer_id)):
                continue
        else:
            told.append(entry)
        if isinstance(entry, MERGING) or entry.voids is not None or entry.amends is not None:
            # Earlier entries count otherwise from here on, so the case is folded once more.
            row = fold(model, key, links.redirected(standing(told)))
        else:
            row = fold(model, key, links.redirected([entry]), row)
        after = state(row)
        done = [change for change in changes(before or {}, after or {}) if change.field not in PASSED_OVER]
        yield Step(entry, before, after, done)
        before = after


def opened(desk: Desk, steps: Sequence[Step], actor: Actor, case_id: UUID) -> list[Step]:
    """The steps with the personal fields of their entries in clear, null where erased; the actor's look is noted."""
    entries = looked_at(desk, [step.entry for step in steps], actor, LookPurpose.REPLAY, f"case {case_id}")
    return [step._replace(entry=entry) for step, entry in zip(steps, entries, strict=True)]
