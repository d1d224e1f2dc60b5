"""Alarms: rows that are not what their entries fold to, kept until they are again."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
from psycopg import Connection

from .builds import Build

KEPT_MAX = 1_000
"""Why: a read model with more is wrong as a whole and built anew; all of them are looked through every few seconds."""
ALARMS = """
    SELECT b.model, a.key, a.position,
           ARRAY(SELECT c FROM jsonb_object_keys(coalesce(a.stored, a.folded)) AS c
                  WHERE a.stored -> c IS DISTINCT FROM a.folded -> c ORDER BY c) AS columns, a.seen_at
      FROM books.alarms a JOIN books.builds b USING (build_id)
     WHERE b.state = 'serving' ORDER BY a.seen_at, b.model, a.key"""
"""The alarms of the builds in service, in the order of :class:`Alarm`; they tell which columns differ, not what is in
them."""


class Compared(NamedTuple):
    """One key's row as it is stored and as its entries fold to, in the form of its JSON; ``None`` for no row."""

    key: Any
    stored: dict[str, Any] | None
    folded: dict[str, Any] | None


class Alarm(NamedTuple):
    """One row of a build in service that is not what its entries fold to."""

    model: str
    key: str
    position: int
    """Where the build stood when they were compared last."""
    columns: list[str]
    """The columns that differ: all of them where one of the two rows is missing."""
    seen_at: datetime
    """When the difference was first seen."""


def listed(connection: Connection[Any]) -> list[Alarm]:
    """The alarms of the builds in service, the oldest first."""
    return [Alarm(*row) for row in connection.execute(ALARMS)]


def differing(compared: Compared) -> list[str]:
    """The columns in which two rows of one key differ."""
    stored, folded = compared.stored, compared.folded
    names = (stored or folded or {}).keys()
    return sorted(name for name in names if stored is None or folded is None or stored.get(name) != folded.get(name))


def enter(connection: Connection[Any], build: Build, compared: Sequence[Compared]) -> list[Compared]:
    """Enter what differs in the alarms and take out what is equal again; gives what was entered anew.

    Where a build has ``KEPT_MAX`` alarms, no more are entered.
    """
    equal = [str(each.key) for each in compared if each.stored == each.folded]
    connection.execute("DELETE FROM books.alarms WHERE build_id = %s AND key = ANY(%s)", (build.id, equal))
    return [each for each in compared if each.stored != each.folded and _raise(connection, build, each)]


def _raise(connection: Connection[Any], build: Build, compared: Compared) -> bool:
    """Enter one difference; gives whether it is new."""
    told = {
        "build": build.id,
        "key": str(compared.key),
        "position": build.position,
        "stored": _json(compared.stored),
        "folded": _json(compared.folded),
        "most": KEPT_MAX,
    }
    known = connection.execute(
        "UPDATE books.alarms SET position = %(position)s, stored = %(stored)s::jsonb, folded = %(folded)s::jsonb"
        " WHERE build_id = %(build)s AND key = %(key)s",
        told,
    )
    if known.rowcount:
        return False
    # From the register, as the build may have been taken out of service and dropped since the rows were compared.
    entered = connection.execute(
        "INSERT INTO books.alarms (build_id, key, position, stored, folded)"
        " SELECT build_id, %(key)s, %(position)s, %(stored)s::jsonb, %(folded)s::jsonb FROM books.builds"
        " WHERE build_id = %(build)s AND (SELECT count(*) FROM books.alarms WHERE build_id = %(build)s) < %(most)s"
        " FOR KEY SHARE ON CONFLICT DO NOTHING",
        told,
    )
    return entered.rowcount == 1


def _json(row: dict[str, Any] | None) -> str | None:
    return None if row is None else msgspec.json.encode(row).decode()
