"""A mapping: which columns of a file make which events, told in a small TOML file.

``docs/import-your-data.md`` explains it to its writers; this is what may stand in it.
"""

import codecs
from collections.abc import Iterator
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import NoReturn

import msgspec
from msgspec import Struct

from domain.misfit import UNKNOWN_KEY, Misfit

from .faults import SourceError

MAPPING_BYTES_MAX = 2**20
"""Why: a mapping is written by hand; something larger is another file named by mistake."""

Scalar = str | int | bool


class Value(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where one value comes from: exactly one of the first six keys, and what to do with it."""

    column: str | None = None
    """A column. A value that is only a text is short for this."""
    columns: list[str] | None = None
    """Several columns, joined by ``join``; blank ones are left out."""
    constant: Scalar | None = None
    """The same for every row."""
    money: str | None = None
    """A column with an amount in major units, exact, rounded half to even to the currency's minor unit."""
    rows: dict[str, "str | Value"] | None = None
    """A list with one item for each row of the record; the keys are the item's fields."""
    sum: str | None = None
    """The sum of a field over such a list, as ``lines.amount_minor``."""
    join: str = " "
    map: dict[str, Scalar] | None = None
    """What stands for what; a value that is not in it makes the row unfit, unless there is ``otherwise``."""
    otherwise: Scalar | None = None
    format: str | None = None
    """How a time is written, as for ``strptime``; without it, ISO 8601."""
    timezone: str | None = None
    """The zone of a time that names none; without it, UTC."""
    times: str | None = None
    """A column the money is multiplied by before it is rounded, such as the quantity."""
    currency: "str | Value | None" = None
    """The money's currency; without it, that of the mapping."""
    negate: bool = False
    """Change the sign of a number."""
    whole: bool = False
    """Print a number without its decimals: ``17850.0`` becomes ``17850``."""


class Condition(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a column must be; a text or a list of texts alone is short for ``is``."""

    is_: str | list[str] | None = msgspec.field(default=None, name="is")
    is_not: str | list[str] | None = None
    starts_with: str | list[str] | None = None
    not_starts_with: str | list[str] | None = None
    blank: bool | None = None


class FileForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How the file is written."""

    encoding: str = "utf-8"
    delimiter: str | None = None


class RecordForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What makes a record: the thing outside that a row, or a group of rows, tells of."""

    id: str | list[str] | None = None
    """The columns that name the record; without them it is known by its content."""
    group_by: str | list[str] | None = None
    """Rows with the same values here are one record, as the lines of an invoice are."""


class CustomerForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose history the events belong to; a customer is registered when first named."""

    reference: str | Value
    """The customer's number in the source; blank where it is unknown."""
    fields: dict[str, str | Value] = {}
    """Further fields of ``Customer.Registered``, taken from the first row that names the customer."""


class EventForm(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One kind of event that a record may make."""

    type: str
    when: dict[str, str | list[str] | Condition] = {}
    """Which records make it, by the first row; all conditions must hold."""
    stream: str | list[str] | None = None
    """The columns that name the thing it happened to, in the numbers of the system; without them, it is the record."""
    case: bool | str | list[str] = False
    """The case it belongs to: that of the record (true), or the one these columns name."""
    customer: bool = True
    """Whether it belongs to the customer's history."""
    occurred_at: str | Value | None = None
    """When it happened; without it, as for the whole mapping."""
    fields: dict[str, str | Value] = {}


class Mapping(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The whole of a mapping file."""

    source: str
    """Names where the facts come from; part of every imported entry's identity."""
    system: str | None = None
    """Whose customer numbers these are, and other numbers in columns; the source itself, unless it shares them."""
    about: str = ""
    occurred_at: str | Value | None = None
    """When the record happened."""
    currency: str | Value | None = None
    """The currency of money, and of every event's field of that name."""
    file: FileForm = FileForm()
    record: RecordForm = RecordForm()
    customer: CustomerForm | None = None
    event: list[EventForm]


class NamedMapping(Struct, frozen=True, kw_only=True):
    """A mapping and what to call it in an error."""

    name: str
    text: bytes
    """The file itself."""
    mapping: Mapping

    def wrong(self, key: str, problem: str) -> NoReturn:
        """Raise :class:`SourceError`, naming the mapping and the key at fault."""
        raise SourceError(f"The mapping {self.name}, {key}: {problem}")


def shipped() -> list[str]:
    """The names of the mappings that come with Daybook."""
    return sorted(file.name.removesuffix(".toml") for file in _shelf() if file.name.endswith(".toml"))


def read(name: str) -> NamedMapping:
    """Read a shipped mapping by its name, or a mapping file by its path ending in ``.toml``.

    Its form is checked, not yet what it says of events and columns. Raises :class:`SourceError`.
    """
    text = _text(name)
    try:
        mapping = msgspec.toml.decode(text, type=Mapping)
    except msgspec.ValidationError as error:
        raise SourceError(f"The mapping {name}, {_told(Misfit.of(error))}") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise SourceError(f"The mapping {name} is not TOML: {error}.") from None
    named = NamedMapping(name=name, text=text, mapping=mapping)
    _check_form(named)
    return named


def _told(misfit: Misfit) -> str:
    """What is wrong with the form of a mapping, with the key at fault and the one that was probably meant."""
    if misfit.problem != UNKNOWN_KEY:
        return f"{misfit.path or 'top level'}: it {misfit.problem}."
    forms = (Mapping, FileForm, RecordForm, CustomerForm, EventForm, Value, Condition)
    known = {field.encode_name for form in forms for field in msgspec.structs.fields(form)}
    meant = get_close_matches(misfit.path.rpartition(".")[2], known, n=1)
    hint = f"did you mean {meant[0]}?" if meant else "docs/import-your-data.md tells of all there are."
    return f"{misfit.path}: there is no such key; {hint}"


def columns_in(value: str | list[str] | Value | None) -> list[str]:
    """The columns from which a value is taken."""
    if not isinstance(value, Value):
        return columns_of(value)
    parts = [value.column, value.columns, value.money, value.times, value.currency, *(value.rows or {}).values()]
    return list(dict.fromkeys(column for part in parts for column in columns_in(part)))


def columns_of(columns: str | list[str] | None) -> list[str]:
    """One column or several, as a list."""
    return [columns] if isinstance(columns, str) else columns or []


def _text(name: str) -> bytes:
    if name.endswith(".toml"):
        path = Path(name)
        try:
            if path.stat().st_size > MAPPING_BYTES_MAX:
                raise SourceError(f"{name} is too large for a mapping; it is a small TOML file.")
            return path.read_bytes()
        except OSError as error:
            raise SourceError(f"The mapping {name} cannot be read: {error.strerror}.") from None
    if name not in shipped():
        known = ", ".join(shipped())
        raise SourceError(f"There is no mapping {name}; name one of {known}, or a file that ends in .toml.")
    return files("ledger.sources").joinpath("mappings", f"{name}.toml").read_bytes()


def _shelf() -> Iterator[Path]:
    yield from files("ledger.sources").joinpath("mappings").iterdir()  # type: ignore[misc]


def _check_form(named: NamedMapping) -> None:
    mapping = named.mapping
    for key in ("source", "system"):
        name = getattr(mapping, key)
        if name is not None and (not name.strip() or "\0" in name):
            named.wrong(key, "it is blank; name where the facts come from.")
    if not mapping.event:
        named.wrong("event", "there is no [[event]]; say at least one.")
    try:
        codecs.lookup(mapping.file.encoding)
    except LookupError:
        named.wrong("file.encoding", f"{mapping.file.encoding} is no known encoding; utf-8 and cp1252 are two.")
    if mapping.file.delimiter is not None and len(mapping.file.delimiter) != 1:
        named.wrong("file.delimiter", "it is one character.")
