"""The tree in its tiles: the same roots and proofs as the RFC's own definitions give, however it was grown."""

import hashlib
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, errors

from ledger import database, merkle
from ledger.database import Duty
from ledger.merkle import EMPTY, TreeBroken
from ledger.verifier import Unproven, verify_consistency, verify_inclusion
from tests.ledger.tree import h, mth, path, plant, proof

CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"
SMALL = 40
LARGE = 2 * 65_536 + 3 * 256 + 77


def leaf(number: int) -> bytes:
    return hashlib.sha256(b"\x00leaf %d" % number).digest()


@pytest.fixture(scope="module")
def large(module_url: str) -> Iterator[tuple[Connection[Any], list[bytes]]]:
    """A tree of three levels of tiles, and its leaves."""
    leaves = [leaf(number) for number in range(LARGE)]
    with database.connect(module_url) as admin, database.connect(module_url, Duty.SEALER) as connection:
        plant(admin, leaves)
        assert merkle.extend(connection, LARGE) == LARGE // 256 + LARGE // 65_536
        yield connection, leaves


def test_the_known_tree_of_certificate_transparency(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, [h(b"\x00" + bytes.fromhex(data)) for data in CT_LEAVES])

    assert merkle.root(sealer, 8).hex() == CT_ROOT


def test_the_empty_tree(sealer: Connection[Any]) -> None:
    assert merkle.root(sealer, 0) == EMPTY == hashlib.sha256(b"").digest()
    assert merkle.extend(sealer, 0) == 0


def test_every_proof_of_small_trees_is_that_of_the_rfc_and_verifies(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    leaves = [leaf(number) for number in range(SMALL)]
    plant(admin, leaves)

    for size in range(1, SMALL + 1):
        root = merkle.root(sealer, size)
        assert root == mth(leaves[:size])
        found = merkle.inclusions(sealer, range(1, size + 1), size)
        for position in range(1, size + 1):
            assert found[position] == path(position - 1, leaves[:size]), (position, size)
            verify_inclusion(leaves[position - 1], position - 1, size, found[position], root)
        for old in range(1, size + 1):
            grown = merkle.consistency(sealer, old, size)
            assert grown == proof(old, leaves[:size]), (old, size)
            verify_consistency(old, size, mth(leaves[:old]), root, grown)


def test_a_proof_of_something_else_does_not_verify(admin: Connection[Any], sealer: Connection[Any]) -> None:
    leaves = [leaf(number) for number in range(SMALL)]
    plant(admin, leaves)
    root, found = merkle.root(sealer, SMALL), merkle.inclusion(sealer, 7, SMALL)

    for given_ in ((leaves[7], 6), (leaves[6], 7), (leaf(99), 6)):
        with pytest.raises(Unproven):
            verify_inclusion(*given_, SMALL, found, root)


@pytest.mark.parametrize(
    "size", [1, 255, 256, 257, 511, 512, 65_535, 65_536, 65_537, 131_072, 131_073, LARGE - 1, LARGE]
)
def test_roots_and_proofs_at_the_edges_of_tiles(large: tuple[Connection[Any], list[bytes]], size: int) -> None:
    connection, leaves = large
    root = merkle.root(connection, size)
    assert root == mth(leaves[:size])

    positions = {1, size, (size + 1) // 2, max(size - 255, 1), max(size - 256, 1)}
    assert merkle.inclusions(connection, positions, size) == {
        position: path(position - 1, leaves[:size]) for position in positions
    }
    for old in positions:
        assert merkle.consistency(connection, old, size) == proof(old, leaves[:size])


@pytest.mark.parametrize(("position", "size"), [(0, 5), (6, 5), (-1, 5), (1, 0)])
def test_no_proof_of_what_is_not_in_the_tree(sealer: Connection[Any], position: int, size: int) -> None:
    with pytest.raises(ValueError, match="is not among the first"):
        merkle.inclusion(sealer, position, size)


@pytest.mark.parametrize(("old", "new"), [(0, 5), (6, 5)])
def test_no_tree_begins_with_a_larger_one_or_with_none(sealer: Connection[Any], old: int, new: int) -> None:
    with pytest.raises(ValueError, match="does not begin with"):
        merkle.consistency(sealer, old, new)


def test_a_tree_larger_than_the_ledger_is_not_made_up(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, [leaf(0), leaf(1), leaf(2)])

    for size in (4, 5, 300, 70_000):
        with pytest.raises(TreeBroken):
            merkle.root(sealer, size)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(1, 700), min_size=1, max_size=8))
def test_however_it_was_grown_the_tree_is_the_same(
    admin: Connection[Any], sealer: Connection[Any], batches: list[int]
) -> None:
    leaves = [leaf(number) for number in range(sum(batches))]
    with admin.transaction(force_rollback=True):
        size = 0
        for batch in batches:
            plant(admin, leaves[size : size + batch])
            size += batch
            merkle.extend(admin, size)
            assert merkle.root(admin, size) == mth(leaves[:size])
        grown = admin.execute("SELECT * FROM seals.tiles ORDER BY level, index").fetchall()

        for earlier in {1, batches[0], size}:
            assert merkle.root(admin, earlier) == mth(leaves[:earlier])
    assert [(level, index, hashes, root) for level, index, hashes, root in grown] == [
        (0, n, b"".join(leaves[256 * n : 256 * n + 256]), mth(leaves[256 * n : 256 * n + 256]))
        for n in range(size // 256)
    ]


def test_a_missing_leaf_is_told_and_nothing_is_kept(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, [leaf(number) for number in range(600)])
    admin.execute(
        "ALTER TABLE ledger.entries DISABLE TRIGGER append_only; DELETE FROM ledger.entries WHERE position = 300"
    )

    with pytest.raises(TreeBroken, match="Of the entries 257 to 512 not all are there"), sealer.transaction():
        merkle.extend(sealer, 600)

    assert admin.execute("SELECT count(*) FROM seals.tiles").fetchone() == (0,)


@pytest.mark.parametrize("table", ["tiles", "checkpoints", "cosignatures", "publications", "verifications"])
@pytest.mark.parametrize(
    "statement", ["UPDATE seals.{} SET size = size", "DELETE FROM seals.{}", "TRUNCATE seals.{} CASCADE"]
)
def test_not_even_the_owner_changes_a_seal(admin: Connection[Any], table: str, statement: str) -> None:
    column = "level = level" if table == "tiles" else "size = size"
    asked = statement.format(table).replace("size = size", column)

    with pytest.raises(errors.InsufficientPrivilege, match="seals are append-only"):
        admin.execute(asked.encode())


def test_the_sealer_reads_leaves_and_nothing_else_of_an_entry(sealer: Connection[Any]) -> None:
    sealer.execute("SELECT position, leaf FROM ledger.entries")

    for forbidden in ("SELECT data FROM ledger.entries", "SELECT * FROM ledger.entries", "SELECT * FROM vault.keys"):
        with pytest.raises(errors.InsufficientPrivilege):
            sealer.execute(forbidden)
