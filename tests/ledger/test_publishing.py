"""Checkpoints left outside the database: each place once, never over another, tried again; and compared later."""

import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from ledger import checkpoints, verifying
from ledger.publishing import Command, Endpoint, Folder
from ledger.sealing import hand_out, seal
from ledger.verifying import Kind
from tests.ledger.answering import Heard, answering
from tests.ledger.sealed_world import ORIGIN, SIGNER, TRUST, leaves, unguarded
from tests.ledger.tree import plant


def test_a_folder_gets_each_checkpoint_once(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    place = Folder(tmp_path / "kept")
    for number in (3, 4):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])
        assert hand_out(sealer, [place], []) == []
        assert hand_out(sealer, [place], []) == []

    issued = {f"{each.size:020d}.checkpoint": each.note for each in checkpoints.issued(sealer)}
    assert {path.name: path.read_text("utf-8") for path in place.path.iterdir()} == issued
    assert checkpoints.standing(sealer).published == {place.name: 7}


def test_a_folder_is_never_written_over(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])
    assert issued
    path = tmp_path / f"{3:020d}.checkpoint"
    path.write_text("other.example\n3\nAAAA\n\n")

    (failed,) = hand_out(sealer, [Folder(tmp_path)], [])

    assert "says something else of 3 entries" in failed
    assert path.read_text() == "other.example\n3\nAAAA\n\n"
    assert checkpoints.standing(sealer).published == {}
    path.write_text(issued.note)
    assert hand_out(sealer, [Folder(tmp_path)], []) == []
    assert checkpoints.standing(sealer).troubles == {}


def test_a_folder_with_later_checkpoints_tells_that_an_older_copy_runs(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])
    (tmp_path / f"{9:020d}.checkpoint").write_text("")

    (failed,) = hand_out(sealer, [Folder(tmp_path)], [])

    assert "of more entries than the ledger has: an older copy of it runs here" in failed


@pytest.mark.parametrize(("path", "method", "asked"), [("/x", "POST", "/x"), ("/{size}", "PUT", "/3")])
def test_an_endpoint_is_sent_the_checkpoint(
    path: str, method: str, asked: str, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])

    with answering(lambda _: (204, "")) as (url, heard):
        assert hand_out(sealer, [Endpoint(url + path)], []) == []

    assert issued
    assert heard == [Heard(method, asked, issued.note)]


def test_a_place_that_fails_is_told_and_tried_again_and_the_others_go_on(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])
    statuses = iter([503, 200])
    with answering(lambda _: (next(statuses), "")) as (url, heard):
        place, folder = Endpoint(f"{url}/secret-token"), Folder(tmp_path)

        assert hand_out(sealer, [place, folder], []) == [f"The {place.name} failed: It answered 503."]
        assert checkpoints.standing(sealer).troubles == {place.name: "It answered 503."}
        assert checkpoints.standing(sealer).published == {folder.name: 3}

        assert hand_out(sealer, [place, folder], []) == []
    assert checkpoints.standing(sealer).troubles == {}
    assert checkpoints.standing(sealer).published == {folder.name: 3, place.name: 3}
    assert len(heard) == 2
    assert "secret" not in place.name


def test_a_place_out_of_reach_gets_the_last_checkpoint_once_it_is_back(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    up = False
    with answering(lambda _: (200 if up else 500, "")) as (url, heard):
        for _ in range(3):
            plant(admin, leaves(3))
            seal(sealer, [SIGNER])
            hand_out(sealer, [Endpoint(url)], [])
        up = True
        hand_out(sealer, [Endpoint(url)], [])

    assert [each.body.split("\n")[1] for each in heard] == ["3", "6", "9", "9"]


def test_a_command_is_given_the_checkpoint_and_no_secret(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_SEAL_KEY", "secret")
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])
    program = tmp_path / "mail.py"
    program.write_text(
        "import os, sys\nopen(sys.argv[1], 'w').write(sys.stdin.read() +"
        " repr(sorted(item for item in os.environ.items() if item[0].startswith('DAYBOOK'))))"
    )

    assert hand_out(sealer, [Command(f"{sys.executable} {program} {tmp_path / 'sent'}")], []) == []

    told = [("DAYBOOK_CHECKPOINT_ORIGIN", ORIGIN), ("DAYBOOK_CHECKPOINT_SIZE", "3")]
    assert issued
    assert (tmp_path / "sent").read_text() == issued.note + repr(told)


@pytest.mark.parametrize(("command", "said"), [("false", "It ended with 1"), ("/no/such/program", "No such file")])
def test_a_command_that_fails_is_told(command: str, said: str, admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])

    (failed,) = hand_out(sealer, [Command(command)], [])

    assert said in failed


# Copies.


def test_copies_kept_apart_are_compared(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    for number in (3, 4):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])
        hand_out(sealer, [Folder(tmp_path)], [])
    (tmp_path / "later.checkpoint").write_text(SIGNER.sign(checkpoints.text(ORIGIN, 9, bytes(32))))
    (tmp_path / "other.checkpoint").write_text(SIGNER.sign(checkpoints.text(ORIGIN, 5, bytes(32))))
    (tmp_path / "note.txt").write_text("hello")

    report = verifying.examine(admin, TRUST, copies=tmp_path)

    found = [each for each in report.findings.kept if each.kind is not Kind.ROW_ALTERED]
    assert [(each.kind, each.position, each.until) for each in found] == [
        (Kind.CHECKPOINT_MISSING, 5, None),
        (Kind.TREE_DIFFERS, 4, 5),
        (Kind.POSITION_MISSING, 8, 9),
        (Kind.COPY_BAD, None, None),
    ]
    assert report.copies == 4


def test_a_rewritten_history_is_found_by_a_copy(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    """Whoever has the key and the database can write all of it anew, but not what was published."""
    plant(admin, leaves(300))
    seal(sealer, [SIGNER])
    hand_out(sealer, [Folder(tmp_path)], [])
    unguarded(admin, "DELETE FROM seals.tiles")
    admin.execute("ALTER TABLE seals.publications DISABLE TRIGGER ALL")
    admin.execute("DELETE FROM seals.publications; DELETE FROM seals.checkpoints")
    admin.execute("UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 7")
    assert seal(sealer, [SIGNER])

    report = verifying.examine(admin, TRUST, copies=tmp_path)

    found = [each for each in report.findings.kept if each.kind is Kind.TREE_DIFFERS]
    assert [(each.position, each.until) for each in found] == [(1, 300)]
