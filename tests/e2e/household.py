"""The whole house as it runs: its own PostgreSQL, server, projector and writer, each a process that can be killed."""

import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Self

import httpx
import psutil
import psycopg

from ledger import database, embedded, migrate
from tests.real import ROOT

PATIENCE_S = 40
"""How long anything may take to come back."""


class Acknowledged(NamedTuple):
    """A command that somebody was told is done."""

    command: str
    id: str
    position: int
    repeated: bool


def until(met: Callable[[], object], what: str) -> None:
    """Wait for something that another process does."""
    deadline = time.monotonic() + PATIENCE_S
    while not met():
        assert time.monotonic() < deadline, f"{what} did not come about in {PATIENCE_S} s"
        time.sleep(0.02)


def free_port() -> int:
    """A port nobody listens on, below those the system gives to clients: one of them could take it in between."""
    for port in random.sample(range(20_000, 32_000), 100):
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


class Household:
    """Its processes, and what they were told."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.port = free_port()
        told = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "DAYBOOK_MODE")}
        self.environment = told | {"DAYBOOK_HOME": str(home), "DAYBOOK_PORT": str(self.port), "PYTHONPATH": str(ROOT)}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.acknowledged: list[Acknowledged] = []
        self.written = 0
        self.restarts = 0
        self._listeners: list[threading.Thread] = []
        self._log = (home.parent / "processes.log").open("ab")
        self.url = embedded.start(home)

    def __enter__(self) -> Self:
        with database.connect(self.url) as connection:
            migrate.migrate(connection)
        for name in ("projector", "server", "writer"):
            self.start(name)
        return self

    def __exit__(self, *_: object) -> None:
        for process in self.processes.values():
            self._end(process)
        for listener in self._listeners:
            listener.join()
        self._log.close()
        postmaster = psutil.Process(self._postmaster())
        sessions = postmaster.children()
        postmaster.kill()
        psutil.wait_procs([postmaster, *sessions], PATIENCE_S)

    def start(self, name: str) -> None:
        """Start one of the processes."""
        self.restarts += 1
        command = {
            "projector": [sys.executable, "-m", "api", "project"],
            "server": [sys.executable, "-m", "api", "serve"],
            "writer": [sys.executable, "-m", "tests.e2e.writing", f"writer {self.restarts}"],
        }[name]
        piped = subprocess.PIPE if name == "writer" else subprocess.DEVNULL
        process = subprocess.Popen(
            command, cwd=ROOT, env=self.environment, stdin=piped, stdout=piped, stderr=self._log, start_new_session=True
        )
        self.processes[name] = process
        if name == "writer":
            listener = threading.Thread(target=self._listen, args=(process,))
            listener.start()
            self._listeners.append(listener)

    def _listen(self, writer: subprocess.Popen[bytes]) -> None:
        assert writer.stdout
        with writer.stdout as told:
            for line in told:
                # What was cut off when the writer was killed was not told to anybody.
                if line.endswith(b"\n"):
                    self.acknowledged.append(Acknowledged(**json.loads(line)))
                    self.written += 1

    def kill(self, victim: str) -> None:
        """End a process at once, or the postmaster, or one of PostgreSQL's sessions; and start it again."""
        match victim:
            case "postmaster":
                os.kill(self._postmaster(), signal.SIGKILL)
                assert embedded.start(self.home) == self.url
            case "session":
                os.kill(self._session(), signal.SIGKILL)
            case process:
                self._end(self.processes[process])
                self.start(process)

    def _postmaster(self) -> int:
        return int((self.home / "postgres" / "postmaster.pid").read_text().split()[0])

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        if process.stdin:
            process.stdin.close()

    def _session(self) -> int:
        with database.connect(self.url) as connection:
            query = (
                "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'daybook%' AND pid <> pg_backend_pid()"
                " ORDER BY random() LIMIT 1"
            )
            (pid,) = connection.execute(query).fetchall()[0]
        return int(pid)

    def position(self) -> int:
        """The ledger's head; -1 while the database does not answer."""
        return self._ask("SELECT position FROM ledger.head")

    def posted(self) -> int:
        """The position of the read model that stands furthest back; -1 while the database does not answer."""
        return self._ask("SELECT min(position) FROM books.builds WHERE state = 'serving' HAVING count(*) > 0")

    def _ask(self, query: str) -> int:
        try:
            with database.connect(self.url) as connection:
                row = connection.execute(query.encode()).fetchone()
        except (psycopg.Error, database.DatabaseUnavailable):
            return -1
        return int(row[0]) if row else -1

    def answers(self) -> bool:
        """Whether the server is there."""
        try:
            return httpx.get(f"http://127.0.0.1:{self.port}/healthz").status_code == 200
        except httpx.TransportError:
            return False

    def stop(self) -> None:
        """Let the writer finish, and end server and projector in order."""
        writer = self.processes["writer"]
        assert writer.stdin
        writer.stdin.close()
        assert writer.wait(PATIENCE_S) == 0, self.log()
        for listener in self._listeners:
            listener.join()
        for name in ("server", "projector"):
            self.processes[name].send_signal(signal.SIGINT)
            assert self.processes[name].wait(PATIENCE_S) == 0, self.log()

    def log(self) -> str:
        """What the processes said on stderr."""
        self._log.flush()
        return Path(self._log.name).read_text("utf-8", "replace")[-10_000:]

    def living(self) -> dict[str, Any]:
        """Which processes run."""
        return {
            name: psutil.pid_exists(process.pid) and process.poll() is None for name, process in self.processes.items()
        }
