"""An older copy of a ledger signs nothing that contradicts what the later one published or had cosigned."""

from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from ledger import checkpoints, database, sealing
from ledger.merkle import TreeBroken
from ledger.outside import refuse_forgotten
from ledger.publishing import Folder
from ledger.sealing import hand_out, seal
from ledger.witness import Witness
from tests.ledger.answering import answering
from tests.ledger.sealed_world import SIGNER, leaves
from tests.ledger.test_witness import Witnessing
from tests.ledger.tree import plant


@pytest.fixture
def restored(other_url: str) -> Any:
    """A connection with every right to a second database: the ledger as an older backup has it."""
    with database.connect(other_url) as connection:
        yield connection


def publish(admin: Connection[Any], folder: Folder, *sizes: int) -> None:
    """Enter and seal so many entries after one another, and publish each checkpoint."""
    for number in sizes:
        (before,) = admin.execute("SELECT position FROM ledger.head").fetchall()[0]
        plant(admin, leaves(number, before))
        seal(admin, [SIGNER], [folder])
        assert hand_out(admin, [folder], []) == []


def issued(connection: Connection[Any]) -> list[int]:
    return [each.size for each in checkpoints.issued(connection)]


def test_what_was_published_before_lets_the_ledger_go_on(tmp_path: Path, admin: Connection[Any]) -> None:
    publish(admin, Folder(tmp_path), 3, 300, 1)

    assert issued(admin) == [3, 303, 304]


@pytest.mark.parametrize("sealed", [True, False])
def test_a_restored_ledger_signs_nothing_while_more_was_published(
    sealed: bool, tmp_path: Path, admin: Connection[Any], restored: Connection[Any]
) -> None:
    publish(admin, Folder(tmp_path), 300, 100)
    plant(restored, leaves(300))
    if sealed:
        seal(restored, [SIGNER])
    before = issued(restored)

    for _ in range(2):
        with pytest.raises(TreeBroken, match=r"holds a checkpoint of 400 entries, and there are 30[01]: an older copy"):
            seal(restored, [SIGNER], [Folder(tmp_path)])
        plant(restored, leaves(1, 1_000))

    assert issued(restored) == before


@pytest.mark.parametrize("sealed", [True, False])
def test_a_restored_ledger_signs_nothing_once_it_has_grown_past_what_was_published(
    sealed: bool, tmp_path: Path, admin: Connection[Any], restored: Connection[Any]
) -> None:
    publish(admin, Folder(tmp_path), 300, 100)
    plant(restored, leaves(300))
    if sealed:
        seal(restored, [SIGNER])
    before = issued(restored)
    plant(restored, leaves(500, 1_000))

    with pytest.raises(TreeBroken, match="holds another tree of 400 entries: an older copy of it runs here"):
        seal(restored, [SIGNER], [Folder(tmp_path)])

    assert issued(restored) == before
    tiles = restored.execute("SELECT count(*) FROM seals.tiles").fetchall()
    assert tiles == [(1 if sealed else 0,)]


@pytest.mark.parametrize(
    "note", ["", "other.example/ledger\n900\nAAAA\n\n", f"other.example/ledger\n900\n{'A' * 43}=\n\n", "\udc80"]
)
def test_what_is_no_checkpoint_of_this_ledger_says_nothing_of_it(
    note: str, tmp_path: Path, admin: Connection[Any]
) -> None:
    (tmp_path / f"{900:020d}.checkpoint").write_bytes(note.encode("utf-8", "surrogateescape"))
    plant(admin, leaves(3))

    assert seal(admin, [SIGNER], [Folder(tmp_path), Folder(tmp_path / "missing")])


def test_a_witness_that_knows_more_keeps_a_restored_ledger_from_sealing(
    url: str, other_url: str, admin: Connection[Any], restored: Connection[Any]
) -> None:
    witness = Witnessing()
    with answering(witness.answer) as (at, _):
        asked = [Witness(at, witness.vkey)]
        for number in (3, 4):
            plant(admin, leaves(number))
            refuse_forgotten(admin, asked)
            seal(admin, [SIGNER])
            assert hand_out(admin, [], asked) == []
        refuse_forgotten(admin, asked)
        plant(restored, leaves(3))
        seal(restored, [SIGNER])
        plant(restored, leaves(9))

        with pytest.raises(TreeBroken, match=r"witness\.example cosigned 7 entries, and 3 are sealed: an older copy"):
            sealing.run(other_url, 1, [SIGNER], [], asked, lambda: False, lambda _: None)

    assert issued(restored) == [3]
    assert witness.known == 7


def test_a_witness_of_another_tree_of_that_size_keeps_it_from_sealing(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    with answering(lambda _: (409, "3\n")) as (at, heard):
        witness = Witness(at, Witnessing().vkey)
        refuse_forgotten(sealer, [witness])
        assert heard == []
        plant(admin, leaves(3))
        issued = seal(sealer, [SIGNER])
        assert issued

        with pytest.raises(TreeBroken, match="cosigned another tree of 3 entries"):
            refuse_forgotten(sealer, [witness])

    assert [each.body for each in heard] == [f"old 3\n\n{issued.note}"]


@pytest.mark.parametrize("answer", [(409, "2\n"), (409, "what?"), (409, "³"), (404, ""), (500, "9")])
def test_a_witness_that_knows_less_or_says_nothing_keeps_nobody_from_sealing(
    answer: tuple[int, str], admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])

    with answering(lambda _: answer) as (at, heard):
        refuse_forgotten(sealer, [Witness(at, Witnessing().vkey)])
    assert len(heard) == 1
    refuse_forgotten(sealer, [Witness("http://127.0.0.1:9", Witnessing().vkey)])

    assert sealer.execute("SELECT count(*) FROM seals.troubles").fetchall() == [(0,)]
