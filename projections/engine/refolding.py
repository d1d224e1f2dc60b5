"""Refolding: some keys' rows anew from their entries, where folding on from the rows that stand would be wrong.

That is so when an earlier entry was voided or amended, when customers were merged or a merge was undone, when a person
was erased, when an entry comes late in a model's order, and when a fold failed. Keys are refolded up to the very
position their build moves on to, so that the rows are the same in whatever batches the entries were posted, and after a
rebuild.
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection, sql

from domain.event import Event
from ledger.forgetting import speaking_of
from ledger.reading import gathered, line

from .concerned import entered
from .corrections import AMENDED, VOIDED, corrections_of, follows_merges, marks
from .cut import Cut
from .folding import Step, steps, taken
from .forgotten import ERASING, sealed_seen
from .kept import Merges
from .links import NOBODY, Links, linked_in
from .model import ReadModel, envelope_needed, folds

KEYS_AT_ONCE = 1_000
"""Why: the entries of so many keys are held in memory together, usually some ten thousand."""
AT, OF_CUSTOMERS = sql.SQL("position = ANY(%(asked)s)"), sql.SQL("customer_id = ANY(%(asked)s)")


class Failure(NamedTuple):
    """The entry a fold could not take, by its position, and the error."""

    position: int
    error: Exception


class Refolded(NamedTuple):
    """A row folded anew, up to the entry that failed where one did; ``None`` when no entry concerns the key."""

    row: ReadModel | None
    failure: Failure | None


Check = Callable[[ReadModel], None]


def refold(
    connection: Connection[Any], model: type[ReadModel], keys: Iterable[Any], cut: Cut, check: Check | None = None
) -> dict[Any, Refolded]:
    """The rows of some keys from the ledger as the cut has it, by key.

    ``check`` may raise for a row that cannot be kept; that counts as the failure of the entry that made it so.
    """
    links = links_for(connection, model, cut)
    found: dict[Any, Refolded] = {}
    wanted = list(dict.fromkeys(keys))
    for start in range(0, len(wanted), KEYS_AT_ONCE):
        some = wanted[start : start + KEYS_AT_ONCE]
        todo: dict[Any, list[Step]] = {key: [] for key in some}
        for step in steps(model, entries_of(connection, model, some, cut, links), cut.occurred_until):
            of_key = todo.get(step.key)
            if of_key is not None:
                of_key.append(step)
        found |= {key: _folded(model, of_key, check) for key, of_key in todo.items()}
    return found


def refold_all(
    connection: Connection[Any], model: type[ReadModel], cut: Cut, check: Check | None = None
) -> dict[Any, Refolded]:
    """The rows of all keys from the ledger as the cut has it, by key; all of their entries are held in memory."""
    entries, known = entered(connection, model, None, cut, links_for(connection, model, cut))
    todo: dict[Any, list[Step]] = {}
    for step in steps(model, known.applied(model, entries), cut.occurred_until):
        todo.setdefault(step.key, []).append(step)
    return {key: _folded(model, of_key, check) for key, of_key in todo.items()}


def links_for(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> Links:
    """The merges a model's folds are to follow at a cut, and the erasures they are to know of."""
    if follows_merges(model):
        return Links.at(connection, cut.position)
    if sealed_seen(model):
        return Links(Merges(), cut.position, Links.at(connection, cut.position).forgotten)
    return NOBODY


def _folded(model: type[ReadModel], todo: Sequence[Step], check: Check | None) -> Refolded:
    row: ReadModel | None = None
    for number, step in enumerate(todo):
        try:
            row = taken(model, row, step)
            if check and row is not None:
                check(row)
        except Exception as error:  # noqa: BLE001  (whatever a fold raises, the key is set aside with it)
            # The failed handler may have changed half of the row, so it is made once more, without that entry.
            position, row = step.entry.position, None
            for before in todo[:number]:
                if before.entry.position != position:
                    row = taken(model, row, before)
            return Refolded(row, Failure(position, error))
    return Refolded(row, None)


def entries_of(
    connection: Connection[Any], model: type[ReadModel], keys: Sequence[Any], cut: Cut, links: Links
) -> Collection[Event]:
    """The entries that concern some keys, as the model's folds see them, by position; it may be some more."""
    entries, known = entered(connection, model, keys, cut, links)
    return known.applied(model, entries)


def keys_to_refold(
    connection: Connection[Any], model: type[ReadModel], entries: Sequence[Event], after: int, links: Links
) -> set[Any]:
    """The keys whose entries up to position ``after`` count otherwise because of the given later ones."""
    found: set[Any] = set()
    if targets := _corrected(model, entries):
        told = _entries(connection, model, AT, targets)
        for position in (after, entries[-1].position):
            known = corrections_of(connection, targets, position, links)._replace(void={})
            found |= {step.key for step in steps(model, known.applied(model, told))}
    if follows_merges(model) and (linked := linked_in(entries)):
        found |= _moved(connection, model, linked, Links.at(connection, after), links)
    if erased := [key for entry in entries if isinstance(entry, ERASING) for key in entry.keys]:
        told = _entries(connection, model, speaking_of("asked"), erased, sealed_seen(model))
        known = corrections_of(connection, [entry.position for entry in told], entries[-1].position, links)
        found |= {step.key for step in steps(model, known._replace(void={}).applied(model, told))}
    return found


def _corrected(model: type[ReadModel], entries: Iterable[Event]) -> list[int]:
    """The positions of the entries that the given ones correct, of those that concern the model."""
    concerned = {kind.type_name for kind in folds(model)}
    found: list[int] = []
    for entry in entries:
        if entry.voids is not None and not marks(model, VOIDED) and entry.voided_type in concerned:  # type: ignore[attr-defined]
            found.append(entry.voids)
        if entry.amends is not None and not marks(model, AMENDED) and entry.amended_type in concerned:  # type: ignore[attr-defined]
            found.append(entry.amends)
    return found


def _moved(
    connection: Connection[Any], model: type[ReadModel], linked: Iterable[UUID], before: Links, now: Links
) -> set[Any]:
    """The keys that entries of merged or unmerged customers counted for, and those they count for now."""
    moved = now.moved_since(before, linked)
    if not moved:
        return set()
    if model.spec.by == "customer_id":
        return {root for customer in moved for root in (before.root(customer), now.root(customer))}
    told = _entries(connection, model, OF_CUSTOMERS, sorted(moved))
    return {step.key for step in steps(model, now.redirected(told))}


def _entries(
    connection: Connection[Any],
    model: type[ReadModel],
    condition: sql.Composable,
    asked: Sequence[int] | Sequence[UUID],
    kinds: Iterable[type[Event]] | None = None,
) -> list[Event]:
    """The entries that a condition asks for, of the given kinds among those the model folds."""
    query = sql.SQL(
        "SELECT string_agg(line, E'\\n' ORDER BY position) FROM (SELECT position, {line} AS line FROM ledger.entries"
        " WHERE {condition} AND type = ANY(%(types)s)) AS found"
    ).format(line=line(envelope_needed(model)), condition=condition)
    params = {"asked": asked, "types": [kind.type_name for kind in (folds(model) if kinds is None else kinds)]}
    return gathered(connection, query, params)
