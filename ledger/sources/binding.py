"""The events of a mapping, bound to the catalogue of events and to the columns of a file."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from difflib import get_close_matches
from typing import Any, NamedTuple, get_type_hints

import msgspec
from msgspec import inspect

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event, events, payload_fields, personal_fields
from domain.policy import Policy

from .faults import Unfit
from .mapping import Condition, EventForm, Value, columns_of
from .values import Extract, Table, Values, essence, extract, key_text, origin

FieldOf = Callable[[Sequence[Values]], Any]
"""Gives a field's value from the rows of a record, ``None`` where it is blank; raises :class:`Unfit`."""
Key = Callable[[Values], str]
"""Gives the text that names a thing, empty where it is not named."""

NOT_TOLD = (Policy, Entry)
"""Policies and corrections are made here, by people with the right to; no other system tells of them."""
ONLY_HERE = (Customer.Erased,)
"""Events that are entered only together with what they say."""


class Sum(NamedTuple):
    """A field that adds up another over a list."""

    field: str
    items: str
    part: str


class BoundEvent(NamedTuple):
    """One ``[[event]]``, ready to be taken from records."""

    number: int
    """Which ``[[event]]`` of the mapping, from 1."""
    event: type[Event]
    tests: Sequence[Callable[[Values], bool]]
    stream: Key | None
    """Names the thing it happened to; ``None`` means the record."""
    case: Key | None
    """Names the case that an event of another thing belongs to."""
    case_of_record: bool
    """Whether that is the record's."""
    customer: bool
    fields: Sequence[tuple[str, FieldOf]]
    """When it happened, and what it says."""
    sums: Sequence[Sum]
    personal_columns: frozenset[str]
    """The columns its personal fields are taken from."""


def bound_event(number: int, form: EventForm, table: Table) -> BoundEvent:
    """Bind an ``[[event]]``; raises :class:`SourceError` where it does not fit the catalogue or the file."""
    key = key_of(number, form)
    event = _event(form.type, table, key)
    occurred_at = form.occurred_at if form.occurred_at is not None else table.named.mapping.occurred_at
    if occurred_at is None:
        table.wrong(key, "say occurred_at here, or for the whole mapping.")
    if event.aggregate is Customer:
        if table.named.mapping.customer is None or not form.customer:
            table.wrong(key, "it is about a customer; say in [customer] which column names them.")
        if form.stream is not None:
            table.wrong(f"{key}, stream", "what happens to a customer is in the customer's own stream; leave it out.")
    case = None if isinstance(form.case, bool) else key_text(columns_of(form.case), table, f"{key}, case")
    if event.aggregate is Case and form.case is not False:
        table.wrong(f"{key}, case", "an event of a case belongs to the case its stream names; leave it out.")
    happened = _of_first(extract(occurred_at, datetime, table, f"{key}, occurred_at"))
    fields, sums = bound_fields(event, _with_currency(event, form.fields, table), table, key)
    return BoundEvent(
        number=number,
        event=event,
        tests=[_test(column, condition, table, key) for column, condition in form.when.items()],
        stream=None if form.stream is None else key_text(columns_of(form.stream), table, f"{key}, stream"),
        case=case,
        case_of_record=form.case is True,
        customer=form.customer,
        fields=[("occurred_at", happened), *fields],
        sums=sums,
        personal_columns=personal_columns(event, form.fields),
    )


def key_of(number: int, form: EventForm) -> str:
    """What an ``[[event]]`` is called where it is at fault."""
    return f"event {number} ({form.type})"


def bound_fields(
    event: type[Event], fields: Mapping[str, str | Value], table: Table, key: str
) -> tuple[list[tuple[str, FieldOf]], list[Sum]]:
    """Bind the fields of an event: those that are taken from the rows, and those that add up others."""
    hints = get_type_hints(event, include_extras=True)
    _check_names(event, payload_fields(event), fields, table, key)
    bound: list[tuple[str, FieldOf]] = []
    sums: list[Sum] = []
    for name, value in fields.items():
        at = f"{key}, fields.{name}"
        if isinstance(value, Value) and (kind := origin(value, table, at)) in ("rows", "sum"):
            if kind == "rows":
                bound.append((name, _items(value.rows or {}, hints[name], table, at)))
            else:
                sums.append(_sum(name, value.sum or "", hints, fields, table, at))
        else:
            bound.append((name, _of_first(extract(value, hints[name], table, at))))
    return bound, sums


def personal_columns(event: type[Event], fields: Mapping[str, str | Value]) -> frozenset[str]:
    """The columns that fill the personal fields of an event."""
    found: set[str] = set()
    for name in personal_fields(event):
        match fields.get(name):
            case str(column) | Value(column=str(column)):
                found.add(column)
            case Value(columns=list(columns)):
                found.update(columns)
    return frozenset(found)


