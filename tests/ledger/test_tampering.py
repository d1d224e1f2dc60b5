"""Whatever is altered with a superuser's rights, a verification finds it and names the position."""

import pytest

from ledger import canonical
from ledger.verifying import Kind, rows
from tests.ledger.tampering import ALTERED, OTHER_ID, World, alter, named, only, reseal, tampered, verified

STRANGE: dict[str, list[str]] = {
    "occurred_at": ["'infinity'", "occurred_at - interval '4052 years'", "'infinity'::timestamptz"],
    "recorded_at": ["'-infinity'", "'infinity'", "recorded_at - interval '4052 years'"],
    "data": [
        "'null'",
        "'[]'",
        "'1e400'",
        "'{}'",
        "data || '{\"n\": 1.0}'",
        "to_jsonb('x'::text)",
        "NULL",
        "(repeat('[', 3000) || repeat(']', 3000))::jsonb",
    ],
    "schema": ["-schema"],
    "actor_id": ["''", "E'a\\nb'", "'\"'", "repeat('x', 100000)"],
    "stream_version": ["0", "-1", "NULL"],
}
"""Values that nothing of Daybook ever writes."""


def test_a_ledger_nobody_touched_has_nothing_wrong(world: World) -> None:
    report = verified(world.admin)

    assert report.findings.kept == []
    assert (report.head, report.sealed, report.checkpoints, report.since) == (world.head, world.sealed, 5, 0)


@pytest.mark.parametrize("column", ALTERED)
@pytest.mark.parametrize("where", ["first", "in a full tile", "in the last tile", "not sealed"])
def test_each_column_of_an_entry(world: World, column: str, where: str) -> None:
    """The first thing that is told is where the row no longer fits its leaf."""
    position = {"first": 1, "in a full tile": 300, "in the last tile": world.sealed, "not sealed": world.head}[where]
    with tampered(world) as connection:
        alter(connection, position, column, ALTERED[column])
        report = verified(connection)

    first = report.findings.kept[0]
    assert (first.kind, first.position) == (Kind.ROW_ALTERED, position)
    assert named(report, position)


@pytest.mark.parametrize("column", ALTERED)
@pytest.mark.parametrize("where", ["in a full tile", "in the last tile"])
def test_each_column_with_the_leaf_altered_too(world: World, column: str, where: str) -> None:
    position = {"in a full tile": 300, "in the last tile": world.sealed}[where]
    with tampered(world) as connection:
        alter(connection, position, column, ALTERED[column])
        reseal(connection, position)
        report = verified(connection)

    first = report.findings.kept[0]
    assert (first.kind, first.position) == (Kind.ENTRY_ALTERED, position)


@pytest.mark.parametrize("column", ALTERED)
@pytest.mark.parametrize("where", ["in a full tile", "in the last tile"])
def test_each_column_with_leaf_and_all_hashes_altered_too(world: World, column: str, where: str) -> None:
    """Then the signature of a checkpoint is all that is left: it says between which two checkpoints it happened."""
    position = {"in a full tile": 300, "in the last tile": world.sealed}[where]
    with tampered(world) as connection:
        alter(connection, position, column, ALTERED[column])
        reseal(connection, position, tile=True, kept=True)
        report = verified(connection)

    (differs,) = [found for found in report.findings.kept if found.kind is Kind.TREE_DIFFERS]
    assert differs.position is not None and differs.until is not None
    assert differs.position <= position <= differs.until
    assert differs.until - differs.position < world.sealed // 2


@pytest.mark.parametrize(("column", "value"), [(column, value) for column in STRANGE for value in STRANGE[column]])
def test_values_that_nothing_of_ours_writes(world: World, column: str, value: str) -> None:
    with tampered(world) as connection:
        before = connection.execute(
            f"SELECT {column}::text FROM ledger.entries WHERE position = 300".encode()
        ).fetchone()
        alter(connection, 300, column, value)
        assert (
            connection.execute(f"SELECT {column}::text FROM ledger.entries WHERE position = 300".encode()).fetchone()
            != before
        )
        report = verified(connection)

    assert (report.findings.kept[0].kind, report.findings.kept[0].position) == (Kind.ROW_ALTERED, 300)


@pytest.mark.parametrize("value", ["'infinity'", "'-infinity'", "recorded_at + interval '1 microsecond'"])
def test_the_time_of_the_head(world: World, value: str) -> None:
    with tampered(world) as connection:
        connection.execute(f"UPDATE ledger.head SET recorded_at = {value}".encode())
        report = verified(connection)

    assert only(report) == (Kind.HEAD_ALTERED, world.head, None)


