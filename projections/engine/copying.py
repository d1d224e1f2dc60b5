r"""Rows on their way into a table by COPY: as CSV, which is made of JSON at C speed.

A JSON array without its brackets is a line of CSV whose escape character is the backslash: texts stand in quotes,
numbers and ``null`` do not. What is nested becomes a text that holds JSON. Only escapes such as ``\n`` have to be
undone, and they are rare.
"""

import re
from collections.abc import Callable, Sequence
from functools import cache
from threading import Lock
from typing import Any

import msgspec
from psycopg import Connection, sql

from . import table
from .hints import optional
from .model import ReadModel, columns

COPY = "COPY {table} ({columns}) FROM STDIN (FORMAT CSV, ESCAPE '\\', NULL 'null')"

ESCAPE = re.compile(rb'\\(?:(["\\])|u([0-9a-fA-F]{4})|(.))')
MEANT = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"b": b"\b", b"f": b"\f", b"/": b"/"}

_encoder = msgspec.json.Encoder()
_meeting = Lock()
Values = Callable[[Any], Sequence[Any]]
Shape = tuple[Values, type[msgspec.Struct], msgspec.json.Decoder[Any]]


def load(connection: Connection[Any], model: type[ReadModel], name: str, csv: bytes) -> None:
    """Copy new rows, as :func:`lines` gives them, into a build's table; raises one of ``table.UNFIT``."""
    if not csv:
        return
    statement = sql.SQL(COPY).format(
        table=table.table(name), columns=sql.SQL(", ").join(map(sql.Identifier, model.__struct_fields__))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(csv)


def load_fitting(
    connection: Connection[Any], model: type[ReadModel], name: str, rows: Sequence[ReadModel], csv: bytes | None = None
) -> list[ReadModel]:
    """Copy new rows into a build's table, but for those it cannot hold, which are given back.

    ``csv`` may hold all of them as :func:`lines` gives them.
    """
    try:
        with connection.transaction():
            load(connection, model, name, lines(model, rows) if csv is None else csv)
    except table.UNFIT:
        if len(rows) == 1:
            return [*rows]
        middle = len(rows) // 2
        return [
            unfit for half in (rows[:middle], rows[middle:]) for unfit in load_fitting(connection, model, name, half)
        ]
    return []


def lines(model: type[ReadModel], rows: Sequence[ReadModel]) -> bytes:
    """The rows as lines of CSV that are sure to be read back: a fold may have put anything into a column.

    Raises one of ``table.UNFIT`` for a row that could not be read back.
    """
    values, row, decoder = _known(model)
    told = [*map(values, rows)]
    encoded = _encoder.encode_lines(told)
    try:
        msgspec.convert(told, list[row])  # type: ignore[valid-type]
    except msgspec.ValidationError:
        # What is of another type may still be read back as the right one, an UUID as a text for one.
        decoder.decode_lines(encoded)
    # A line break within a text is escaped, so this is only found between two arrays.
    csv = encoded[1:-2].replace(b"]\n[", b"\n")
    if b"\\" in csv:
        # CSV knows two escapes of JSON's: of the backslash and of the quote.
        single = csv.replace(rb"\\", b"")
        if single.count(b"\\") != single.count(b'\\"'):
            return ESCAPE.sub(_meant, csv)
    return csv


def _meant(found: re.Match[bytes]) -> bytes:
    kept, code, letter = found.groups()
    if kept:
        return found[0]
    return chr(int(code, 16)).encode() if code else MEANT[letter]


def _known(model: type[ReadModel]) -> Shape:
    # One at a time: msgspec 0.22 crashes where two threads meet a type at once.
    with _meeting:
        return _shape(model)


@cache
def _shape(model: type[ReadModel]) -> Shape:
    """The function that gives a row's values as CSV has them, their types, and the decoder that reads them back."""
    hints = columns(model)
    nested = {
        number: _is_object if optional(hint)[0] == dict[str, Any] else msgspec.json.Decoder(hint).decode
        for number, hint in enumerate(hints.values())
        if table.postgres_type(hint) == "jsonb"
    }
    told = [(name, Any if number in nested else hint) for number, (name, hint) in enumerate(hints.items())]
    row = msgspec.defstruct("_Row", told, array_like=True)
    decoder = msgspec.json.Decoder(row)
    if not nested:
        return msgspec.structs.astuple, row, decoder

    def values(row: ReadModel) -> Sequence[Any]:
        found = list(msgspec.structs.astuple(row))
        for number, decode in nested.items():
            if found[number] is not None:
                encoded = _encoder.encode(found[number])
                decode(encoded)
                found[number] = encoded.decode()
        return found

    return values, row, decoder


def _is_object(encoded: bytes) -> None:
    """Refuse what is no JSON object, without reading all of it."""
    if not encoded.startswith(b"{"):
        raise TypeError("a JSON object is wanted")
