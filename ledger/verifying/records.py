"""What the ledger keeps beside its entries must agree with them: the head, the streams, the records of commands."""

from typing import Any

from psycopg import Connection

from .findings import Findings, Kind

TOLD_MAX = 20
"""Why: the first ones say what was done; more of the same kind say no more."""

OUTSIDE = (
    "SELECT position FROM ledger.entries WHERE position < 1 OR position > %(head)s ORDER BY position LIMIT %(most)s"
)
THERE = "SELECT position, (SELECT coalesce(max(position), 0) FROM ledger.entries) FROM ledger.head"
# Compared by PostgreSQL, since Python has no time for the infinity that an empty ledger's head stands at.
LAST = """
    SELECT e.recorded_at IS DISTINCT FROM h.recorded_at FROM ledger.entries e, ledger.head h
     WHERE e.position = %(head)s"""
STREAMS = """
    SELECT position, stream_id, stream_version, expected FROM (
        SELECT position, stream_id, stream_version,
               row_number() OVER (PARTITION BY stream_id ORDER BY position) AS expected
          FROM ledger.entries
         WHERE %(since)s::bigint = 0 OR stream_id IN (SELECT stream_id FROM ledger.entries WHERE position > %(since)s)
        ) AS numbered
     WHERE stream_version IS DISTINCT FROM expected ORDER BY position LIMIT %(most)s"""
COMMANDS = """
    SELECT first_position, last_position, command_id FROM ledger.commands c
     WHERE coalesce(last_position, first_position, %(since)s + 1) > %(since)s AND NOT coalesce((
               SELECT count(*) = last_position - first_position + 1 AND min(position) = first_position
                      AND bool_or(position = first_position AND e.stream_id = c.stream_id)
                 FROM ledger.entries e
                WHERE e.position BETWEEN first_position AND last_position AND e.command_id = c.command_id), false)
     ORDER BY first_position LIMIT %(most)s"""
STRAYS = """
    SELECT e.position, e.command_id FROM ledger.entries e JOIN ledger.commands c USING (command_id)
     WHERE e.position > %(since)s AND e.position NOT BETWEEN c.first_position AND c.last_position
     ORDER BY e.position LIMIT %(most)s"""


def last_there(connection: Connection[Any], findings: Findings) -> int:
    """The last position that both the head and the entries reach; where one reaches further, that is a fault."""
    row = connection.execute(THERE).fetchone()
    head, last = row if row else (0, 0)
    if last < head:
        findings.add(
            Kind.POSITION_MISSING, last + 1, f"The head is at {head}, and the last entry at {last}.", until=head
        )
    if row is None:
        findings.add(Kind.HEAD_ALTERED, None, "The ledger has no head.")
    return int(min(head, last))


def check_records(connection: Connection[Any], head: int, since: int, findings: Findings) -> None:
    """Check all that is said of the entries after ``since``."""
    asked = {"head": head, "since": since, "most": TOLD_MAX}
    _check_head(connection, asked, findings)
    for position, stream, version, expected in connection.execute(STREAMS, asked):
        text = f"It has version {version} in the stream {stream}, where {expected} follows."
        findings.add(Kind.STREAM_BROKEN, position, text, column="stream_version")
    for first, last, command in connection.execute(COMMANDS, asked):
        text = f"By its record the command {command} entered the entries {first} to {last}, and by them it did not."
        findings.add(Kind.COMMAND_ALTERED, first, text)
    for position, command in connection.execute(STRAYS, asked):
        text = f"It names the command {command}, whose record does not know of it."
        findings.add(Kind.COMMAND_ALTERED, position, text)


def _check_head(connection: Connection[Any], asked: dict[str, int], findings: Findings) -> None:
    for (position,) in connection.execute(OUTSIDE, asked):
        findings.add(
            Kind.POSITION_UNKNOWN, position, f"It stands outside of the ledger, whose head is {asked['head']}."
        )
    if connection.execute(LAST, asked).fetchone() == (True,):
        findings.add(Kind.HEAD_ALTERED, asked["head"], "The head has another ledger time than the last entry.")