@pytest.mark.parametrize("value", ["'infinity'", "'-infinity'"])
def test_a_time_without_an_end_in_the_last_entry(world: World, value: str) -> None:
    with tampered(world) as connection:
        alter(connection, world.head, "recorded_at", value)
        report = verified(connection)

    assert (report.findings.kept[0].kind, report.findings.kept[0].position) == (Kind.ROW_ALTERED, world.head)


@pytest.mark.parametrize("position", [1, 128, 129, 256, 257, 300])
def test_a_row_deleted(world: World, position: int) -> None:
    with tampered(world) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE position = %s", (position,))
        report = verified(connection)

    first = report.findings.first()
    assert first
    assert (first.kind, first.position) == (Kind.POSITION_MISSING, position)


def test_a_whole_tile_deleted(world: World) -> None:
    with tampered(world) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE position BETWEEN 257 AND 512")
        report = verified(connection)

    first = report.findings.first()
    assert first
    assert (first.kind, first.position) == (Kind.POSITION_MISSING, 257)
    assert report.findings.counted >= 256


def test_the_last_rows_deleted_and_the_head_set_back(world: World) -> None:
    """As far as nothing is sealed yet, nobody can know; sealed entries are missed."""
    with tampered(world) as connection:
        connection.execute("DELETE FROM ledger.entries WHERE position >= %s", (world.sealed,))
        connection.execute("DELETE FROM ledger.commands WHERE last_position >= %s", (world.sealed,))
        connection.execute(
            "UPDATE ledger.head h SET position = e.position, recorded_at = e.recorded_at"
            " FROM (SELECT * FROM ledger.entries ORDER BY position DESC LIMIT 1) e"
        )
        report = verified(connection)

    assert (Kind.POSITION_MISSING, world.sealed) in [(found.kind, found.position) for found in report.findings.kept]


def test_a_row_added_after_the_head(world: World) -> None:
    with tampered(world) as connection:
        connection.execute(
            "CREATE TEMP TABLE more ON COMMIT DROP AS SELECT * FROM ledger.entries WHERE position = 300;"
            f" UPDATE more SET position = {world.head + 1}, stream_id = gen_random_uuid(), stream_version = 1,"
            " source = NULL, external_id = NULL; INSERT INTO ledger.entries SELECT * FROM more".encode()
        )
        report = verified(connection)

    assert only(report)[:2] == (Kind.POSITION_UNKNOWN, world.head + 1)


def test_a_row_added_beside_another(world: World) -> None:
    with tampered(world) as connection:
        connection.execute("ALTER TABLE ledger.entries DROP CONSTRAINT entries_pkey")
        connection.execute("INSERT INTO ledger.entries SELECT * FROM ledger.entries WHERE position = 300")
        report = verified(connection)

    found = [(each.kind, each.position) for each in report.findings.kept]
    assert (Kind.POSITION_UNKNOWN, 300) in found


@pytest.mark.parametrize(("one", "other"), [(290, 300), (10, 400)])
def test_two_rows_swapped(world: World, one: int, other: int) -> None:
    with tampered(world) as connection:
        for moved, to in ((one, -1), (other, one), (-1, other)):
            connection.execute("UPDATE ledger.entries SET position = %s WHERE position = %s", (to, moved))
        report = verified(connection)

    found = {each.position: each for each in report.findings.kept if each.kind is Kind.ROW_ALTERED}
    assert set(found) == {one, other}
    assert all(each.column == "position" for each in found.values())
    assert f"what stands at {other}" in found[one].what


def test_two_payloads_swapped(world: World) -> None:
    (pair,) = world.admin.execute(
        "SELECT array_agg(position) FROM (SELECT position FROM ledger.entries WHERE type = 'Touchpoint.Recorded'"
        " AND position > 256 ORDER BY position LIMIT 2) t"
    ).fetchall()[0]
    with tampered(world) as connection:
        connection.execute(
            "UPDATE ledger.entries e SET data = o.data FROM ledger.entries o"
            " WHERE e.position = ANY(%(pair)s) AND o.position = ANY(%(pair)s) AND e.position <> o.position",
            {"pair": pair},
        )
        report = verified(connection)

    assert {found.position for found in report.findings.kept if found.kind is Kind.ROW_ALTERED} == set(pair)


