"""Explaining a row: the entries that made it, in the order in which they are folded, each with what it changed.

The row is folded as it stands at a cut, and not as its history once was: a void entry is told of and changes nothing,
an amended one changes what it says as amended, and the entries of a merged customer count for the one it became part
of. What a row looked like before a correction is asked for as of then.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Connection

from domain.event import ENVELOPE, Event, marked
from domain.rule import NOT_FOUND, Rule

from .concerned import counted, entered
from .corrections import VOIDED, marks
from .cut import Cut
from .folding import Step, steps, taken
from .model import ReadModel, columns
from .refolding import links_for

STEPS_MAX = 2_000
"""Why: nobody reads more, and each step may tell a whole list before and after."""

TOO_LONG = Rule(
    "EXPLAIN_TOO_LONG", "More than {most} entries made this row; ask as of an earlier moment.", field="asOf"
)
BAD_KEY = Rule("EXPLAIN_BAD_KEY", "A row of {model} is named by its {column}, {kind}, not by {key}.", field="key")
MERGED = Rule("EXPLAIN_MERGED", "This customer was merged into {survivor}; ask for that one.", field="key")

State = dict[str, Any]


class Change(NamedTuple):
    """What an entry changed in a row, in plain values."""

    field: str
    before: Any
    after: Any


class Explained(NamedTuple):
    """One entry and what it did to a row."""

    entry: Event
    """The entry as it was entered, personal fields sealed."""
    changes: Sequence[Change]
    voided_by: int | None
    """The position of the entry that declared this one void; then it changes nothing, unless the model marks it."""
    amended_by: int | None
    """The position of the last entry that stated fields of this one anew; the changes are those of what it says now."""
    entered_for: UUID | None
    """The customer it was entered for, where that one was merged into another since."""
    error: str | None
    """Why it could not be folded; then no later entry was, either."""


def key_of(model: type[ReadModel], text: str) -> Any:
    """The key that a text names; refuses ``EXPLAIN_BAD_KEY``."""
    kind = columns(model)[model.spec.key]
    try:
        return msgspec.convert(text, kind, strict=False)
    except msgspec.ValidationError:
        kinds = {UUID: "a UUID", int: "a whole number"}
        BAD_KEY.refuse(
            model=model.spec.name, column=model.spec.key, kind=kinds.get(kind, "a text"), key=f"{text!r:.60}"
        )


def explain(connection: Connection[Any], model: type[ReadModel], key: Any, cut: Cut) -> list[Explained]:
    """The entries that made the row of a key as a cut has it, in the order of the model's folds.

    Refuses ``NOT_FOUND`` where none concerns the key, ``EXPLAIN_MERGED``, and ``EXPLAIN_TOO_LONG``.
    """
    links = links_for(connection, model, cut)
    if model.spec.by == "customer_id":
        MERGED.refuse_if(links.root(key) != key, survivor=links.root(key))
    many = counted(connection, model, [key], cut, links, STEPS_MAX + 1)
    TOO_LONG.refuse_if(many > STEPS_MAX, most=STEPS_MAX)
    raw, known = entered(connection, model, [key], cut, links, ENVELOPE)
    todo: dict[int, list[Step]] = {}
    for step in steps(model, known._replace(void={}).applied(model, raw), cut.occurred_until):
        if step.key == key:
            todo.setdefault(step.entry.position, []).append(step)
    NOT_FOUND.refuse_if(not todo, kind=f"row of {model.spec.name}", id=key)
    void = {} if marks(model, VOIDED) else known.void
    done = _done(model, {position: () if position in void else of for position, of in todo.items()})
    as_entered = {entry.position: entry for entry in raw}
    return [
        Explained(
            entry=as_entered[position],
            changes=changes,
            voided_by=known.void.get(position),
            amended_by=known.amended.get(position),
            entered_for=_entered_for(as_entered[position], todo[position][0].entry),
            error=error,
        )
        for position, changes, error in done
    ]


def _done(model: type[ReadModel], todo: Mapping[int, Sequence[Step]]) -> Iterable[tuple[int, list[Change], str | None]]:
    """What the steps of each entry change, up to one that fails."""
    row: ReadModel | None = None
    before: State = {}
    for position, of_entry in todo.items():
        try:
            for step in of_entry:
                row = taken(model, row, step)
        except Exception as error:  # noqa: BLE001  (whatever a fold raises, it is told)
            yield position, [], f"{type(error).__name__}: {error}"
            return
        after = state(row) or {}
        yield position, changes(before, after), None
        before = after


def _entered_for(entry: Event, seen: Event) -> UUID | None:
    return entry.customer_id if entry.customer_id != seen.customer_id else None


def state(row: ReadModel | None) -> State | None:
    """What a row says in plain values, without its key and without personal text, which is told with the entries."""
    if row is None:
        return None
    return {column: _plain(getattr(row, column)) for column in _told(type(row))}


def changes(before: State, after: State) -> list[Change]:
    """The columns that differ between two states of a row, either of which may be empty."""
    told = (Change(column, before.get(column), after.get(column)) for column in (after or before))
    # A column that was never set says nothing by being empty.
    return [change for change in told if change.before != change.after and (before or change.after)]


@cache
def _told(model: type[ReadModel]) -> list[str]:
    """The columns whose change says something that may be said."""
    return [
        column
        for column, hint in columns(model).items()
        # What holds just anything, such as the fields of an entry, may hold personal text as well.
        if column != model.spec.key and not marked(hint, "sealed") and not _holds_anything(hint)
    ]


def _holds_anything(hint: Any) -> bool:
    return get_origin(hint) is dict and Any in get_args(hint)


def _plain(value: Any) -> Any:
    if isinstance(value, Struct):
        return {field: _plain(getattr(value, field)) for field in _clear_fields(type(value))}
    if isinstance(value, list):
        return [_plain(item) for item in value]
    return msgspec.to_builtins(value, builtin_types=(datetime,))


@cache
def _clear_fields(struct: type[Struct]) -> list[str]:
    hints = get_type_hints(struct, include_extras=True)
    return [field for field in struct.__struct_fields__ if not marked(hints[field], "sealed")]
