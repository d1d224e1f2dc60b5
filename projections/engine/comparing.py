"""Comparing two builds of a model row by row: what a new definition changes, before it is put in service."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple, get_args, get_type_hints

import msgspec
from psycopg import Connection, sql

from domain.event import marked

from . import table
from .builds import Build
from .model import ReadModel, columns

EXAMPLES_MAX = 5
"""Why: enough to see what kind of difference it is; who wants them all asks both tables."""


class Example(NamedTuple):
    """One row that changed: its key, and its differing columns as they are before and after."""

    key: str
    columns: Mapping[str, tuple[Any, Any]]
    """A value that may be sealed is not shown."""


class Difference(NamedTuple):
    """What differs between the build in service and a new one, where both stand at the same position."""

    position: int
    rows: int
    """How many rows the new build has."""
    only_before: int
    only_after: int
    changed: int
    changed_columns: Mapping[str, int]
    """In how many rows each column differs."""
    columns_added: Sequence[str]
    columns_removed: Sequence[str]
    examples: Sequence[Example]
    """Some of the rows that changed."""
    keys_only_before: Sequence[str]
    """Some keys of rows that are no more."""
    keys_only_after: Sequence[str]
    """Some keys of rows that are new."""

    @property
    def is_empty(self) -> bool:
        """Whether both builds have the same rows and columns."""
        return not (self.only_before or self.only_after or self.changed or self.columns_added or self.columns_removed)


DIFFERING = """
    CREATE TEMPORARY TABLE differing ON COMMIT DROP AS
    SELECT coalesce(b.{key}, a.{key})::text AS key,
           CASE WHEN b.{key} IS NOT NULL THEN to_jsonb(b) END AS before,
           CASE WHEN a.{key} IS NOT NULL THEN to_jsonb(a) END AS after
      FROM (SELECT {common} FROM {before}) b FULL JOIN (SELECT {common} FROM {after}) a ON b.{key} = a.{key}
     WHERE ({of_before}) IS DISTINCT FROM ({of_after})"""
COUNTED = """
    SELECT count(*) FILTER (WHERE after IS NULL), count(*) FILTER (WHERE before IS NULL),
           count(*) FILTER (WHERE before IS NOT NULL AND after IS NOT NULL)
      FROM differing"""
BY_COLUMN = """
    SELECT a.key, count(*) FROM differing, jsonb_each(after) a
     WHERE before IS NOT NULL AND a.value IS DISTINCT FROM before -> a.key
     GROUP BY a.key ORDER BY count(*) DESC, a.key"""
EXAMPLES = """
    SELECT key, before, after
      FROM (SELECT *, row_number() OVER (PARTITION BY before IS NULL, after IS NULL ORDER BY key) AS n FROM differing) d
     WHERE n <= %s ORDER BY before IS NULL, after IS NULL, key"""


def compare(connection: Connection[Any], model: type[ReadModel], before: Build, after: Build) -> Difference | None:
    """What differs between two builds of a model that stand at the same position; in the caller's transaction.

    A column of another type counts as another column. Gives ``None`` where they have not even the key in common.
    """
    had, has = _columns(connection, before), _columns(connection, after)
    common = [name for name, kind in has.items() if had.get(name) == kind]
    if model.spec.key not in common:
        return None
    names = [sql.Identifier(name) for name in common]
    connection.execute(
        sql.SQL(DIFFERING).format(
            key=sql.Identifier(model.spec.key),
            common=sql.SQL(", ").join(names),
            before=table.table(before.table),
            after=table.table(after.table),
            of_before=sql.SQL(", ").join(sql.SQL("b.{}").format(name) for name in names),
            of_after=sql.SQL(", ").join(sql.SQL("a.{}").format(name) for name in names),
        )
    )
    counts = connection.execute(COUNTED).fetchone()
    rows = connection.execute(sql.SQL("SELECT count(*) FROM {}").format(table.table(after.table))).fetchone()
    assert counts is not None
    assert rows is not None
    gone, new, changed = counts
    by_column = dict(connection.execute(BY_COLUMN).fetchall())
    some = connection.execute(EXAMPLES, (EXAMPLES_MAX,)).fetchall()
    return Difference(
        position=after.position,
        rows=rows[0],
        only_before=gone,
        only_after=new,
        changed=changed,
        changed_columns=by_column,
        columns_added=[each for each in has if each not in common],
        columns_removed=[each for each in had if each not in common],
        examples=[_example(model, key, old, new) for key, old, new in some if old is not None and new is not None],
        keys_only_before=[key for key, _, new in some if new is None],
        keys_only_after=[key for key, old, _ in some if old is None],
    )


def _columns(connection: Connection[Any], build: Build) -> dict[str, str]:
    """The columns of a build with their types."""
    query = (
        "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
        " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped ORDER BY attnum"
    )
    return dict(connection.execute(query, (table.table(build.table).as_string(),)).fetchall())


def _example(model: type[ReadModel], key: str, before: dict[str, Any], after: dict[str, Any]) -> Example:
    differing = [column for column in after if after[column] != before[column]]
    return Example(key, {column: _shown(model, column, before[column], after[column]) for column in differing})


def _shown(model: type[ReadModel], column: str, before: Any, after: Any) -> tuple[Any, Any]:
    hint = columns(model).get(column)
    return ("sealed", "sealed, otherwise") if hint is not None and holds_sealed(hint) else (before, after)


def holds_sealed(hint: Any) -> bool:
    """Whether a column may hold sealed text: it is marked so, or something in it is, or it may hold anything."""
    if hint is Any or marked(hint, "sealed"):
        return True
    inner = get_args(hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        inner = tuple(get_type_hints(hint, include_extras=True).values())
    return any(map(holds_sealed, inner))
