"""Whoever puts something else in the place of the tables is found, be what it shows as good as it may."""

import pytest
from psycopg import sql

from ledger import database, verifying
from ledger.database import Duty
from ledger.verifying import Kind
from tests.ledger.sealed_world import OLD, TRUST
from tests.ledger.tampering import World, alter, tampered, verified

SWAPPED = {
    "a view in its place": (
        "ALTER TABLE ledger.entries RENAME TO kept; CREATE VIEW ledger.entries AS SELECT * FROM ledger.kept;"
        " GRANT SELECT ON ledger.entries TO PUBLIC",
        {"ledger.entries is no table of its own.", "ledger.entries is read by rules."},
    ),
    "policies": (
        "ALTER TABLE ledger.entries ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON ledger.entries USING (true)",
        {"ledger.entries is shown to each role by policies."},
    ),
    "rows in an heir": (
        "CREATE TABLE ledger.more () INHERITS (ledger.entries)",
        {"ledger.entries has heirs or is one."},
    ),
    "checkpoints that a crash empties": (
        "CREATE TABLE seals.c AS SELECT * FROM seals.checkpoints; DROP TABLE seals.checkpoints CASCADE;"
        " ALTER TABLE seals.c RENAME TO checkpoints; ALTER TABLE seals.checkpoints SET UNLOGGED",
        {"seals.checkpoints is not kept in the log."},
    ),
    "no tiles": ("DROP TABLE seals.tiles", {"seals.tiles is not there."}),
    "a column that nothing seals": (
        "ALTER TABLE ledger.entries ADD COLUMN remark text",
        {"The column remark of ledger.entries is text, and Daybook made it none."},
    ),
    "a column of another type": (
        "ALTER TABLE ledger.entries ALTER COLUMN stream_version TYPE bigint",
        {"The column stream_version of ledger.entries is bigint, and Daybook made it integer."},
    ),
    "a column under another name": (
        "ALTER TABLE ledger.entries RENAME COLUMN source TO origin",
        {
            "The column source of ledger.entries is none, and Daybook made it text.",
            "The column origin of ledger.entries is text, and Daybook made it none.",
        },
    ),
}


@pytest.mark.parametrize("how", SWAPPED)
def test_what_stands_in_the_place_of_a_table_is_found_and_not_believed(world: World, how: str) -> None:
    statements, faults = SWAPPED[how]
    with tampered(world) as connection:
        for statement in statements.split(";"):
            connection.execute(statement.encode())
        report = verified(connection)

    assert {found.what for found in report.findings.kept} == faults
    assert {found.kind for found in report.findings.kept} == {Kind.SHAPE_ALTERED}
    assert (report.head, report.root) == (0, None)


def test_a_function_of_somebody_elses_does_not_answer_for_postgresqls_own(world: World, module_url: str) -> None:
    """Set for the whole database, it would give the row as it was to all who ask by the name alone."""
    name = sql.Identifier(world.admin.info.dbname)
    world.admin.execute(
        "CREATE SCHEMA evil; GRANT USAGE ON SCHEMA evil TO PUBLIC; CREATE FUNCTION evil.to_json(anyelement)"
        " RETURNS json LANGUAGE sql AS $$ SELECT pg_catalog.to_json('ann'::text) $$"
    )
    world.admin.execute(sql.SQL("ALTER DATABASE {} SET search_path = evil, pg_catalog").format(name))
    was = world.admin.execute("SELECT actor_id FROM ledger.entries WHERE position = 1").fetchone()
    try:
        alter(world.admin, 1, "actor_id", "'eve'")
        with database.connect(module_url, Duty.AUDITOR) as auditor:
            report = verifying.verify(auditor, TRUST)
    finally:
        world.admin.execute("UPDATE ledger.entries SET actor_id = %s WHERE position = 1", was)
        world.admin.execute(sql.SQL("ALTER DATABASE {} RESET search_path").format(name))
        world.admin.execute("DROP SCHEMA evil CASCADE")

    assert was == ("ann",)
    assert [(found.kind, found.position) for found in report.findings.kept] == [(Kind.ROW_ALTERED, 1)]


@pytest.mark.parametrize("other", ["no key", OLD.vkey])
def test_the_public_key_that_stands_with_a_checkpoint_is_the_one_that_signed_it(world: World, other: str) -> None:
    """Be keys given from elsewhere or not: the server tells others the one that stands there."""
    with tampered(world) as connection:
        connection.execute("UPDATE seals.checkpoints SET vkey = %s WHERE size = %s", (other, world.sealed))
        report = verified(connection)

    assert [(found.kind, found.position) for found in report.findings.kept] == [
        (Kind.CHECKPOINT_ALTERED, world.sealed)
    ]  # fmt: skip


@pytest.mark.parametrize("column", ["first_position", "last_position"])
def test_a_record_of_a_command_without_positions_is_found(world: World, column: str) -> None:
    with tampered(world) as connection:
        connection.execute(f"ALTER TABLE ledger.commands ALTER {column} DROP NOT NULL".encode())
        connection.execute(f"UPDATE ledger.commands SET {column} = NULL WHERE first_position = 1".encode())
        report = verified(connection)

    assert Kind.COMMAND_ALTERED in {found.kind for found in report.findings.kept}
