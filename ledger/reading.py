"""Reading entries back: as JSON lines made by PostgreSQL, decoded into events at C speed."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Any, Union

import msgspec
from psycopg import Connection, sql

from domain import catalogue  # noqa: F401  (fills the catalogue of events)
from domain.event import ENVELOPE, Event, Form, events, refuse_newer, upcast
from domain.misfit import Misfit
from domain.rule import INVALID_INPUT

ENVELOPE_SQL = {
    "position": "',\"position\":', position",
    "stream_id": "',\"stream_id\":\"', stream_id, '\"'",
    "stream_version": "',\"stream_version\":', stream_version",
    "occurred_at": "',\"occurred_at\":', to_json(occurred_at)",
    "recorded_at": "',\"recorded_at\":', to_json(recorded_at)",
    "customer_id": "',\"customer_id\":\"' || customer_id || '\"'",
    "case_id": "',\"case_id\":\"' || case_id || '\"'",
    "actor_kind": "',\"actor_kind\":\"', actor_kind, '\"'",
    "actor_id": "',\"actor_id\":', to_json(actor_id)",
    "actor_role": "',\"actor_role\":\"' || actor_role || '\"'",
    "command_id": "',\"command_id\":\"', command_id, '\"'",
    "causation_id": "',\"causation_id\":\"' || causation_id || '\"'",
    "correlation_id": "',\"correlation_id\":\"' || correlation_id || '\"'",
    "source": "',\"source\":' || to_json(source)",
    "external_id": "',\"external_id\":' || to_json(external_id)",
}
"""How each envelope field is written into the JSON line of an entry; what is null is left out, by ``||``."""


def line(fields: Iterable[str] = tuple(ENVELOPE_SQL)) -> sql.Composed:
    """The SQL expression for an entry's JSON line: type, the chosen envelope fields, then the payload's own."""
    # One call of concat, since every || would copy all that stands before it.
    parts = "".join(f", {ENVELOPE_SQL[field]}" for field in ENVELOPE_SQL if field in set(fields))
    tail = "CASE data WHEN '{}' THEN '}' ELSE ',' || substr(data::text, 2) END"
    head = """concat('{"type":"', type, '/', schema, '"'"""
    return sql.SQL(f"{head}{parts}, {tail})") + sql.SQL("")


@cache
def decoder() -> msgspec.json.Decoder[Any]:
    """Decodes the JSON line of any entry into its event."""
    return msgspec.json.Decoder(Union[tuple(events().values())])  # noqa: UP007


def decoded(text: str | bytes) -> Event:
    """The event of one JSON line; an older schema is upcast first, and remembered by the event for its amendments.

    Raises :class:`~domain.event.UnknownSchema` for an entry of a newer Daybook.
    """
    try:
        event: Event = decoder().decode(text)
    except msgspec.ValidationError:
        event = _upcast(text)
    return event


def refuse_unreadable(event: Event, data: bytes) -> None:
    """Refuse ``INVALID_INPUT`` unless the encoded payload can be read back as the event.

    What a caller gives is checked before, but not what is computed from it, such as a sum; and what was entered can
    never be taken back.
    """
    kind = type(event)
    rest = b"}" if data == b"{}" else b"," + data[1:]
    try:
        _decoder_of(kind).decode(b'{"type":"%s"%s' % (str(kind.__struct_config__.tag).encode(), rest))
    except msgspec.ValidationError as error:
        INVALID_INPUT.refuse(
            problem=f"{kind.type_name} would not fit what the ledger can hold: {Misfit.of(error).sentence}."
        )


@cache
def _decoder_of(kind: type[Event]) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(kind)


def decoded_lines(lines: bytes) -> list[Event]:
    """The events of many JSON lines, one to a line."""
    try:
        batch: list[Event] = decoder().decode_lines(lines)
    except msgspec.ValidationError:
        batch = [decoded(text) for text in lines.splitlines() if text]
    return batch


def gathered(
    connection: Connection[Any], query: str | sql.Composed, params: Mapping[str, Any] | Sequence[Any]
) -> list[Event]:
    """The events of a query that gives all their JSON lines in one text, or null where there are none."""
    row = connection.execute(query, params).fetchone()
    return decoded_lines(row[0].encode()) if row and row[0] else []


def _upcast(text: str | bytes) -> Event:
    raw = msgspec.json.decode(text)
    name, _, schema = raw.pop("type").rpartition("/")
    refuse_newer(name, int(schema))
    event = events()[name]
    envelope = {field: raw.pop(field) for field in ENVELOPE if field in raw}
    form = Form(int(schema), msgspec.json.encode(raw)) if int(schema) < event.schema else None
    told = {"type": f"{name}/{event.schema}"} | envelope | upcast(event, int(schema), raw)
    found: Event = decoder().decode(msgspec.json.encode(told))
    return found.entered_in(form)


def head(connection: Connection[Any]) -> int:
    """The position of the ledger's last entry; 0 while there is none."""
    row = connection.execute("SELECT position FROM ledger.head").fetchone()
    assert row is not None
    return int(row[0])


BLOCK = 100
"""Why: so many lines of an entry make some 60 kB. A message for each line costs the reader more than its decoding, and
pieces of memory beyond 128 kB are asked of the system one by one."""


def copy_blocks(
    connection: Connection[Any], fields: Iterable[str], condition: sql.Composable, first: int, last: int
) -> Iterator[bytes]:
    """Stream the JSON lines of entries from one position to another, in order, a block of positions at a time.

    It flows: nothing is sorted as a whole, and no block waits for another. Only entries of which ``condition`` is true
    are among the lines, and a block may have none.
    """
    query = sql.SQL(
        "COPY (SELECT (SELECT string_agg(line, E'\\n' ORDER BY position) FROM (SELECT position, {line} AS line"
        " FROM ledger.entries WHERE position BETWEEN block AND least(block + {size}, {last}) AND {condition}) AS entry)"
        " FROM generate_series({first}::bigint, {last}, {step}) AS block) TO STDOUT (FORMAT BINARY)"
    ).format(line=line(fields), size=BLOCK - 1, first=first, last=last, step=BLOCK, condition=condition)
    with connection.cursor() as cursor, cursor.copy(query) as copy:
        copy.set_types(["bytea"])
        for (lines,) in copy.rows():
            yield lines or b""
