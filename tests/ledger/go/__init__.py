"""golang.org/x/mod as a verifier, which others wrote for another log and which knows nothing of Daybook."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

SOURCE = Path(__file__).parent / "verify.go"
DEBIAN = Path("/usr/share/gocode")


def build(folder: Path) -> Path:
    """Build the program in a folder; skips the test where there is no Go."""
    if shutil.which("go") is None or not (DEBIAN / "src" / "golang.org" / "x" / "mod").exists():
        pytest.skip("there is no Go here; on Debian: apt-get install golang-go golang-golang-x-mod-dev")
    environment = os.environ | {"GO111MODULE": "off", "GOPATH": str(DEBIAN), "GOCACHE": str(folder / "cache")}
    subprocess.run(["go", "build", "-o", folder / "verify", SOURCE], env=environment, check=True, capture_output=True)
    return folder / "verify"


def verified(go: Path, vkey: str, *arguments: str | Path) -> tuple[int, str]:
    """Run it; gives how it ended and what it said."""
    done = subprocess.run([go, vkey, *arguments], capture_output=True, text=True, check=False)
    return done.returncode, done.stdout
