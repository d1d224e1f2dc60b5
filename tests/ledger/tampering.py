"""Altering a sealed ledger with a superuser's rights, and undoing it."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from psycopg import Connection

from ledger import verifying
from ledger.merkle import HASH, folded
from ledger.verifying import Kind, Report, rows
from tests.ledger.sealed_world import TRUST

COMMANDS, UNSEALED = 40, 30


class World(NamedTuple):
    """A ledger that may be tampered with."""

    admin: Connection[Any]
    head: int
    sealed: int


@contextmanager
def tampered(world: World) -> Iterator[Connection[Any]]:
    """What is done in the block is undone afterwards."""
    with world.admin.transaction(force_rollback=True):
        yield world.admin


def verified(connection: Connection[Any]) -> Report:
    return verifying.examine(connection, TRUST)


def named(report: Report, position: int) -> bool:
    """Whether a finding is at the position, or at a range of the tree that holds it."""
    return any(
        found.position is not None and found.position <= position <= (found.until or found.position)
        for found in report.findings.kept
    )


def only(report: Report) -> tuple[Kind, int | None, str | None]:
    (found,) = report.findings.kept
    return found.kind, found.position, found.column


OTHER_ID = "gen_random_uuid()"
ALTERED: dict[str, str] = {
    "stream_id": OTHER_ID,
    "stream_version": "stream_version + 1",
    "type": "type || 'd'",
    "schema": "schema + 1",
    "customer_id": OTHER_ID,
    "case_id": OTHER_ID,
    "occurred_at": "occurred_at + interval '1 microsecond'",
    "recorded_at": "recorded_at + interval '1 microsecond'",
    "actor_kind": "CASE actor_kind WHEN 'bot' THEN 'system' ELSE 'bot' END",
    "actor_id": "actor_id || ' '",
    "actor_role": "coalesce(actor_role, '') || 'x'",
    "command_id": OTHER_ID,
    "causation_id": OTHER_ID,
    "correlation_id": OTHER_ID,
    "source": "coalesce(source, '') || 'x'",
    "external_id": "coalesce(external_id, '') || 'x'",
    "data": "data || '{\"more\": null}'",
}
"""For each column but position and leaf, another value."""


def alter(connection: Connection[Any], position: int, column: str, value: str) -> None:
    done = connection.execute(f"UPDATE ledger.entries SET {column} = {value} WHERE position = {position}".encode())
    assert done.rowcount == 1


def reseal(connection: Connection[Any], position: int, *, tile: bool = False, kept: bool = False) -> None:
    """Make the leaf fit its columns again; the tile too, and the leaf kept with the checkpoint."""
    found = rows.row(connection, position)
    assert found is not None
    connection.execute("UPDATE ledger.entries SET leaf = %s WHERE position = %s", (found.leaf, position))
    index, at = divmod(position - 1, 256)
    if tile:
        for (hashes,) in connection.execute(
            "SELECT hashes FROM seals.tiles WHERE level = 0 AND index = %s", (index,)
        ).fetchall():
            altered = hashes[: at * HASH] + found.leaf + hashes[(at + 1) * HASH :]
            connection.execute(
                "UPDATE seals.tiles SET hashes = %s, root = %s WHERE level = 0 AND index = %s",
                (altered, folded(altered), index),
            )
    if kept:
        connection.execute(
            "UPDATE seals.checkpoints SET leaves = overlay(leaves PLACING %(leaf)s FROM"
            " (%(at)s - (size - length(leaves) / 32) - 1)::int * 32 + 1 FOR 32)"
            " WHERE %(at)s <= size AND %(at)s > size - length(leaves) / 32",
            {"leaf": found.leaf, "at": position},
        )
