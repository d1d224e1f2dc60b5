"""The stored rows hashed again, from their columns alone: the stored leaf is only compared with what comes out."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import msgspec
from psycopg import Connection, sql

from ..canonical import BODY, leaf

BLOCK = 128
"""Why: half a tile; a message for each line costs more than its hashing, and larger pieces of memory are asked of the
system one by one."""

_TIME = 'to_char({0}, \'YYYY-MM-DD"T"HH24:MI:SS.US"Z"\')'
# Years before 1 would be written like those after.
_ERA = "CASE WHEN {0} < '0001-01-01' THEN ' BC' END"
_TEXTS = {"actor_id", "actor_kind", "actor_role", "external_id", "source", "type"}
_COLUMNS = {
    "data": "coalesce(data::text, 'null')",
    "occurred_at": f"'\"', replace({_TIME}, '.000000Z', 'Z'), {_ERA}, '\"'".format("occurred_at"),
    "schema": "coalesce(schema::text, 'null')",
    "stream_version": "coalesce(stream_version::text, 'null')",
}
_OF_TEXT, _OF_ID = "coalesce(to_json({0})::text, 'null')", "coalesce('\"' || {0} || '\"', 'null')"


def _line() -> sql.SQL:
    """The SQL expression for an entry's JSON line, in the shape of the canonical bytes but not yet in their form."""
    fields = [
        f"'{',' if number else ''}\"{name}\":', "
        + _COLUMNS.get(name, (_OF_TEXT if name in _TEXTS else _OF_ID).format(name))
        for number, name in enumerate(BODY)
    ]
    stamp = f"{_TIME}, {_ERA}".format("recorded_at")
    return sql.SQL(f"concat('[', position, ',\"', {stamp}, '\",{{', {', '.join(fields)}, '}}]')") + sql.SQL("")  # type: ignore[return-value]


# What is no hash counts as one of zeros, so that all have one length.
_LEAF = sql.SQL("CASE length(leaf) WHEN 32 THEN leaf ELSE decode(repeat('00', 32), 'hex') END")
READ = sql.SQL(
    "COPY (SELECT entry.* FROM generate_series({first}::bigint, {last}, {size}) AS block, LATERAL ("
    "SELECT string_agg(line, E'\\n' ORDER BY position), string_agg(leaf, '' ORDER BY position) FROM ("
    "SELECT position, {leaf} AS leaf, {line} AS line FROM ledger.entries"
    " WHERE position BETWEEN block AND least(block + {size} - 1, {last})) AS stored) AS entry"
    ") TO STDOUT (FORMAT BINARY)"
)

# Ids and numbers are taken as they stand: PostgreSQL has one way of writing each. Texts and the payload are read and
# written again, as it escapes and orders them otherwise than the canonical bytes do.
_Stored = msgspec.defstruct(
    "_Stored", [(name, str | None if name in _TEXTS else Any if name == "data" else msgspec.Raw) for name in BODY]
)
_Line: Any = tuple[int, str, _Stored]  # type: ignore[valid-type]
_decode = msgspec.json.Decoder(_Line).decode
_decode_lines = msgspec.json.Decoder(_Line).decode_lines
_encoder = msgspec.json.Encoder(order="sorted")


UNREADABLE = (msgspec.MsgspecError, RecursionError)
"""What is raised for a row that no Daybook could have written."""


class Row(NamedTuple):
    """An entry as its row gives it."""

    position: int
    stamp: str
    """The ledger time."""
    canonical: bytes | None
    """``None`` for a row that cannot be an entry of any Daybook."""
    stored: bytes
    """The leaf as it is stored."""

    @property
    def leaf(self) -> bytes:
        """The leaf that the columns give."""
        return leaf(self.canonical) if self.canonical is not None else bytes(32)

    def unaltered(self) -> bytes | None:
        """The canonical bytes, where they give the leaf that is stored with them; else ``None``."""
        return self.canonical if self.canonical is not None and self.leaf == self.stored else None


class Block(NamedTuple):
    """The rows at some positions in sequence, hashed."""

    first: int
    leaves: bytes
    """The leaves that the columns give."""
    stored: bytes
    """The leaves as they are stored."""
    stamps: Sequence[str]
    rows: Sequence[Row] | None
    """The rows one by one, where not all positions are there once, or some row is none of an entry."""


def blocks(connection: Connection[Any], first: int, last: int) -> Iterator[Block]:
    """The rows from one position to another, in order, hashed again."""
    read = stream(connection, first, last)
    for start, (lines, stored) in zip(range(first, last + 1, BLOCK), read, strict=True):
        yield _hashed(start, min(start + BLOCK - 1, last), lines, stored)


def stream(connection: Connection[Any], first: int, last: int) -> Iterator[tuple[bytes, bytes]]:
    """The lines of each block of positions, and the leaves stored with them."""
    query = READ.format(first=first, last=last, size=BLOCK, line=_line(), leaf=_LEAF)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["bytea", "bytea"])
        for lines, stored in copy.rows():
            yield lines or b"", stored or b""


def _hashed(first: int, last: int, lines: bytes, stored: bytes) -> Block:
    sha256 = hashlib.sha256
    try:
        entries = _decode_lines(lines)
        positions = [entry[0] for entry in entries]
        if positions == list(range(first, last + 1)) and len(stored) == 32 * len(positions):
            told = _encoder.encode_lines(entries).split(b"\n")
            leaves = b"".join([sha256(b"\x00" + each).digest() for each in told[:-1]])
            return Block(first, leaves, stored, [entry[1] for entry in entries], None)
    except UNREADABLE:
        pass
    rows = _one_by_one(lines, stored)
    return Block(first, b"".join([row.leaf for row in rows]), stored, [row.stamp for row in rows], rows)


def _one_by_one(lines: bytes, stored: bytes) -> list[Row]:
    found = []
    for number, line in enumerate(filter(None, lines.split(b"\n"))):
        position, stamp, _ = line[1:].split(b",", 2)
        try:
            canonical = _encoder.encode(_decode(line))
        except UNREADABLE:
            canonical = None
        found.append(Row(int(position), stamp.decode().strip('"'), canonical, stored[32 * number : 32 * number + 32]))
    return found


def row(connection: Connection[Any], position: int) -> Row | None:
    """The row at a position."""
    query = sql.SQL("SELECT {}, {} FROM ledger.entries WHERE position = %s").format(_line(), _LEAF)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(query, (position,)).fetchone()
    return _one_by_one(found[0].encode(), found[1])[0] if found else None


def some(connection: Connection[Any], which: sql.Composable, params: Mapping[str, Any], most: int) -> list[Row]:
    """The rows of which ``which`` is true, by position, at most so many."""
    query = sql.SQL(
        "SELECT string_agg(line, E'\\n' ORDER BY position), string_agg(leaf, '' ORDER BY position) FROM ("
        "SELECT position, {leaf} AS leaf, {line} AS line FROM ledger.entries"
        " WHERE {which} ORDER BY position LIMIT {most}) AS stored"
    ).format(line=_line(), leaf=_LEAF, which=which, most=most)
    with connection.cursor(binary=True) as cursor:
        found = cursor.execute(query, params).fetchone()
    return _one_by_one(found[0].encode(), found[1]) if found and found[0] else []
