"""What keeps the database from altering what it holds: triggers, which a superuser can take away.

That they are gone proves nothing, and so is no fault; but nobody should have to find it out by chance.
"""

from typing import Any

from psycopg import Connection

from .. import migrate

GUARDED = (
    "ledger.entries", "ledger.commands", "seals.tiles", "seals.checkpoints", "seals.cosignatures",
    "seals.publications", "seals.verifications",
)  # fmt: skip
"""What refuses every change but an addition."""
STANDING = """
    SELECT guarded, prosrc
      FROM unnest(%s::text[]) AS guarded
      LEFT JOIN pg_catalog.pg_trigger ON tgrelid = to_regclass(guarded) AND tgname = 'append_only' AND tgenabled = 'A'
      LEFT JOIN pg_catalog.pg_proc p ON p.oid = tgfoid"""


def unguarded(connection: Connection[Any]) -> list[str]:
    """The tables that would take a change, since the trigger that refuses it is off, gone, or not ours."""
    ours = "".join(migration.sql for migration in migrate.migrations())
    found = connection.execute(STANDING, (list(GUARDED),)).fetchall()
    return sorted(table for table, source in found if not source or source not in ours)
