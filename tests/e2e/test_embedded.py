"""The embedded PostgreSQL comes back after whatever killed it or its users, and stops with the last of them."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from ledger import database
from tests.e2e.household import PATIENCE_S, until
from tests.real import ROOT

USER = """
import sys
from pathlib import Path
from ledger import database, embedded
url = embedded.start(Path(sys.argv[1]))
with database.connect(url) as connection:
    connection.execute("CREATE TABLE IF NOT EXISTS public.kept (n int)")
    connection.execute("INSERT INTO public.kept VALUES (1)")
print(url, flush=True)
if sys.stdin.readline() == "again\\n":
    print(embedded.start(Path(sys.argv[1])), flush=True)
    sys.stdin.readline()
"""


class User:
    """A process that uses the PostgreSQL of a home until it is told to end."""

    def __init__(self, home: Path) -> None:
        command = [sys.executable, "-c", USER, str(home)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self.url = self.read()

    def read(self) -> str:
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def start_again(self) -> str:
        assert self.process.stdin
        self.process.stdin.write("again\n")
        self.process.stdin.flush()
        return self.read()

    def end(self) -> str:
        """End in order; gives what was said on stderr."""
        _, said = self.process.communicate("\n", timeout=PATIENCE_S)
        assert self.process.returncode == 0, said
        return said

    def kill(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def home() -> Iterator[Path]:
    # Not in pytest's own folder: every run of pytest closes that to other users, and PostgreSQL runs as one under root.
    with tempfile.TemporaryDirectory(prefix="daybook-embedded-") as folder:
        yield Path(folder) / "home"
        with suppress(FileNotFoundError, ProcessLookupError):
            os.kill(pid(Path(folder) / "home"), signal.SIGKILL)


def pid(home: Path) -> int:
    return int((home / "postgres" / "postmaster.pid").read_text().split()[0])


def kill_server(home: Path) -> None:
    """Kill the postmaster, and wait until it and all its processes are gone."""
    os.kill(pid(home), signal.SIGKILL)
    until(lambda: not any(p.info["cwd"] == str(home / "postgres") for p in psutil.process_iter(["cwd"])), "its end")


def kept(url: str) -> int:
    with database.connect(url) as connection:
        row = connection.execute("SELECT count(*) FROM public.kept").fetchone()
    assert row
    return int(row[0])


def stopped(home: Path) -> bool:
    return not (home / "postgres" / "postmaster.pid").exists()


def test_it_is_shared_and_stops_with_the_last_that_uses_it(home: Path) -> None:
    first, second = User(home), User(home)
    assert first.url == second.url

    assert first.end() == ""
    assert kept(second.url) == 2
    assert second.end() == ""
    assert stopped(home)


def test_a_user_that_was_killed_does_not_keep_it_running(home: Path) -> None:
    killed, other = User(home), User(home)
    killed.kill()

    assert kept(other.url) == 2
    other.end()

    assert stopped(home)


def test_once_killed_it_is_started_again_with_all_that_was_committed(home: Path) -> None:
    user = User(home)
    kill_server(home)

    assert user.start_again() == user.url
    assert kept(user.url) == 1
    assert user.end() == ""
    assert stopped(home)


def test_a_process_whose_server_was_killed_ends_at_once(home: Path) -> None:
    user = User(home)
    kill_server(home)

    assert user.end() == ""


@pytest.mark.parametrize("users", ["[1, 2", "[999999]"])
def test_what_a_crash_left_in_its_files_is_cleared_up(home: Path, users: str) -> None:
    user = User(home)
    told = (home / "postgres" / "postmaster.pid").read_text().splitlines()
    user.kill()
    kill_server(home)
    # After a reboot its number belongs to another process, here to this one.
    (home / "postgres" / "postmaster.pid").write_text("\n".join([str(os.getpid()), *told[1:]]) + "\n")
    (home / "postgres" / ".handle_pids.json").write_text(users)

    other = User(home)

    assert kept(other.url) == 2
    assert other.end() == ""
    assert stopped(home)
