"""Keeping rows: they are written to the table of their build, and the keys of those it cannot hold are set aside."""

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from psycopg import Connection

from . import copying, table
from .builds import Build
from .cut import Cut
from .model import ReadModel
from .quarantine import Quarantine
from .refolding import Check, refold


class Packed(NamedTuple):
    """Rows as they are sent to a table."""

    known: list[str]
    """Those that may be there already."""
    fresh: bytes
    """Those that cannot be, which are copied in a third of the time."""


def pack(model: type[ReadModel], rows: Mapping[Any, ReadModel], known: Collection[Any]) -> Packed:
    """Pack rows, given by key, of which those of the ``known`` keys may be there; raises one of ``table.UNFIT``."""
    fresh = [row for key, row in rows.items() if key not in known]
    lines = copying.lines(model, fresh) if fresh else b""
    return Packed(table.packed(model, [row for key, row in rows.items() if key in known]), lines)


def keep(
    connection: Connection[Any],
    build: Build,
    anew: Collection[Any],
    cut: Cut,
    rows: dict[Any, ReadModel] | None = None,
    packed: Packed | None = None,
) -> None:
    """Write rows, given by key, to the build's table, those of the keys in ``anew`` as folded anew up to the cut.

    ``packed`` may hold the rows as they are sent where none is folded anew. A row that the table cannot hold
    counts as the failure of the entry that made it so, unless a later one in the same batch has mended it.
    """
    model, rows, gone = build.declared, {} if rows is None else rows, []

    def settle(keys: Collection[Any], check: Check | None = None) -> None:
        aside = Quarantine(connection, build)
        for key, (row, failure) in refold(connection, model, keys, cut, check).items():
            aside.note(key, failure)
            rows.pop(key, None)
            if row is None:
                gone.append(key)
            else:
                rows[key] = row

    def check(row: ReadModel) -> None:
        table.check(connection, model, build.table, row)

    if anew:
        settle(anew)
        packed = None
    try:
        with connection.transaction():
            _put(connection, build, packed or pack(model, rows, rows.keys()))
    except table.UNFIT:
        settle([key for key, row in rows.items() if not _fits(check, row)], check)
        _put(connection, build, pack(model, rows, rows.keys()))
    table.delete(connection, model, build.table, gone)


def _put(connection: Connection[Any], build: Build, packed: Packed) -> None:
    table.upsert(connection, build.declared, build.table, packed.known)
    copying.load(connection, build.declared, build.table, packed.fresh)


def _fits(check: Check, row: ReadModel) -> bool:
    try:
        check(row)
    except table.UNFIT:
        return False
    return True