@pytest.mark.parametrize("leaf", ["sha256('x')", "NULL", "''", "leaf || leaf", "substr(leaf, 1, 31)"])
def test_a_leaf_alone(world: World, leaf: str) -> None:
    with tampered(world) as connection:
        alter(connection, 300, "leaf", leaf)
        assert only(verified(connection))[:2] == (Kind.LEAF_ALTERED, 300)


@pytest.mark.parametrize(
    ("column", "value", "was"),
    [
        ("actor_kind", "CASE actor_kind WHEN 'bot' THEN 'system' ELSE 'bot' END", None),
        ("type", "'Case.Opened2'", None),
        ("schema", "7", "1"),
        ("stream_version", "stream_version + 1", None),
        ("command_id", OTHER_ID, None),
        ("customer_id", OTHER_ID, None),
    ],
)
def test_the_column_is_named_where_a_hash_proves_it(world: World, column: str, value: str, was: str | None) -> None:
    """Entry 5 registered a customer by a command, so what stood there is found elsewhere in the ledger."""
    before = world.admin.execute(f"SELECT {column}::text FROM ledger.entries WHERE position = 5".encode()).fetchall()[
        0
    ][0]
    with tampered(world) as connection:
        alter(connection, 5, column, value)
        report = verified(connection)

    first = report.findings.kept[0]
    assert (first.kind, first.position, first.column) == (Kind.ROW_ALTERED, 5, column)
    assert f"it was {before!r}" in first.what or f"it was {before}." in first.what
    assert was in (None, before)


def test_tiles_checkpoints_records_and_the_head(world: World) -> None:
    tile, sealed = "UPDATE seals.tiles SET {} WHERE index = {}", "UPDATE seals.checkpoints SET {} WHERE size = 40"
    command = "UPDATE ledger.commands SET {} WHERE first_position = {}"
    works: list[tuple[str, Kind, int]] = [
        (tile.format("root = sha256('x')", 0), Kind.TILE_ALTERED, 1),
        (tile.format("hashes = overlay(hashes PLACING sha256('x') FROM 33)", 1), Kind.TILE_ALTERED, 258),
        (tile.format("hashes = NULL", 1), Kind.TILE_ALTERED, 257),
        (tile.format("hashes = hashes || hashes", 1), Kind.TILE_ALTERED, 257),
        (tile.format("root = NULL", 1), Kind.TILE_ALTERED, 257),
        ("DELETE FROM seals.tiles WHERE index = 1", Kind.TILE_MISSING, 257),
        (sealed.format("root = NULL"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("note = NULL"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("after = NULL"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("root = sha256('x')"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("note = replace(note, E'\\n40\\n', E'\\n41\\n')"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("leaves = overlay(leaves PLACING sha256('x') FROM 1)"), Kind.CHECKPOINT_ALTERED, 22),
        (sealed.format("after = 7"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("leaves = ''"), Kind.CHECKPOINT_ALTERED, 40),
        (sealed.format("leaves = substr(leaves, 33)"), Kind.CHECKPOINT_ALTERED, 40),
        ("DELETE FROM seals.checkpoints WHERE size = 40", Kind.CHECKPOINT_MISSING, 40),
        ("UPDATE ledger.head SET recorded_at = now()", Kind.HEAD_ALTERED, world.head),
        ("UPDATE ledger.head SET position = position + 1", Kind.POSITION_MISSING, world.head + 1),
        ("UPDATE ledger.head SET position = position - 1", Kind.POSITION_UNKNOWN, world.head),
        (command.format("last_position = 2", 1), Kind.COMMAND_ALTERED, 1),
        (command.format("stream_id = gen_random_uuid()", 3), Kind.COMMAND_ALTERED, 3),
        (command.format("first_position = 4, last_position = 4", 3), Kind.COMMAND_ALTERED, 4),
        (command.format("command_id = gen_random_uuid()", 6), Kind.COMMAND_ALTERED, 6),
    ]
    for statement, kind, position in works:
        with tampered(world) as connection:
            assert connection.execute(statement.encode()).rowcount == 1, statement
            found = [(each.kind, each.position) for each in verified(connection).findings.kept]
        assert (kind, position) in found, (statement, found)


def test_the_rows_are_hashed_as_they_were_entered(world: World) -> None:
    """What the verification is built on: the canonical bytes of a row, twice made."""
    found = rows.row(world.admin, 1)
    assert found is not None and found.canonical is not None
    assert canonical.leaf(found.canonical) == found.stored
    assert found.canonical.startswith(b'[1,"')
