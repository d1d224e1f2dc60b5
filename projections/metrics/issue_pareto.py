"""Issue Pareto: which few issues make most of the complaints."""

from typing import Annotated

from msgspec import Meta, Struct

from projections.case_register import CaseRegister
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share, Since, Until


class IssuePareto(Metric, version=1, reads=(CaseRegister,)):
    """Complaints by subcategory, most frequent first, with the running share; ties in order of the name.

    ``vital`` marks the fewest subcategories that together reach the wanted share. Source: domain rows 7 and 23.
    """

    class Params(Struct):
        """The window and the wanted share."""

        since: Since = None
        until: Until = None
        share_percent: Annotated[int, Meta(ge=1, le=100)] = 80
        """The share of the complaints, in percent, that the vital few make."""

    class Row(Struct):
        """One subcategory."""

        issue: str | None
        """The subcategory; null for complaints that have none."""
        complaints: Count
        """Complaints in it."""
        running_share: Share
        """Its share and that of all more frequent ones together."""
        vital: bool
        """Whether it is one of the vital few."""

    sql = """
        WITH issue AS (
            SELECT subcategory AS issue, count(*) AS complaints FROM books.case_register
             WHERE kind = 'complaint'
               AND opened_at >= coalesce(%(since)s, '-infinity') AND opened_at < least(%(until)s, %(at)s)
             GROUP BY subcategory
        ), running AS (
            SELECT issue, complaints, sum(complaints) OVER (ORDER BY complaints DESC, issue COLLATE "C") AS so_far,
                   sum(complaints) OVER () AS total
              FROM issue)
        SELECT issue, complaints, round(so_far / total, 6)::float8 AS running_share,
               (so_far - complaints) * 100 < total * %(share_percent)s AS vital
          FROM running ORDER BY complaints DESC, issue COLLATE "C" ASC"""
