"""Which entries concern which keys of a read model: read, counted and found by the ledger's indexes."""

from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple

from psycopg import Connection, sql

from domain.event import ENVELOPE, Event
from ledger.reading import gathered, line

from .corrections import CORRECTING, Corrections, corrections_in, corrections_of, follows_merges
from .cut import Cut
from .links import Links
from .model import ReadModel, columns, envelope_needed, folds
from .table import postgres_type

HUBS = ("customer_id", "case_id")
"""The envelope fields by which all that concerns a customer or a case is found; each has an index."""
WITHIN = {*HUBS, "stream_id"}
"""The envelope fields that a correction shares with the entry it speaks of."""

READ = """
    SELECT string_agg(line, E'\\n' ORDER BY position) FROM (
        SELECT position, {line} AS line FROM ledger.entries
         WHERE position <= %(to)s AND ({concerned}){happened}) AS found"""
COUNT = """
    SELECT count(*) FROM (
        SELECT FROM ledger.entries
         WHERE position <= %(to)s AND ({concerned}){happened} LIMIT %(most)s) AS found"""
HANGING = """
    SELECT array_agg(DISTINCT ({by})::{kind}), count(*) FROM (
        SELECT * FROM ledger.entries
         WHERE {column} = ANY(%(keys)s) AND position <= %(to)s AND type = ANY({types}){happened}
         LIMIT %(most)s) AS found"""
# Corrections tell of what happened before, so they count whenever they were made.
HAPPENED = " AND (occurred_at <= %(until)s OR type IN ('Entry.Voided', 'Entry.Amended'))"


def entered(
    connection: Connection[Any],
    model: type[ReadModel],
    keys: Collection[Any] | None,
    cut: Cut,
    links: Links,
    fields: Iterable[str] | None = None,
) -> tuple[list[Event], Corrections]:
    """The entries that concern some keys, or any key, as they were entered, and the corrections told of them.

    They come by position, and may be some more than concern the keys. ``fields`` are the envelope fields to be read,
    by default those the model needs.
    """
    needed = frozenset(envelope_needed(model) if fields is None else fields)
    query = _reading(model, needed, keys is None, cut.occurred_until is not None)
    entries = gathered(connection, query, _parameters(model, keys, cut, links))
    if _read_along(model) and keys is not None:
        return entries, corrections_in(entries, links)
    targets = [entry.position for entry in entries if not isinstance(entry, CORRECTING)]
    return entries, corrections_of(connection, targets, cut.position, links)


def counted(
    connection: Connection[Any],
    model: type[ReadModel],
    keys: Collection[Any] | None,
    cut: Cut,
    links: Links,
    most: int,
) -> int:
    """How many entries concern some keys, or any key; counted no further than ``most``."""
    params = _parameters(model, keys, cut, links) | {"most": most}
    row = connection.execute(_counting(model, keys is None, cut.occurred_until is not None), params).fetchone()
    assert row is not None
    return int(row[0])


class Hanging(NamedTuple):
    """The keys of rows that may hang on some customers or cases."""

    keys: list[Any]
    entries: int
    """How many entries they were found from."""


def hanging(
    connection: Connection[Any],
    model: type[ReadModel],
    column: str,
    on: Collection[Any],
    cut: Cut,
    links: Links,
    most: int,
) -> Hanging:
    """The keys of the rows that may hang on some customers or cases, from no more than ``most`` of their entries.

    ``column`` is one of ``HUBS``: a row that has a customer or a case there has it from one of its own entries.
    """
    members = links.members(on) if column == "customer_id" and follows_merges(model) else list(on)
    params = {"keys": members, "to": cut.position, "until": cut.occurred_until, "most": most}
    row = connection.execute(_hanging(model, column, cut.occurred_until is not None), params).fetchone()
    assert row is not None
    return Hanging([key for key in row[0] or () if key is not None], row[1])


def _parameters(model: type[ReadModel], keys: Collection[Any] | None, cut: Cut, links: Links) -> dict[str, Any]:
    if keys is None:
        return {"to": cut.position, "until": cut.occurred_until}
    members = links.members(keys) if follows_merges(model) and model.spec.by == "customer_id" else list(keys)
    return {"keys": members, "to": cut.position, "until": cut.occurred_until}


@cache
def _read_along(model: type[ReadModel]) -> bool:
    """Whether the corrections of a key's entries are found where the entries are, without asking for them."""
    return {fold.key for handlers in folds(model).values() for fold in handlers} <= WITHIN


@cache
def _reading(model: type[ReadModel], fields: frozenset[str], whole: bool, until: bool) -> str:
    """The statement for the entries of some keys; what it gives too much, the fold passes over."""
    concerned = _any_key(model) if whole else _of_keys(model)
    return sql.SQL(READ).format(line=line(fields), concerned=concerned, happened=_happened(until)).as_string()


@cache
def _counting(model: type[ReadModel], whole: bool, until: bool) -> str:
    concerned = _any_key(model) if whole else _of_keys(model)
    return sql.SQL(COUNT).format(concerned=concerned, happened=_happened(until)).as_string()


@cache
def _hanging(model: type[ReadModel], column: str, until: bool) -> str:
    own = [kind for kind, handlers in folds(model).items() if any(fold.key == model.spec.by for fold in handlers)]
    return (
        sql.SQL(HANGING)
        .format(
            by=_field(model.spec.by),
            kind=sql.SQL(postgres_type(columns(model)[model.spec.key])),
            column=sql.Identifier(column),
            types=sorted(kind.type_name for kind in own),
            happened=_happened(until),
        )
        .as_string()
    )


def _happened(until: bool) -> sql.SQL:
    return sql.SQL(HAPPENED if until else "")


def _any_key(model: type[ReadModel]) -> sql.Composable:
    return sql.SQL("type = ANY({})").format(sorted(kind.type_name for kind in folds(model)))


def _of_keys(model: type[ReadModel]) -> sql.Composable:
    kinds: dict[str, set[str]] = {}
    for kind, handlers in folds(model).items():
        for handler in handlers:
            kinds.setdefault(handler.key, set()).add(kind.type_name)
    if _read_along(model):
        for types in kinds.values():
            types |= {kind.type_name for kind in CORRECTING}
    conditions = [
        sql.SQL("({field} = ANY({keys}) AND type = ANY({types}))").format(
            field=_field(field),
            keys=sql.SQL("%(keys)s" if field in ENVELOPE else "%(keys)s::text[]"),
            types=sorted(types),
        )
        for field, types in sorted(kinds.items())
    ]
    return sql.SQL(" OR ").join(conditions)


def _field(field: str) -> sql.Composable:
    return sql.Identifier(field) if field in ENVELOPE else sql.SQL("(data ->> {})").format(field)
