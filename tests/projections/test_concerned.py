"""The entries of some keys are found by an index, for every read model and however many entries there are."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from psycopg import Connection

from domain.event import events
from projections.engine import concerned
from projections.engine.model import models
from tests.projections.world import World

ENTRIES = 20_000
"""Enough that reading the whole ledger costs far more than an index."""
KINDS = len(events())
FILL = """
    INSERT INTO ledger.entries (
        position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, recorded_at, actor_kind,
        actor_id, command_id, data, leaf)
    SELECT n, md5('s' || n %% 5000)::uuid, 1 + n / 5000, (%(types)s::text[])[1 + n %% %(kinds)s], 1,
           md5('c' || n %% 400)::uuid, md5('k' || n %% 1000)::uuid, now(), now(), 'employee', 'ann', gen_random_uuid(),
           jsonb_build_object('voided_position', n - 1, 'amended_position', n - 1), sha256(n::text::bytea)
      FROM generate_series(1, %(entries)s) AS n"""
KEYS = {
    "customer_id": "md5('c1')::uuid",
    "case_id": "md5('k1')::uuid",
    "touchpoint_id": "md5('s1')::uuid",
    "remedy_id": "md5('s1')::uuid",
    "legal_hold_id": "md5('s1')::uuid",
    "position": "1::bigint",
}
MOST = {"customer_id": ENTRIES // 400, "case_id": ENTRIES // 1000}
"""How many entries each key has, at most."""


@pytest.fixture(scope="module")
def full(shared_world: World) -> Iterator[Connection[Any]]:
    """A connection to a ledger of some size."""
    shared_world.wipe()
    admin = shared_world.admin
    params = {"types": sorted(events()), "kinds": KINDS, "entries": ENTRIES}
    admin.execute(FILL, params)
    admin.execute("ANALYZE ledger.entries")
    yield shared_world.connection
    shared_world.wipe()
    admin.execute("ANALYZE ledger.entries")


def touched(connection: Connection[Any], statement: str, **params: Any) -> int:
    """How many entries a statement touches, all of them by an index."""
    row = connection.execute(f"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) {statement}".encode(), params).fetchone()
    assert row is not None
    many, waiting = 0.0, [row[0][0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if node.get("Relation Name") == "entries":
            assert node["Node Type"] in ("Index Scan", "Index Only Scan", "Bitmap Heap Scan"), node
            lost = node.get("Rows Removed by Filter", 0) + node.get("Rows Removed by Index Recheck", 0)
            many += (node["Actual Rows"] + lost) * node["Actual Loops"]
    return int(many)


@pytest.mark.parametrize("until", [False, True], ids=["all", "what had happened"])
@pytest.mark.parametrize("name", sorted(models()))
def test_the_entries_of_a_key_are_read_and_counted_by_an_index(full: Connection[Any], name: str, until: bool) -> None:
    model = models()[name]
    (key,) = full.execute(f"SELECT {KEYS[model.spec.key]}".encode()).fetchone() or ()
    asked = {"keys": [key], "to": ENTRIES, "until": datetime.now(UTC)}

    assert touched(full, concerned._reading(model, frozenset(), whole=False, until=until), **asked) <= MOST.get(
        model.spec.key, 4
    )
    counting = concerned._counting(model, whole=False, until=until)
    assert touched(full, counting, **asked, most=ENTRIES) <= MOST.get(model.spec.key, 4)


@pytest.mark.parametrize("name", sorted(models()))
@pytest.mark.parametrize("hub", concerned.HUBS)
def test_the_keys_that_hang_on_a_customer_or_a_case_are_found_by_an_index(
    full: Connection[Any], name: str, hub: str
) -> None:
    (key,) = full.execute(f"SELECT {KEYS[hub]}".encode()).fetchone() or ()

    for until in (False, True):
        statement = concerned._hanging(models()[name], hub, until)
        params = {"keys": [key], "to": ENTRIES, "until": datetime.now(UTC), "most": ENTRIES}

        assert touched(full, statement, **params) <= MOST[hub]
