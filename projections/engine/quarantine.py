"""Quarantine: a key whose fold failed is set aside with the entry and the error, and all other keys go on."""

from typing import Any

from psycopg import Connection, sql

from domain.event import ENVELOPE, Event
from ledger.reading import decoded, line

from .builds import Build
from .model import ReadModel, envelope_needed, fold, folds


class Quarantine:
    """The keys of one build that are set aside."""

    def __init__(self, connection: Connection[Any], model: type[ReadModel], build: Build) -> None:
        """Read which keys of ``build`` are set aside."""
        self._model, self._build = model, build
        rows = connection.execute("SELECT key FROM books.quarantine WHERE build_id = %s", (build.id,)).fetchall()
        self._keys = {key for (key,) in rows}

    def holds(self, key: Any) -> bool:
        """Whether the key is set aside."""
        return bool(self._keys) and str(key) in self._keys

    def set_aside(self, connection: Connection[Any], key: Any, entry: Event, error: Exception) -> ReadModel | None:
        """Set a key aside from ``entry`` on; gives its row as it was before, as the handler may have changed half."""
        self._keys.add(str(key))
        connection.execute(
            "INSERT INTO books.quarantine (build_id, key, position, error) VALUES (%s, %s, %s, %s)",
            (self._build.id, str(key), entry.position, f"{type(error).__name__}: {error}"),
        )
        return refold(connection, self._model, key, before=entry.position)


def refold(
    connection: Connection[Any], model: type[ReadModel], key: Any, *, before: int | None = None
) -> ReadModel | None:
    """One key's row folded anew from the ledger, from the entries before a position where one is given."""
    handlers = folds(model)
    fields = {handler.key for listed in handlers.values() for handler in listed} & set(ENVELOPE)
    of_key = sql.SQL(" OR ").join(sql.SQL("{} = %(key)s").format(sql.Identifier(field)) for field in sorted(fields))
    query = sql.SQL(
        "SELECT {line} FROM ledger.entries WHERE ({of_key}) AND type = ANY(%(types)s)"
        " AND position < coalesce(%(before)s, 9223372036854775807) ORDER BY position"
    ).format(line=line(envelope_needed(model)), of_key=of_key)
    params = {"key": key, "types": [event.type_name for event in handlers], "before": before}
    return fold(model, key, (decoded(text) for (text,) in connection.execute(query, params)))
