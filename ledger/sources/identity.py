"""By what a record is known, so that importing it again adds nothing."""

import hashlib
from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from psycopg import Connection

from ledger import canonical

from .files.row import OURS
from .values import Values

SEEN = """
    INSERT INTO pg_temp.seen AS s (name, times)
    SELECT name, count(*) FROM json_array_elements_text(%s::json) AS asked (name) GROUP BY name
    ON CONFLICT (name) DO UPDATE SET times = s.times + excluded.times
    RETURNING name, times
"""


class Sightings:
    """Counts how often each name came up in a file, in a temporary table, since they may be too many for the memory."""

    def __init__(self, connection: Connection[Any]) -> None:
        """Begin with nothing seen."""
        self._connection = connection
        connection.execute("DROP TABLE IF EXISTS pg_temp.seen")
        connection.execute("CREATE TEMPORARY TABLE seen (name text PRIMARY KEY, times bigint NOT NULL)")

    def numbered(self, names: Sequence[str]) -> list[int]:
        """For each of the names, the how manieth of its kind it is in the file, from 1."""
        totals = dict(self._connection.execute(SEEN, (canonical.encode(names).decode(),)).fetchall())
        here = Counter(names)
        reached = {name: totals[name] - times for name, times in here.items()}
        numbers: list[int] = []
        for name in names:
            reached[name] += 1
            numbers.append(reached[name])
        return numbers


def digest(columns: Sequence[str], values: Values, personal: Collection[str]) -> str:
    """What a row without an id is known by: a digest of its columns, in whatever order, blank ones left out.

    Columns that fill personal fields are left out too: a digest in clear would let anyone who guesses a text
    confirm it, even after the person was erased.
    """
    told = {
        column: value
        for column, value in zip(columns, values, strict=False)
        if value and column not in personal and not column.startswith(OURS)
    }
    return hashlib.sha256(canonical.encode(told)).hexdigest()[:32]