def _event(name: str, table: Table, key: str) -> type[Event]:
    told = {name: event for name, event in events().items() if _told(event)}
    if name == Customer.Registered.type_name:
        table.wrong(key, "a customer is registered by [customer]; put its fields under [customer.fields].")
    if name not in told:
        meant = get_close_matches(name, told, n=1)
        hint = f"did you mean {meant[0]}?" if meant else f"there are {', '.join(sorted(told))}."
        table.wrong(key, f"there is no such event to import; {hint}")
    return told[name]


def _told(event: type[Event]) -> bool:
    return event.aggregate not in NOT_TOLD and event not in ONLY_HERE


def _with_currency(event: type[Event], fields: Mapping[str, str | Value], table: Table) -> Mapping[str, str | Value]:
    currency = table.named.mapping.currency
    if currency is None or "currency" not in payload_fields(event):
        return fields
    return {"currency": currency, **fields}


def _check_names(
    shape: type[msgspec.Struct], allowed: Sequence[str], fields: Mapping[str, object], table: Table, key: str
) -> None:
    for name in fields:
        if name not in allowed:
            meant = get_close_matches(name, allowed, n=1)
            hint = f"did you mean {meant[0]}?" if meant else f"it has {', '.join(allowed) or 'none'}."
            table.wrong(f"{key}, fields.{name}", f"there is no such field; {hint}")
    for field in msgspec.structs.fields(shape):
        if field.name in allowed and field.required and field.name not in fields:
            table.wrong(key, f"the field {field.name} is required; say where it comes from.")


def _of_first(take: Extract) -> FieldOf:
    return lambda rows: take(rows[0])


def _items(fields: Mapping[str, str | Value], hint: Any, table: Table, key: str) -> FieldOf:
    """The function that makes a list with an item for each row."""
    shape = _item_shape(hint)
    if shape is None:
        table.wrong(key, "rows goes into a field that is a list of lines.")
    hints = get_type_hints(shape, include_extras=True)
    _check_names(shape, shape.__struct_fields__, fields, table, key)
    parts = [(name, extract(value, hints[name], table, f"{key}.{name}")) for name, value in fields.items()]

    def item(values: Values) -> dict[str, Any]:
        return {name: found for name, take in parts if (found := take(values)) is not None}

    def items(rows: Sequence[Values]) -> list[dict[str, Any]]:
        made: list[dict[str, Any]] = []
        try:
            for values in rows:
                made.append(item(values))  # noqa: PERF401  (its length tells where it stopped)
        except Unfit as unfit:
            raise Unfit(f"row {len(made) + 1} of the record: {unfit}" if len(rows) > 1 else str(unfit)) from None
        return made

    return items


def _item_shape(hint: Any) -> type[msgspec.Struct] | None:
    kind = essence(hint)
    if isinstance(kind, inspect.ListType) and isinstance(kind.item_type, inspect.StructType):
        shape: type[msgspec.Struct] = kind.item_type.cls
        return shape
    return None


def _sum(
    name: str, path: str, hints: Mapping[str, Any], fields: Mapping[str, str | Value], table: Table, key: str
) -> Sum:
    items, _, part = path.partition(".")
    shape = _item_shape(hints[items]) if items in hints else None
    filled = fields.get(items)
    taken = filled.rows or {} if isinstance(filled, Value) else {}
    if shape is None or part not in taken or not _is_integer(get_type_hints(shape, include_extras=True)[part]):
        table.wrong(key, f"{path!r} is no number of a list filled by rows; write it as lines.amount_minor.")
    if not _is_integer(hints[name]):
        table.wrong(key, "sum goes into a field that is a whole number.")
    return Sum(name, items, part)


def _is_integer(hint: Any) -> bool:
    return isinstance(essence(hint), inspect.IntType)


def _test(column: str, condition: str | list[str] | Condition, table: Table, key: str) -> Callable[[Values], bool]:
    at = f"{key}, when.{column}"
    position = table.position(column, at)
    asked = condition if isinstance(condition, Condition) else Condition(is_=condition)
    tests: list[Callable[[str], bool]] = []
    if asked.is_ is not None:
        tests.append(frozenset(columns_of(asked.is_)).__contains__)
    if asked.is_not is not None:
        unwanted = frozenset(columns_of(asked.is_not))
        tests.append(lambda text: text not in unwanted)
    if asked.starts_with is not None:
        starts = tuple(columns_of(asked.starts_with))
        tests.append(lambda text: text.startswith(starts))
    if asked.not_starts_with is not None:
        others = tuple(columns_of(asked.not_starts_with))
        tests.append(lambda text: not text.startswith(others))
    if asked.blank is not None:
        tests.append(lambda text: (not text.strip()) is asked.blank)
    if not tests:
        table.wrong(at, "say what the column must be: is, is_not, starts_with, not_starts_with or blank.")
    return lambda values: all(test(values[position]) for test in tests)
