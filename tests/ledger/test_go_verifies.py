"""A checkpoint and proofs verified by golang.org/x/mod, which others wrote for another log."""

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.ledger import evidence
from tests.ledger.evidence import VKEY

SOURCE = Path(__file__).parent / "go" / "verify.go"
DEBIAN = Path("/usr/share/gocode")


@pytest.fixture(scope="module")
def go(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The program, built."""
    if shutil.which("go") is None or not (DEBIAN / "src" / "golang.org" / "x" / "mod").exists():
        pytest.skip("there is no Go here; on Debian: apt-get install golang-go golang-golang-x-mod-dev")
    folder = tmp_path_factory.mktemp("go")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(DEBIAN), "GOCACHE": str(folder / "cache")}
    subprocess.run(["go", "build", "-o", folder / "verify", SOURCE], env=environment, check=True, capture_output=True)
    return folder / "verify"


def verified(go: Path, *arguments: str | Path) -> tuple[int, str]:
    done = subprocess.run([go, VKEY, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout


def test_go_verifies_a_checkpoint_and_the_proof_of_each_entry(go: Path, tmp_path: Path) -> None:
    for position in range(1, 8):
        file = tmp_path / f"{position}.tlog-proof"
        file.write_text(evidence.proof(position, 7), "utf-8")
        assert verified(go, "inclusion", file) == (0, "verified\n")

    file.write_text(evidence.proof(7, 7).replace("index 6", "index 5"), "utf-8")
    assert verified(go, "inclusion", file)[0] == 1


def test_go_verifies_that_one_checkpoint_continues_another(go: Path, tmp_path: Path) -> None:
    grown = json.loads(evidence.as_text(evidence.consistency(5, 7)))
    files = {"old": grown["old"], "new": grown["new"], "proof": "\n".join(grown["proof"])}
    for name, text in files.items():
        (tmp_path / name).write_text(text, "utf-8")
    (tmp_path / "other").write_text("\n".join(reversed(grown["proof"])), "utf-8")

    assert verified(go, "consistency", tmp_path / "old", tmp_path / "new", tmp_path / "proof") == (0, "verified\n")
    assert verified(go, "consistency", tmp_path / "old", tmp_path / "new", tmp_path / "other")[0] == 1
