"""Refolding: one key's row anew from its entries, where folding on from the row that stands would be wrong.

That is so when an earlier entry was declared void, and when a fold failed. A key is refolded up to the very position
its build moves on to, so that the rows are the same in whatever batches the entries were posted, and after a rebuild.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import cache
from typing import Any, NamedTuple

from psycopg import Connection, sql

from domain.entry import Entry
from domain.event import ENVELOPE, Event
from ledger.reading import decoded, line

from .folding import steps
from .model import ReadModel, envelope_needed, fold, folds

VOIDED = "voided_position"
"""The field by which a void names the entry it speaks of."""


class Failure(NamedTuple):
    """The entry a fold could not take, by its position, and the error."""

    position: int
    error: Exception


class Refolded(NamedTuple):
    """A row folded anew, up to the entry that failed where one did; ``None`` when no entry concerns the key."""

    row: ReadModel | None
    failure: Failure | None


def refold(
    connection: Connection[Any],
    model: type[ReadModel],
    key: Any,
    to: int,
    check: Callable[[ReadModel], None] = lambda _row: None,
) -> Refolded:
    """One key's row from the ledger as it stood at position ``to``, without the entries that were void by then.

    ``check`` may raise for a row that cannot be kept; that counts as the failure of the entry that made it so.
    """
    rows = connection.execute(_query(model), {"key": key, "to": to})
    entries = [decoded(text) for (text,) in rows.fetchall()]
    row = None
    for number, entry in enumerate(entries):
        try:
            row = fold(model, key, [entry], row)
            if row is not None:
                check(row)
        except Exception as error:  # noqa: BLE001  (whatever a fold raises, the key is set aside with it)
            # The failed handler may have changed half of the row, so it is made once more, without that entry.
            return Refolded(fold(model, key, entries[:number]), Failure(entry.position, error))
    return Refolded(row, None)


def marks_voids(model: type[ReadModel]) -> bool:
    """Whether a model keeps voided entries and marks them itself; from all others they are taken out."""
    return any(handler.key == VOIDED for handler in folds(model).get(Entry.Voided, ()))


def voided_by(connection: Connection[Any], model: type[ReadModel], to: int) -> frozenset[int]:
    """The positions of the entries that are to be left out of a model, being void at position ``to``."""
    if marks_voids(model):
        return frozenset()
    query = (
        "SELECT (data ->> 'voided_position')::bigint FROM ledger.entries WHERE type = 'Entry.Voided' AND position <= %s"
    )
    return frozenset(position for (position,) in connection.execute(query, (to,)))


def keys_to_refold(connection: Connection[Any], model: type[ReadModel], entries: Iterable[Event]) -> set[Any]:
    """The keys whose earlier entries count otherwise because of the given new ones."""
    if marks_voids(model):
        return set()
    concerned = {kind.type_name for kind in folds(model)}
    voids = (entry for entry in entries if isinstance(entry, Entry.Voided) and entry.voided_type in concerned)
    voided = [void.voided_position for void in voids]
    return {step.key for step in steps(model, _entries_at(connection, model, voided))} if voided else set()


def _entries_at(connection: Connection[Any], model: type[ReadModel], positions: Sequence[int]) -> list[Event]:
    query = sql.SQL("SELECT {} FROM ledger.entries WHERE position = ANY(%s)").format(line(envelope_needed(model)))
    return [decoded(text) for (text,) in connection.execute(query, (positions,)).fetchall()]


@cache
def _query(model: type[ReadModel]) -> str:
    """The statement for the entries of one key; what it gives too much, the fold passes over."""
    kinds: dict[str, list[str]] = {}
    for kind, handlers in folds(model).items():
        for handler in handlers:
            kinds.setdefault(handler.key, []).append(kind.type_name)
    of_key = [
        sql.SQL("({field} = {key} AND type = ANY({types}))").format(
            field=sql.Identifier(field) if field in ENVELOPE else sql.SQL("data ->> {}").format(field),
            key=sql.SQL("%(key)s" if field in ENVELOPE else "%(key)s::text"),
            types=sorted(set(types)),
        )
        for field, types in sorted(kinds.items())
    ]
    without_voided = sql.SQL(
        " AND NOT EXISTS (SELECT FROM ledger.entries void WHERE void.type = 'Entry.Voided'"
        " AND void.data ->> 'voided_position' = entry.position::text AND void.position <= %(to)s)"
    )
    return (
        sql.SQL(
            "SELECT {line} FROM ledger.entries entry WHERE position <= %(to)s AND ({of_key}){without_voided}"
            " ORDER BY position"
        )
        .format(
            line=line(envelope_needed(model)),
            of_key=sql.SQL(" OR ").join(of_key),
            without_voided=sql.SQL("") if marks_voids(model) else without_voided,
        )
        .as_string()
    )
