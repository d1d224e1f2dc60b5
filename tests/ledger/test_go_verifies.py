"""A checkpoint and proofs verified by golang.org/x/mod: those of the small ledger, and those of a real one."""

import json
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from api.proofs import checkpoint, growth, proof
from ledger import sealing
from ledger.application import Ledger
from ledger.notes import Signer
from tests.conftest import acting
from tests.ledger import evidence
from tests.ledger.evidence import VKEY
from tests.ledger.go import build, verified


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    return build(tmp_path_factory.mktemp("go"))


def test_go_verifies_a_checkpoint_and_the_proof_of_each_entry(go: Path, tmp_path: Path) -> None:
    for position in range(1, 8):
        file = tmp_path / f"{position}.tlog-proof"
        file.write_text(evidence.proof(position, 7), "utf-8")
        assert verified(go, VKEY, "inclusion", file) == (0, "verified\n")

    file.write_text(evidence.proof(7, 7).replace("index 6", "index 5"), "utf-8")
    assert verified(go, VKEY, "inclusion", file)[0] == 1


def test_go_verifies_that_one_checkpoint_continues_another(go: Path, tmp_path: Path) -> None:
    grown = json.loads(evidence.as_text(evidence.consistency(5, 7)))
    files = {"old": grown["old"], "new": grown["new"], "proof": "\n".join(grown["proof"])}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "other").write_text("\n".join(reversed(grown["proof"])), "utf-8")

    assert verified(go, VKEY, "consistency", tmp_path / "old", tmp_path / "new", tmp_path / "proof") == (
        0,
        "verified\n",
    )
    assert verified(go, VKEY, "consistency", tmp_path / "old", tmp_path / "new", tmp_path / "other")[0] == 1


def test_go_verifies_what_a_real_ledger_proves(
    go: Path, ledger: Ledger, admin: Connection[Any], tmp_path: Path
) -> None:
    signer = Signer(evidence.ORIGIN, "YSBzZWVkIG9mIDMyIGJ5dGVzIGZvciB0aGlzIHRlc3Q=")
    for number in range(300):
        ledger.execute("register_customer", {"name": f"顾客 {number}"}, acting())
        if number == 256:
            sealing.seal(admin, [signer])
    sealing.seal(admin, [signer])
    old, new = checkpoint(admin, 257), checkpoint(admin, None)

    for position in (1, 2, 255, 256, 257, 300):
        file = tmp_path / f"{position}.tlog-proof"
        file.write_text(proof(admin, position, new), "utf-8")
        assert verified(go, signer.vkey, "inclusion", file) == (0, "verified\n")
    (tmp_path / "old").write_text(old.note, "utf-8")
    (tmp_path / "new").write_text(new.note, "utf-8")
    (tmp_path / "proof").write_text("\n".join(growth(admin, old, new)["proof"]), "utf-8")
    assert verified(go, signer.vkey, "consistency", tmp_path / "old", tmp_path / "new", tmp_path / "proof") == (
        0,
        "verified\n",
    )
