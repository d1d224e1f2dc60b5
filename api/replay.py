"""Replaying a case: its entries one after the other, with what each one changed.

The same fold that posts the case register is run over the case's own entries, its remedies' and its touchpoints', as
they stood at a position of the ledger. So the last step shows what the register shows, and each one before it what
was known then.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, NamedTuple, NoReturn
from uuid import UUID

import msgspec
from psycopg import Connection, sql

from domain.aggregate import standing
from domain.event import Event, marked
from domain.rule import NOT_FOUND, Rule
from ledger.reading import decoded_lines, line
from ledger.vault import Vault, personal_fields
from projections.case_register import CaseRegister
from projections.engine.as_of import AsOf, resolve
from projections.engine.model import columns, fold

STEPS_MAX = 2_000
"""Why: the longest real cases have some hundred entries; beyond this something else is wrong than the case."""
TOO_LONG = Rule("CASE_TOO_LONG", "The case has more than {most} entries; replay it up to an earlier position.")
NOT_YET = Rule(
    "CASE_NOT_YET_KNOWN", "The case {id} was not known yet at position {asked}; its first entry is at {first}."
)
PASSED_OVER = {"case_id", "version", "last_at"}
"""Columns that follow from the entry itself, so that telling their change says nothing."""

ENTRIES = (
    sql.SQL(
        "SELECT string_agg(line, E'\\n' ORDER BY position) FROM (SELECT position, {line} AS line FROM ledger.entries"
        " WHERE case_id = %(case)s AND (%(at)s::bigint IS NULL OR position <= %(at)s)"
        " ORDER BY position LIMIT %(most)s) AS entered"
    )
    .format(line=line())
    .as_string()
)

State = dict[str, Any]


class Change(NamedTuple):
    """What an entry changed in the case, in plain values."""

    field: str
    before: Any
    after: Any


class Step(NamedTuple):
    """One entry and what it did to the case."""

    entry: Event
    before: State | None
    """The case register's row before it, in plain values; ``None`` before the case was opened."""
    after: State | None
    changes: Sequence[Change]
    voided_by: int | None
    """The position of a later entry that declared this one void."""


def replay(connection: Connection[Any], case_id: UUID, at_position: int | None = None) -> list[Step]:
    """The steps of a case, up to a position where one is given, with personal fields sealed.

    Refuses ``NOT_FOUND``, ``CASE_NOT_YET_KNOWN`` where there was no such case then, ``CASE_TOO_LONG``, and what
    :func:`~projections.engine.as_of.resolve` does of a position.
    """
    if at_position is not None:
        resolve(connection, AsOf(position=at_position))
    params = {"case": case_id, "at": at_position, "most": STEPS_MAX + 1}
    row = connection.execute(ENTRIES.encode(), params).fetchone()
    entries = decoded_lines(row[0].encode()) if row and row[0] else []
    if not entries:
        _refuse_unknown(connection, case_id, at_position)
    TOO_LONG.refuse_if(len(entries) > STEPS_MAX, most=STEPS_MAX)
    voided = {entry.voids: entry.position for entry in entries if entry.voids is not None}
    return [step._replace(voided_by=voided.get(step.entry.position)) for step in _steps(case_id, entries)]


def _refuse_unknown(connection: Connection[Any], case_id: UUID, at_position: int | None) -> NoReturn:
    known = connection.execute("SELECT min(position) FROM ledger.entries WHERE case_id = %s", (case_id,)).fetchone()
    NOT_FOUND.refuse_if(known is None or known[0] is None, kind="case", id=case_id)
    assert known is not None
    NOT_YET.refuse(id=case_id, asked=at_position, first=known[0])


def _steps(case_id: UUID, entries: Sequence[Event]) -> Iterator[Step]:
    row, before = None, None
    for number, entry in enumerate(entries):
        if entry.voids is None and entry.amends is None:
            row = fold(CaseRegister, case_id, [entry], row)
        else:
            # An earlier entry counts otherwise from here on, so the case is folded once more.
            row = fold(CaseRegister, case_id, standing(entries[: number + 1]))
        after = None if row is None else msgspec.to_builtins(row, builtin_types=(datetime,))
        yield Step(entry, before, after, _changes(before or {}, after or {}), None)
        before = after


def _changes(before: State, after: State) -> list[Change]:
    told = (Change(field, before.get(field), after.get(field)) for field in columns(CaseRegister) if _tells(field))
    # A column that was never set says nothing by being empty.
    return [change for change in told if change.before != change.after and (before or change.after)]


def _tells(field: str) -> bool:
    """Whether a change of a column says something; personal text is told with the entry it came with."""
    return field not in PASSED_OVER and not marked(columns(CaseRegister)[field], "sealed")


def opened(vault: Vault, steps: Sequence[Step]) -> list[Step]:
    """The steps with the personal fields of their entries in clear, null where the person was erased."""
    sealed = [
        (number, field, value)
        for number, step in enumerate(steps)
        for field in personal_fields(type(step.entry))
        if (value := getattr(step.entry, field)) is not None
    ]
    clear: dict[int, dict[str, str | None]] = {}
    texts = vault.open_many([(field, value) for _, field, value in sealed])
    for (number, field, _), text in zip(sealed, texts, strict=True):
        clear.setdefault(number, {})[field] = text
    return [
        step._replace(entry=msgspec.structs.replace(step.entry, **clear.get(number, {})))
        for number, step in enumerate(steps)
    ]
