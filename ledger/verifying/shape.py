"""What is read must be what Daybook made: tables of their own, with their columns, and nothing that stands before them.

A view, a rule, a policy or an heir of a table can show to a verification something else than to everybody else. So
where one is found nothing more is said: whatever could be read would prove nothing.
"""

from typing import Any

from psycopg import Connection

from .findings import Findings, Kind

TABLES = (
    "ledger.entries", "ledger.head", "ledger.commands", "seals.tiles", "seals.checkpoints", "seals.cosignatures",
    "seals.publications", "seals.verifications",
)  # fmt: skip
"""What a verification reads."""
TYPES = {
    "bigint": ("position",),
    "integer": ("stream_version",),
    "smallint": ("schema",),
    "text": ("type", "actor_kind", "actor_id", "actor_role", "source", "external_id"),
    "timestamp with time zone": ("occurred_at", "recorded_at"),
    "uuid": ("stream_id", "customer_id", "case_id", "command_id", "causation_id", "correlation_id"),
    "jsonb": ("data",),
    "bytea": ("leaf",),
}
"""The columns of an entry, all of which its leaf is made of."""

STANDING = """
    SELECT wanted, coalesce(relkind::text, ''), relpersistence = 'p', relrowsecurity,
           EXISTS (SELECT FROM pg_catalog.pg_rewrite WHERE ev_class = c.oid),
           EXISTS (SELECT FROM pg_catalog.pg_inherits WHERE c.oid IN (inhrelid, inhparent))
      FROM unnest(%s::text[]) AS wanted LEFT JOIN pg_catalog.pg_class c ON c.oid = to_regclass(wanted)"""
COLUMNS = """
    SELECT attname, format_type(atttypid, atttypmod) FROM pg_catalog.pg_attribute
     WHERE attrelid = to_regclass('ledger.entries') AND attnum > 0 AND NOT attisdropped"""


def check_shape(connection: Connection[Any], findings: Findings) -> bool:
    """Check what a verification is going to read; gives whether it may be read."""
    before = findings.counted
    for name, kind, permanent, policies, rules, related in connection.execute(STANDING, (list(TABLES),)):
        faults = {
            "is not there": not kind,
            "is no table of its own": kind not in ("r", ""),
            "is not kept in the log": permanent is False,
            "is shown to each role by policies": bool(policies),
            "is read by rules": rules,
            "has heirs or is one": related,
        }
        for fault in (fault for fault, found in faults.items() if found):
            findings.add(Kind.SHAPE_ALTERED, None, f"{name} {fault}.")
    _check_columns(connection, findings)
    return findings.counted == before


def _check_columns(connection: Connection[Any], findings: Findings) -> None:
    made = {column: kind for kind, columns in TYPES.items() for column in columns}
    found = dict(connection.execute(COLUMNS).fetchall())
    for column in sorted(made.keys() | found.keys()):
        if made.get(column) != found.get(column):
            was, now = made.get(column, "none"), found.get(column, "none")
            text = f"The column {column} of ledger.entries is {now}, and Daybook made it {was}."
            findings.add(Kind.SHAPE_ALTERED, None, text, column=column)
