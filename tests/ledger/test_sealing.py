"""The sealer issues checkpoints that continue one another, and what it refuses to sign."""

import threading
from base64 import b64encode
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from ledger import checkpoints, database, merkle, verifying
from ledger.database import Duty
from ledger.merkle import TreeBroken
from ledger.sealing import seal
from ledger.verifier import (
    Tree,
    open_checkpoint,
    verify_consistency,
)
from ledger.verifying import Kind, Readers
from tests.ledger.sealed_world import KEY, ORIGIN, SIGNER, TRUST, fill, leaves, unguarded
from tests.ledger.tree import mth, plant

# Checkpoints.


def test_a_checkpoint_is_the_signed_root_of_all_entries(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(300))

    issued = seal(sealer, [SIGNER])

    assert issued and issued == checkpoints.latest(sealer)
    opened = open_checkpoint(issued.note, [KEY])
    assert opened.tree == Tree(ORIGIN, 300, mth(leaves(300)))
    assert issued.note.startswith(f"{ORIGIN}\n300\n{b64encode(issued.root).decode()}\n\n— {ORIGIN} ")
    assert (issued.size, issued.root, issued.origin) == (300, mth(leaves(300)), ORIGIN)


def test_nothing_is_issued_where_nothing_was_added(admin: Connection[Any], sealer: Connection[Any]) -> None:
    assert seal(sealer, [SIGNER]) is None
    assert checkpoints.latest(sealer) is None

    plant(admin, leaves(3))
    assert seal(sealer, [SIGNER])
    assert seal(sealer, [SIGNER]) is None

    assert [each.size for each in checkpoints.issued(sealer)] == [3]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(1, 300), min_size=2, max_size=6))
def test_every_checkpoint_continues_every_one_before_it(admin: Connection[Any], batches: list[int]) -> None:
    with admin.transaction(force_rollback=True):
        for batch in batches:
            (before,) = admin.execute("SELECT position FROM ledger.head").fetchall()[0]
            plant(admin, leaves(batch, before))
            assert seal(admin, [SIGNER])
        issued = list(checkpoints.issued(admin))

        for number, old in enumerate(issued):
            for new in issued[number:]:
                path = merkle.consistency(admin, old.size, new.size)
                verify_consistency(old.size, new.size, old.root, new.root, path)
        report = verifying.examine(admin, TRUST)
    assert [found for found in report.findings.kept if found.kind is not Kind.ROW_ALTERED] == []
    assert report.checkpoints == len(batches)


def test_the_checkpoint_that_covers_a_position_is_found(admin: Connection[Any], sealer: Connection[Any]) -> None:
    for number in (3, 4, 5):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])

    covering = {position: checkpoints.at_or_after(sealer, position) for position in (1, 3, 4, 7, 8, 12, 13)}

    assert {at: found and found.size for at, found in covering.items()} == {
        1: 3, 3: 3, 4: 7, 7: 7, 8: 12, 12: 12, 13: None,
    }  # fmt: skip
    assert [each.size for each in checkpoints.issued(sealer, after=3, until=7)] == [7]


def test_sealers_side_by_side_issue_one_line_of_checkpoints(url: str, admin: Connection[Any]) -> None:
    """Four seal as fast as they can while entries come in."""
    ended = threading.Event()

    def work() -> int:
        issued = 0
        with database.connect(url, Duty.SEALER) as connection:
            while not ended.is_set():
                issued += seal(connection, [SIGNER]) is not None
        return issued

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work) for _ in range(4)]
        for number in range(60):
            plant(admin, leaves(7, 7 * number))
        ended.set()
        issued = sum(each.result() for each in working)

    seal(admin, [SIGNER])
    found = list(checkpoints.issued(admin))
    assert len(found) in (issued, issued + 1)
    for each in found:
        assert open_checkpoint(each.note, [KEY]).tree.root == mth(leaves(each.size))


