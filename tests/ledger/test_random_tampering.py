"""A thousand tamperings by chance, and a verification that misses none of them."""

import random
from collections.abc import Callable
from typing import Any

from psycopg import Connection

from tests.ledger.tampering import ALTERED, World, alter, named, reseal, tampered, verified

SEED = 20261127


def test_a_thousand_random_tamperings_none_missed(world: World) -> None:
    chance = random.Random(SEED)
    for number in range(1000):
        with tampered(world) as connection:
            position, told = TAMPERINGS[number % len(TAMPERINGS)](connection, world, chance)
            report = verified(connection)
        assert named(report, position), (number, told, position, report.findings.kept[:5])


def _row(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    column, position = chance.choice([*ALTERED]), chance.randint(1, world.head)
    alter(connection, position, column, ALTERED[column])
    return position, column


def _row_and_leaf(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    column, position = chance.choice([*ALTERED]), chance.randint(1, world.sealed)
    alter(connection, position, column, ALTERED[column])
    reseal(connection, position)
    return position, f"{column} and leaf"


def _all_but_the_signature(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    column, position = chance.choice([*ALTERED]), chance.randint(1, world.sealed)
    alter(connection, position, column, ALTERED[column])
    reseal(connection, position, tile=True, kept=True)
    if chance.random() < 0.5:
        connection.execute("UPDATE seals.checkpoints SET root = sha256(root) WHERE size >= %s", (position,))
    return position, f"{column}, leaf, tile and checkpoint"


def _field(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    """A field of the payload altered, taken out or named otherwise."""
    (position,) = connection.execute(
        "SELECT position FROM ledger.entries WHERE data <> '{}' ORDER BY position OFFSET %s LIMIT 1",
        (chance.randrange(200),),
    ).fetchall()[0]
    (fields,) = connection.execute(
        "SELECT array_agg(k ORDER BY k) FROM ledger.entries, jsonb_object_keys(data) k WHERE position = %s", (position,)
    ).fetchall()[0]
    field = chance.choice(fields)
    changed = {
        "altered": "jsonb_set(data, ARRAY[%(field)s], CASE jsonb_typeof(data -> %(field)s)"
        " WHEN 'number' THEN to_jsonb((data ->> %(field)s)::numeric + 1)"
        " WHEN 'boolean' THEN to_jsonb(NOT (data -> %(field)s)::boolean) ELSE '\"x\"' END)",
        "taken out": "data - %(field)s",
        "renamed": "data - %(field)s || jsonb_build_object(%(field)s || '_', data -> %(field)s)",
    }
    how = chance.choice([*changed])
    query = f"UPDATE ledger.entries SET data = {changed[how]} WHERE position = %(position)s"
    connection.execute(query.encode(), {"field": field, "position": position})
    return position, f"{field} {how}"


def _deleted(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    position = chance.randint(1, world.head)
    connection.execute("DELETE FROM ledger.entries WHERE position = %s", (position,))
    return position, "deleted"


def _swapped(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    one, other = chance.sample(range(1, world.head + 1), 2)
    for moved, to in ((one, -1), (other, one), (-1, other)):
        connection.execute("UPDATE ledger.entries SET position = %s WHERE position = %s", (to, moved))
    if chance.random() < 0.5 and max(one, other) <= world.sealed:
        for position in (one, other):
            reseal(connection, position)
    return chance.choice([one, other]), f"swapped {one} {other}"


def _moved(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    """A row taken out and all after it moved up, so that positions are dense again."""
    position = chance.randint(1, world.sealed)
    connection.execute("DELETE FROM ledger.entries WHERE position = %s", (position,))
    connection.execute("UPDATE ledger.entries SET position = -position WHERE position > %s", (position,))
    connection.execute("UPDATE ledger.entries SET position = -position - 1 WHERE position < 0")
    connection.execute("UPDATE ledger.head SET position = position - 1")
    return position, "taken out and moved up"


def _seal(connection: Connection[Any], world: World, chance: random.Random) -> tuple[int, str]:
    """A bit of a tile, or of a leaf."""
    if chance.random() < 0.5:
        position = chance.randint(1, world.sealed // 256 * 256)
        index, at = divmod(position - 1, 256)
        connection.execute(
            "UPDATE seals.tiles SET hashes = set_bit(hashes, %(bit)s, 1 - get_bit(hashes, %(bit)s))"
            " WHERE level = 0 AND index = %(index)s",
            {"bit": at * 256 + chance.randrange(256), "index": index},
        )
        return position, "a bit of a tile"
    position, bit = chance.randint(1, world.head), chance.randrange(256)
    alter(connection, position, "leaf", f"set_bit(leaf, {bit}, 1 - get_bit(leaf, {bit}))")
    return position, "a bit of a leaf"


TAMPERINGS: list[Callable[[Connection[Any], World, random.Random], tuple[int, str]]] = [
    _row, _row_and_leaf, _all_but_the_signature, _field, _deleted, _swapped, _moved, _seal,
]  # fmt: skip
"""Each alters something by chance, and gives the position that has to be named."""
