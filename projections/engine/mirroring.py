"""Mirroring: rows that repeat their entries, copied within PostgreSQL a run of positions at a time."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any
from uuid import UUID

from psycopg import Connection, sql

from domain.event import events, refuse_newer
from ledger.vault import TOLD_BY

from .builds import Build
from .corrections import Corrections, corrections, follows_merges
from .cut import Cut
from .forgotten import sealed_seen
from .links import Links
from .mirror import MARKS
from .model import ReadModel
from .table import table

INSERT = """
    INSERT INTO {table} ({columns})
    SELECT {values} FROM ledger.entries {merged}
     WHERE position BETWEEN %(first)s AND %(last)s AND position <> ALL(%(outdated)s) AND type <> ALL(%(passed)s)
       AND (%(until)s::timestamptz IS NULL OR occurred_at <= %(until)s)"""
MERGED = (
    "LEFT JOIN unnest(%(absorbed)s::uuid[], %(roots)s::uuid[]) AS merged (absorbed, root) ON absorbed = customer_id"
)
OLDER = """
    SELECT position, type, schema FROM ledger.entries
     WHERE position >= %s AND position < %s AND type || '/' || schema <> ALL(%s) ORDER BY position"""
SEALED = """
    SELECT position, left(data ->> field, %(told_by)s)
      FROM ledger.entries JOIN unnest(%(types)s::text[], %(fields)s::text[]) AS sealed (type, field) USING (type)
     WHERE position BETWEEN %(first)s AND %(last)s AND data ->> field IS NOT NULL"""
CUSTOMERS = """
    SELECT DISTINCT customer_id FROM ledger.entries
     WHERE position BETWEEN %(first)s AND %(last)s AND customer_id IS NOT NULL"""
MARK = """
    UPDATE {table} AS mirror SET {column} = correction.position
      FROM unnest(%s::bigint[], %s::bigint[]) AS correction (target, position)
     WHERE mirror.position = target"""


AT_ONCE = 5_000
"""Why: some tens of milliseconds of PostgreSQL's time, after which it can be told to stop."""

Passed = Callable[[int], None]
"""Told how many positions were passed since it was last told; may raise, which ends the work."""


def fill(
    connection: Connection[Any], wanted: Sequence[tuple[Build, Cut]], passed: Passed = lambda _positions: None
) -> dict[int, list[int]]:
    """Fill the builds of mirrors, each as its cut has the ledger.

    Gives by the id of their build the keys whose rows have to be folded anew once the rest is there.
    """
    known = {cut.position: corrections(connection, cut.position) for _, cut in wanted}
    left: dict[int, list[int]] = {build.id: [] for build, _ in wanted}
    for first in range(1, max((cut.position for _, cut in wanted), default=0) + 1, AT_ONCE):
        older = older_in(connection, range(first, first + AT_ONCE))
        for build, cut in wanted:
            run = range(first, min(first + AT_ONCE, cut.position + 1))
            links = known[cut.position].links
            left[build.id] += mirror(connection, build.declared, build.table, run, cut, links, older)
            passed(len(run))
    for build, cut in wanted:
        mark(connection, build.declared, build.table, known[cut.position])
    return left


def older_in(connection: Connection[Any], run: range) -> list[int]:
    """The positions of the entries of a run that have another form than today's.

    Raises :class:`~domain.event.UnknownSchema` for an entry of a newer Daybook.
    """
    found = []
    for position, kind, schema in connection.execute(OLDER, (run.start, run.stop, _known())):
        refuse_newer(kind, schema)
        found.append(position)
    return found


def mirror(
    connection: Connection[Any],
    model: type[ReadModel],
    name: str,
    run: range,
    cut: Cut,
    links: Links,
    older: Iterable[int],
) -> list[int]:
    """Copy the entries of a run of positions into a build's table, without marks, as a cut has them.

    Gives the positions of entries that are no copies, and have to be folded one by one: those in an ``older`` form than
    today's, and those that hold what was sealed of a person who was erased.
    """
    if not run:
        return []
    first, last = run[0], run[-1]
    outdated = [position for position in older if position in run]
    outdated += _forgotten(connection, model, run, links)
    absorbed = _absorbed(connection, run, links) if follows_merges(model) else []
    roots = [links.root(customer) for customer in absorbed]
    passed = [event.type_name for event in model.spec.passes_over]
    given = {"first": first, "last": last, "outdated": outdated, "passed": passed, "until": cut.occurred_until}
    connection.execute(_inserting(model, name, bool(absorbed)), given | {"absorbed": absorbed, "roots": roots})
    return outdated


def mark(connection: Connection[Any], model: type[ReadModel], name: str, known: Corrections) -> None:
    """Mark the rows of corrected entries, as far as they are there."""
    corrected: Mapping[str, Mapping[int, int]] = {"voided_by": known.void, "amended_by": known.amended}
    for column in MARKS.keys() & set(model.__struct_fields__):
        if by := corrected[column]:
            statement = sql.SQL(MARK).format(table=table(name), column=sql.Identifier(column))
            connection.execute(statement, (list(by.keys()), list(by.values())))


def _forgotten(connection: Connection[Any], model: type[ReadModel], run: range, links: Links) -> set[int]:
    seen = [(kind.type_name, field) for kind, fields in sealed_seen(model).items() for field in fields]
    if not links.forgotten or not seen:
        return set()
    types, fields = map(list, zip(*seen, strict=True))
    told = {"first": run[0], "last": run[-1], "types": types, "fields": fields, "told_by": TOLD_BY}
    return {position for position, value in connection.execute(SEALED, told) if links.forgotten.has_key_of(value)}


def _absorbed(connection: Connection[Any], run: range, links: Links) -> list[UUID]:
    """The merged customers that entries of the run may be of: all, or where they are more, only those that are."""
    if len(links) <= len(run):
        return links.absorbed()
    return links.absorbed(each for (each,) in connection.execute(CUSTOMERS, {"first": run[0], "last": run[-1]}))


def _known() -> list[str]:
    """The forms of entries as they are declared today."""
    return [f"{name}/{event.schema}" for name, event in events().items()]


def _inserting(model: type[ReadModel], name: str, merged: bool) -> sql.Composed:
    repeated = [column for column in model.__struct_fields__ if column not in MARKS]
    values = [
        sql.SQL("coalesce(root, customer_id)") if merged and column == "customer_id" else sql.Identifier(column)
        for column in repeated
    ]
    return sql.SQL(INSERT).format(
        table=table(name),
        columns=sql.SQL(", ").join(map(sql.Identifier, repeated)),
        values=sql.SQL(", ").join(values),
        merged=sql.SQL(MERGED if merged else ""),
    )