# What is not signed.


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 600", "up to 600 are not what was sealed"),
        ("UPDATE seals.tiles SET root = sha256('x') WHERE index = 1", "up to 600 are not what was sealed"),
        ("DELETE FROM seals.tiles WHERE index = 1", "lacks the subtree"),
        ("UPDATE ledger.head SET position = 500", "600 entries were sealed and the ledger has 500"),
        ("DELETE FROM ledger.entries WHERE position = 599", "lacks the subtree|not what was sealed"),
    ],
)
def test_a_tree_that_no_longer_fits_is_not_signed(
    admin: Connection[Any], sealer: Connection[Any], statement: str, said: str
) -> None:
    plant(admin, leaves(600))
    seal(sealer, [SIGNER])
    plant(admin, leaves(5, 600))
    unguarded(admin, statement)

    with pytest.raises(TreeBroken, match=said):
        seal(sealer, [SIGNER])

    assert [each.size for each in checkpoints.issued(sealer)] == [600]


def test_an_altered_leaf_under_a_full_tile_is_met_by_chance(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(300))
    seal(sealer, [SIGNER])
    unguarded(admin, "UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 9")

    # There is but one full tile, so it is the one that is drawn.
    with pytest.raises(TreeBroken, match="The entries 1 to 256 are not what was sealed; run: daybook verify"):
        seal(sealer, [SIGNER])


# Verifying bit by bit.


def test_what_was_verified_is_not_hashed_again(url: str, admin: Connection[Any], sealer: Connection[Any]) -> None:
    with database.connect(url, Duty.AUDITOR) as auditor:
        assert verifying.last_verified(auditor) is None
        fill(url, 20)
        assert seal(sealer, [SIGNER])
        first = verifying.verify(auditor, TRUST)
        assert first.findings.kept == []
        verifying.remember(auditor, first)
        fill(url, 30, seed=2)
        assert seal(sealer, [SIGNER])
        since = verifying.last_verified(auditor)

        told: list[int] = []
        second = verifying.verify(auditor, TRUST, since=since, advance=lambda done, _: told.append(done))

        assert since and since.size == first.sealed
        assert second.findings.kept == []
        assert (second.since, second.checkpoints) == (first.sealed, 1)
        assert told[-1] == second.head - first.sealed // 256 * 256
        root = merkle.root(sealer, second.head - 1)
        forged = verifying.Verified(since.at, second.head - 1, root)
        unsigned = verifying.verify(auditor, TRUST, since=forged)
        assert (unsigned.since, [found.kind for found in unsigned.findings.kept]) == (0, [Kind.TREE_DIFFERS])
        unguarded(admin, f"UPDATE ledger.entries SET schema = 7 WHERE position = {second.head}")
        later = verifying.verify(auditor, TRUST, since=since)
        assert [(each.kind, each.position) for each in later.findings.kept] == [(Kind.ROW_ALTERED, second.head)]
        unguarded(admin, "UPDATE seals.tiles SET root = sha256('x') WHERE index = 0")
        distrusted = verifying.verify(auditor, TRUST, since=since)
        assert distrusted.since == 0
        assert (Kind.TREE_DIFFERS, 1) in [(each.kind, each.position) for each in distrusted.findings.kept]


def test_several_processes_see_one_moment_and_find_the_same(url: str, admin: Connection[Any]) -> None:
    fill(url, 60)
    assert seal(admin, [SIGNER])
    unguarded(admin, "UPDATE ledger.entries SET schema = 7 WHERE position IN (3, 300)")
    with (
        database.connect(url, Duty.AUDITOR) as auditor,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor,
    ):
        alone = verifying.verify(auditor, TRUST)
        together = verifying.verify(auditor, TRUST, readers=Readers(executor, 2, url))

    assert [each.position for each in together.findings.kept] == [3, 300]
    assert together.findings.kept == alone.findings.kept
    assert together._replace(findings=alone.findings) == alone
