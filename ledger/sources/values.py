"""Values of a mapping made into functions of a row."""

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from difflib import get_close_matches
from functools import lru_cache
from typing import Any, NamedTuple, NoReturn
from zoneinfo import ZoneInfo

import msgspec
from msgspec import inspect

from domain.misfit import Misfit

from .faults import Unfit
from .mapping import NamedMapping, Value
from .money import integer, minor, number

Values = Sequence[str]
Extract = Callable[[Values], Any]
"""Gives a row's value, ``None`` where it is blank; raises :class:`Unfit`."""

ORIGINS = ("column", "columns", "constant", "money", "rows", "sum")
MODIFIERS = {
    "map": ("column", "columns"),
    "otherwise": ("column", "columns"),
    "format": ("column", "columns"),
    "timezone": ("column", "columns"),
    "whole": ("column", "columns"),
    "negate": ("column", "columns", "money"),
    "times": ("money",),
    "currency": ("money",),
}
"""Which keys go with which origin of a value."""
DELIMITERS = (",", ";", "\t", "|")
"""What parts the columns of most CSV files."""
TRUTHS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}


def _truth(text: str) -> bool:
    if (known := text.strip().lower()) not in TRUTHS:
        raise Unfit(f"{text!r} is neither yes nor no")
    return TRUTHS[known]


CONVERSIONS: dict[type[inspect.Type], Callable[[str], Any] | None] = {
    inspect.StrType: None,
    inspect.EnumType: None,
    inspect.UUIDType: None,
    inspect.IntType: integer,
    inspect.BoolType: _truth,
    inspect.ListType: lambda text: [text],
}
"""How a text becomes a value of a field's type; ``None`` where it is taken as it is. Times are read by their format."""
TYPES_OF_MODIFIERS: dict[str, type[inspect.Type]] = {
    "format": inspect.DateTimeType,
    "timezone": inspect.DateTimeType,
    "negate": inspect.IntType,
    "whole": inspect.StrType,
}


class Wanted(dict[str, int]):
    """Positions of columns in the order in which they are asked for, whatever they are called.

    Bound to this, a mapping is checked without a file, and tells which columns it wants.
    """

    def __contains__(self, column: object) -> bool:
        return True

    def __missing__(self, column: str) -> int:
        self[column] = len(self)
        return self[column]


class Table(NamedTuple):
    """What a mapping is bound to: the columns of a file, by name."""

    named: NamedMapping
    positions: Mapping[str, int]

    def wrong(self, key: str, problem: str) -> NoReturn:
        """Raise :class:`SourceError` for a key of the mapping."""
        self.named.wrong(key, problem)

    def position(self, column: str, key: str) -> int:
        """Where a column stands; wrong where the file has none of that name."""
        if column not in self.positions:
            meant = get_close_matches(column, self.positions, n=1)
            hint = f"; did you mean {meant[0]!r}? It" if meant else "; it"
            self.wrong(
                key, f"the file has no column {column!r}{hint} has {', '.join(self.positions)}.{self._delimiter()}"
            )
        return self.positions[column]

    def _delimiter(self) -> str:
        """What to do about a header that is one column only because it was parted at another character."""
        only = next(iter(self.positions)) if len(self.positions) == 1 else ""
        mark = next((mark for mark in DELIMITERS if mark in only), None)
        if mark is None:
            return ""
        written = msgspec.json.encode(mark).decode()
        return f" Where {mark!r} is its delimiter, say delimiter = {written} under [file]."


def extract(value: str | Value, hint: Any, table: Table, key: str) -> Extract:
    """The function that takes a value of the type ``hint`` from a row; the mapping is wrong where it cannot."""
    value = Value(column=value) if isinstance(value, str) else value
    kind = origin(value, table, key)
    if kind in ("rows", "sum"):
        table.wrong(key, f"{kind} is for the fields of an event only.")
    if kind == "money":
        return _money(value, hint, table, key)
    if kind == "constant":
        constant = fitting(value.constant, hint, table, key)
        return lambda _: constant
    return _read(value, _conversion(value, hint, table, key), table, key)


def origin(value: Value, table: Table, key: str) -> str:
    """Which of the origins a value has; the mapping is wrong unless it is one, with the keys that go with it."""
    given = [name for name in ORIGINS if getattr(value, name) is not None]
    if len(given) != 1:
        table.wrong(key, f"say one of {', '.join(ORIGINS)}, not {' and '.join(given) or 'none'}.")
    for modifier, origins in MODIFIERS.items():
        if getattr(value, modifier) not in (None, False) and given[0] not in origins:
            table.wrong(key, f"{modifier} does not go with {given[0]}.")
    return given[0]


def fitting(value: Any, hint: Any, table: Table, key: str) -> Any:
    """A value that stands in the mapping itself; the mapping is wrong where the field cannot take it."""
    if isinstance(value, str) and not value.strip():
        table.wrong(key, "it is blank; write a value, or leave the key out.")
    try:
        return msgspec.convert(value, hint)
    except msgspec.ValidationError as error:
        table.wrong(key, f"{value!r} does not fit: it {_choices(hint) or Misfit.of(error).problem}.")


