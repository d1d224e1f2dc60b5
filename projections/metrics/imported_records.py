"""Imported records: what came from each source, and how much of it came more than once."""

from datetime import datetime

from msgspec import Struct

from projections.audit_trail import AuditTrail
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count


class ImportedRecords(Metric, version=1, reads=(AuditTrail,)):
    """Records and entries of each source.

    A record without an id of its own is known by its content and its number among equal ones, so that a real
    duplicate is kept and an import done twice adds nothing; the duplicates are counted here.
    """

    class Params(Struct):
        """There are none."""

    class Row(Struct):
        """One source."""

        source: str
        """The system the records came from."""
        records: Count
        """Records that became entries."""
        entries: Count
        """Entries they became."""
        duplicates: Count
        """Records whose whole content had come before in that source."""
        first_at: datetime
        """The earliest instant that an entry speaks of."""
        last_at: datetime
        """The latest instant that an entry speaks of."""

    sql = """
        WITH record AS (
            SELECT source, substring(external_id FROM '^(.*)/[^/]*$') AS record, count(*) AS entries,
                   min(occurred_at) AS first_at, max(occurred_at) AS last_at
              FROM books.audit_trail WHERE source IS NOT NULL GROUP BY 1, 2)
        SELECT source, count(*) AS records, sum(entries)::bigint AS entries,
               count(*) FILTER (WHERE record ~ '^[0-9a-f]{32}-([2-9]|[1-9][0-9]+)$') AS duplicates,
               min(first_at) AS first_at, max(last_at) AS last_at
          FROM record GROUP BY source ORDER BY source COLLATE "C" ASC"""
