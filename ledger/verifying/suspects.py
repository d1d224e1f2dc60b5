"""Which column was altered: a value under which the sealed leaf comes out again is the one that was there.

A leaf is a hash, so what gives it is proved; what does not is only not known. Tried are the values of the entries
nearby, of the same stream and command, and those that the vocabulary knows.
"""

from collections.abc import Iterable, Iterator
from typing import Any, NamedTuple

import msgspec
from psycopg import Connection

from domain.event import events
from domain.vocabulary import ActorKind, Role

from ..canonical import encode, entry, leaf
from .rows import Row, row

NEAR = 8
"""Why: what was altered was mostly like what stands beside it; each value tried costs a hashing."""
SCHEMAS = range(1, 10)
RELATED = """
    SELECT position FROM ledger.entries
     WHERE position BETWEEN %(at)s - %(near)s AND %(at)s + %(near)s AND position <> %(at)s
        OR stream_id IN (SELECT stream_id FROM ledger.entries WHERE position = %(at)s)
     ORDER BY abs(position - %(at)s) LIMIT 4 * %(near)s"""
COMMAND = """
    SELECT command_id::text, stream_id::text FROM ledger.commands
     WHERE %(at)s BETWEEN first_position AND last_position ORDER BY first_position DESC LIMIT 1"""


class Suspect(NamedTuple):
    """A column, and what stood in it."""

    column: str
    was: Any


def altered(connection: Connection[Any], found: Row, sealed: bytes, others: Iterable[int]) -> Suspect | None:
    """The one column whose earlier value gives the sealed leaf again; ``None`` where that is not known.

    ``others`` are entries that were altered too, and may have been put in its place.
    """
    if found.canonical is None:
        return None
    position, stamp, body = msgspec.json.decode(found.canonical)
    near = list(_related(connection, found.position, others))
    for column, values in _candidates(connection, position, body, near).items():
        for value in _distinct(values, body[column]):
            if leaf(entry(position, stamp, encode(body | {column: value}))) == sealed:
                return Suspect(column, value)
    for data in _payloads(body["data"], [other["data"] for _, _, other in near]):
        if leaf(entry(position, stamp, encode(body | {"data": data}))) == sealed:
            differing = [name for name in {*data, *body["data"]} if data.get(name) != body["data"].get(name)]
            return Suspect(f"data.{min(differing)}" if differing else "data", data.get(min(differing, default="")))
    for other, when, elsewhere in near:
        if leaf(entry(position, when, encode(body))) == sealed:
            return Suspect("recorded_at", when)
        if leaf(entry(position, when, encode(elsewhere))) == sealed:
            return Suspect("position", other)
    return None


def _related(
    connection: Connection[Any], position: int, others: Iterable[int]
) -> Iterator[tuple[int, str, dict[str, Any]]]:
    found = [at for (at,) in connection.execute(RELATED, {"at": position, "near": NEAR}).fetchall()]
    for at in dict.fromkeys([*others, *found]):
        told = row(connection, at)
        if told and told.canonical is not None:
            yield msgspec.json.decode(told.canonical)


def _candidates(
    connection: Connection[Any], position: int, body: dict[str, Any], near: list[tuple[int, str, dict[str, Any]]]
) -> dict[str, list[Any]]:
    found = {column: [other[column] for _, _, other in near] for column in body if column != "data"}
    for column in ("actor_role", "case_id", "causation_id", "correlation_id", "customer_id", "external_id", "source"):
        found[column].insert(0, None)
    found["type"] += sorted(events())
    found["schema"] += SCHEMAS
    found["actor_kind"] += [kind.value for kind in ActorKind]
    found["actor_role"] += [role.value for role in Role]
    found["customer_id"] += [body["stream_id"]]
    found["case_id"] += [body["stream_id"]]
    found["stream_id"] += [body["customer_id"], body["case_id"]]
    if isinstance(body["stream_version"], int):
        found["stream_version"] += [body["stream_version"] + step for step in (-1, 1, -2, 2)]
        found["stream_version"] += range(1, NEAR + 1)
    for command, stream in connection.execute(COMMAND, {"at": position}):
        found["command_id"].insert(0, command)
        found["stream_id"].insert(0, stream)
    return found


def _distinct(values: Iterable[Any], present: Any) -> Iterator[Any]:
    seen = {present} if isinstance(present, str | int | None) else set()
    for value in values:
        if isinstance(value, str | int | None) and value not in seen:
            seen.add(value)
            yield value


def _payloads(data: Any, others: list[Any]) -> Iterator[dict[str, Any]]:
    """Payloads with one field as another entry has it, absent, or as nothing."""
    if not isinstance(data, dict):
        return
    for name in [*data]:
        yield {field: value for field, value in data.items() if field != name}
        yield data | {name: None}
        if isinstance(data[name], bool):
            yield data | {name: not data[name]}
        elif isinstance(data[name], int):
            yield from (data | {name: data[name] + step} for step in (-1, 1))
        yield from (data | {name: other[name]} for other in others if isinstance(other, dict) and name in other)
