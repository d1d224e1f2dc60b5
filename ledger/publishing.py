"""Publishing checkpoints outside the database, where whoever may alter the database does not reach.

The last checkpoint covers all before it, so that is what a place gets: one that was out of reach does not get what it
missed. Which one went where is kept, and so is why a place failed; the next turn tries it again.
"""

import hashlib
import os
import re
import shlex
import subprocess
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from psycopg import Connection

from . import checkpoints
from .checkpoints import Checkpoint

PLACE_S_MAX = 15
"""Why: sealing waits for the places in turn, and one that hangs should not cost more than a beat or two."""
ERROR_MAX = 300
"""Why: enough to see what is wrong; some endpoints answer with a page."""

SUFFIX = ".checkpoint"
PUBLISHED = "SELECT FROM seals.publications WHERE size = %s AND place = %s"
KEEP = "INSERT INTO seals.publications (size, place) VALUES (%s, %s) ON CONFLICT DO NOTHING"
TROUBLE = (
    "INSERT INTO seals.troubles (place, error) VALUES (%s, %s)"
    " ON CONFLICT (place) DO UPDATE SET error = excluded.error, tried_at = excluded.tried_at"
)
OVER = "DELETE FROM seals.troubles WHERE place = %s"


class PlaceError(Exception):
    """A place did not take the checkpoint; the message says why."""


class Place(Protocol):
    """Somewhere outside the database."""

    @property
    def name(self) -> str:
        """What the place is called in status and in the record of publications."""

    def put(self, checkpoint: Checkpoint) -> None:
        """Leave a checkpoint there; raises :class:`PlaceError`, or ``OSError``."""


class Folder(NamedTuple):
    """A folder, such as one on write-once storage: a file for each checkpoint, named by its size."""

    path: Path

    @property
    def name(self) -> str:
        """What the place is called."""
        return f"folder {self.path}"

    def put(self, checkpoint: Checkpoint) -> None:
        """Write the checkpoint whole or not at all, and never over another one."""
        self.path.mkdir(parents=True, exist_ok=True)
        path = self.path / f"{checkpoint.size:020d}{SUFFIX}"
        if (last := self._last()) and last > path.name:
            raise PlaceError(f"It holds {last}, of more entries than the ledger has: an older copy of it runs here.")
        fresh = self.path / f".{checkpoint.size}.{os.getpid()}"
        with fresh.open("w", encoding="utf-8", newline="\n") as file:
            file.write(checkpoint.note)
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(fresh, path)
        except FileExistsError:
            # Written before a crash that kept the record of it from being kept; cosignatures may have come since.
            if path.read_text("utf-8").split("\n")[:3] != checkpoint.note.split("\n")[:3]:
                raise PlaceError(f"{path} says something else of {checkpoint.size} entries; compare the two.") from None
        finally:
            fresh.unlink()

    def newest(self) -> str | None:
        """The checkpoint of most entries that lies there; ``None`` where there is none. Raises ``OSError``."""
        if not self.path.is_dir():
            return None
        name = self._last()
        return (self.path / name).read_text("utf-8") if name else None

    def _last(self) -> str | None:
        # By its name alone: there may be half a million of them.
        names = (each.name for each in self.path.glob(f"*{SUFFIX}"))
        return max((name for name in names if not name.startswith(".")), default=None)


class Endpoint(NamedTuple):
    """An HTTP endpoint that is sent each checkpoint as it is: by PUT where the address names ``{size}``, else POST."""

    url: str

    @property
    def name(self) -> str:
        """What the place is called: its host, and a digest of the whole address, which may hold a secret."""
        return f"endpoint {urlsplit(self.url).hostname} ({hashlib.sha256(self.url.encode()).hexdigest()[:8]})"

    def put(self, checkpoint: Checkpoint) -> None:
        """Send the checkpoint; anything but a status of 2xx is a failure."""
        request = urllib.request.Request(  # noqa: S310  (the settings admit http and https alone)
            self.url.replace("{size}", str(checkpoint.size)),
            data=checkpoint.note.encode(),
            method="PUT" if "{size}" in self.url else "POST",
            headers={"Content-Type": "text/plain; charset=utf-8", "User-Agent": "daybook"},
        )
        try:
            with urllib.request.urlopen(request, timeout=PLACE_S_MAX):  # noqa: S310  (as above)
                pass
        except urllib.error.HTTPError as error:
            with error:
                raise PlaceError(f"It answered {error.code}.") from None


class Command(NamedTuple):
    """A command of the operator's, such as one that sends e-mail: the checkpoint is on its standard input."""

    command: str

    @property
    def name(self) -> str:
        """What the place is called: the program without its arguments, which may be secret."""
        return f"command {shlex.split(self.command)[0]}"

    def put(self, checkpoint: Checkpoint) -> None:
        """Run the command; any exit code but 0 is a failure."""
        told = {"DAYBOOK_CHECKPOINT_ORIGIN": checkpoint.origin, "DAYBOOK_CHECKPOINT_SIZE": str(checkpoint.size)}
        # Keys are no business of a program that sends mail.
        known = {name: value for name, value in os.environ.items() if not re.match("DAYBOOK_|DATABASE_URL|PG", name)}
        try:
            done = subprocess.run(  # noqa: S603  (the operator's own command, split without a shell)
                shlex.split(self.command),
                input=checkpoint.note.encode(),
                capture_output=True,
                timeout=PLACE_S_MAX,
                env=known | told,
            )
        except subprocess.TimeoutExpired:
            raise PlaceError(f"It did not end within {PLACE_S_MAX} s.") from None
        if done.returncode:
            said = done.stderr.decode(errors="replace").strip().splitlines()
            raise PlaceError(f"It ended with {done.returncode}: {said[-1] if said else 'nothing was said'}")


def publish(connection: Connection[Any], place: Place) -> str | None:
    """Leave the last checkpoint at a place, if it is not there yet; gives why not, in words, where it failed."""
    last = checkpoints.latest(connection)
    if last is None or connection.execute(PUBLISHED, (last.size, place.name)).fetchone():
        return None
    try:
        place.put(last)
    except (PlaceError, OSError) as error:
        return keep_trouble(connection, place.name, _told(error))
    with connection.transaction():
        connection.execute(KEEP, (last.size, place.name))
        end_trouble(connection, place.name)
    return None


def _told(error: Exception) -> str:
    """What an error says, without the number an operating system gives it."""
    return error.strerror if isinstance(error, OSError) and isinstance(error.strerror, str) else str(error)


def keep_trouble(connection: Connection[Any], place: str, error: str) -> str:
    """Keep why a place failed, for status; gives it in words."""
    connection.execute(TROUBLE, (place, error[:ERROR_MAX]))
    return f"The {place} failed: {error[:ERROR_MAX]}"


def end_trouble(connection: Connection[Any], place: str) -> None:
    """A place does its part again."""
    connection.execute(OVER, (place,))
