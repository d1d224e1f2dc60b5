"""Quarantine: a key whose fold failed is set aside with the entry and the error, and all other keys go on."""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, NamedTuple

from psycopg import Connection

from .builds import Build
from .refolding import Failure

ERROR_MAX = 2_000
"""Why: enough to see what was wrong; an error may quote a whole entry."""
ASIDE = """
    SELECT model, key, q.position, error, since FROM books.quarantine q JOIN books.builds USING (build_id)
     WHERE state = 'serving' ORDER BY q.position, model, key"""
"""The keys that are set aside of the builds in service, in the order of :class:`Aside`."""


def held(connection: Connection[Any], some: Iterable[Build]) -> dict[int, set[str]]:
    """The keys that are set aside, as text, by the id of their build."""
    query = "SELECT build_id, key FROM books.quarantine WHERE build_id = ANY(%s)"
    found: dict[int, set[str]] = {}
    for build_id, key in connection.execute(query, ([build.id for build in some],)):
        found.setdefault(build_id, set()).add(key)
    return found


def count(connection: Connection[Any], build: Build) -> int:
    """How many keys of a build are set aside."""
    return len(held(connection, [build]).get(build.id, ()))


class Quarantine:
    """The keys of one build that are set aside."""

    def __init__(self, connection: Connection[Any], build: Build) -> None:
        """Read which keys of ``build`` are set aside."""
        self._connection, self._build = connection, build
        self._keys = held(connection, [build]).get(build.id, set())

    def holds(self, key: Any) -> bool:
        """Whether the key is set aside."""
        return bool(self._keys) and str(key) in self._keys

    def note(self, key: Any, failure: Failure | None) -> None:
        """Set a refolded key aside with what failed, or let it go when nothing does any more."""
        if failure is not None:
            self._keys.add(str(key))
            error = f"{type(failure.error).__name__}: {failure.error}".replace("\0", "")[:ERROR_MAX]
            self._connection.execute(
                "INSERT INTO books.quarantine (build_id, key, position, error) VALUES (%s, %s, %s, %s)"
                " ON CONFLICT (build_id, key) DO UPDATE SET position = excluded.position, error = excluded.error",
                (self._build.id, str(key), failure.position, error),
            )
        elif self.holds(key):
            self._keys.remove(str(key))
            self._connection.execute(
                "DELETE FROM books.quarantine WHERE build_id = %s AND key = %s", (self._build.id, str(key))
            )


class Aside(NamedTuple):
    """One key that is set aside, of a build in service."""

    model: str
    key: str
    position: int
    """The entry it failed at."""
    error: str
    since: datetime


def listed(connection: Connection[Any]) -> list[Aside]:
    """Every key that is set aside in the builds in service, in order of the entries they failed at."""
    return [Aside(*row) for row in connection.execute(ASIDE)]