def essence(hint: Any) -> Any:
    """What kind of type a field has, leaving aside that it may be null."""
    kind = inspect.type_info(hint)
    while isinstance(kind, inspect.Metadata | inspect.UnionType):
        if isinstance(kind, inspect.Metadata):
            kind = kind.type
        else:
            kind = next(member for member in kind.types if not isinstance(member, inspect.NoneType))
    return kind


def key_text(columns: Sequence[str], table: Table, key: str) -> Callable[[Values], str]:
    """The function that joins columns to one name, unlike that of any other values; empty where one is blank."""
    positions = [table.position(column, key) for column in columns]
    if len(positions) == 1:
        only = positions[0]
        return lambda values: "" if not values[only] or values[only].isspace() else values[only]

    def joined(values: Values) -> str:
        parts = [values[position] for position in positions]
        if not all(part and not part.isspace() for part in parts):
            return ""
        return "|".join(part.replace("%", "%25").replace("|", "%7C") for part in parts)

    return joined


def _read(value: Value, convert: Callable[[str], Any] | None, table: Table, key: str) -> Extract:
    if value.columns is not None:
        positions = [table.position(column, key) for column in value.columns]

        def joined(values: Values) -> Any:
            text = value.join.join(values[position] for position in positions if values[position].strip())
            return (convert(text) if convert else text) if text else None

        return joined
    position = table.position(value.column or "", key)
    if convert is None:
        return lambda values: text if (text := values[position]) and not text.isspace() else None
    return lambda values: convert(text) if (text := values[position]) and not text.isspace() else None


def _conversion(value: Value, hint: Any, table: Table, key: str) -> Callable[[str], Any] | None:
    """The function from text to the field's type; ``None`` where the text is taken as it is."""
    kind = essence(hint)
    for modifier, wanted in TYPES_OF_MODIFIERS.items():
        if getattr(value, modifier) and not isinstance(kind, wanted):
            table.wrong(key, f"{modifier} does not go with a field of this type.")
    if value.map is not None:
        return _lookup(value, hint, table, key)
    if isinstance(kind, inspect.DateTimeType):
        return _time(value, table, key)
    if type(kind) not in CONVERSIONS:
        table.wrong(key, "a column cannot fill a field of this type.")
    if value.negate:
        return lambda text: -integer(text)
    if value.whole:
        return lambda text: str(integer(text))
    return CONVERSIONS[type(kind)]


def _lookup(value: Value, hint: Any, table: Table, key: str) -> Callable[[str], Any]:
    known = {text: fitting(meant, hint, table, f"{key}.map") for text, meant in (value.map or {}).items()}
    if value.otherwise is not None:
        otherwise = fitting(value.otherwise, hint, table, f"{key}.otherwise")
        return lambda text: known.get(text, otherwise)

    def looked_up(text: str) -> Any:
        if text not in known:
            raise Unfit(f"{text!r} is not in the map")
        return known[text]

    return looked_up


def _time(value: Value, table: Table, key: str) -> Callable[[str], datetime]:
    form = value.format
    try:
        zone = ZoneInfo(value.timezone) if value.timezone else UTC
    except (KeyError, OSError, ValueError):
        table.wrong(key, f"there is no time zone {value.timezone!r}; Europe/London is one.")
    try:
        datetime.strptime(datetime.now(UTC).strftime(form or ""), form or "")  # noqa: DTZ007
    except ValueError as error:
        table.wrong(key, f"{error}.")

    # Rows of one day often share their times, and reading one takes longer than all the rest of the row.
    @lru_cache(maxsize=10_000)
    def read(text: str) -> datetime:
        try:
            found = datetime.fromisoformat(text.strip()) if form is None else datetime.strptime(text.strip(), form)  # noqa: DTZ007
            return (found if found.tzinfo else found.replace(tzinfo=zone)).astimezone(UTC)
        except (ValueError, OverflowError):
            wanted = "an ISO 8601 time" if form is None else f"a time written as {form}"
            raise Unfit(f"{text!r} is not {wanted}") from None

    return read


def _money(value: Value, hint: Any, table: Table, key: str) -> Extract:
    if not isinstance(essence(hint), inspect.IntType):
        table.wrong(key, "money goes into a field in minor units, a whole number.")
    currency = value.currency if value.currency is not None else table.named.mapping.currency
    if currency is None:
        table.wrong(key, "say the currency here, or for the whole mapping.")
    currency_of = extract(currency, str, table, f"{key}.currency")
    amount = table.position(value.money or "", key)
    times = None if value.times is None else table.position(value.times, f"{key}.times")
    sign = number("-1" if value.negate else "1")

    def exact(values: Values) -> int | None:
        if not values[amount] or values[amount].isspace():
            return None
        factor = sign if times is None else sign * number(values[times])
        return minor(number(values[amount]), factor, currency_of(values) or "")

    return exact


def _choices(hint: Any) -> str:
    kind = essence(hint)
    if isinstance(kind, inspect.EnumType):
        return "must be one of " + ", ".join(str(member.value) for member in kind.cls)
    return ""
