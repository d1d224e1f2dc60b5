"""Complaint responses: what was answered by those that complaints were referred to, and how it was taken."""

from msgspec import Struct

from domain.vocabulary import Response
from projections.case_register import CaseRegister
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share, Since, Until


class ComplaintResponses(Metric, version=1, reads=(CaseRegister,)):
    """Complaints by the response last recorded, most frequent first, after a row for all of them together.

    Disputed is a complaint whose customer turned an answer down at least once, undisputed one that was closed without
    that; of the others neither is known. Source: domain section 2.1, CFPB.
    """

    class Params(Struct):
        """The window in which the complaints were opened."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """One kind of response."""

        response: Response | None
        """The response; null in the row for all together."""
        complaints: Count
        """Complaints that got it."""
        share: Share
        """They as a share of all that got a response."""
        timely: Count
        """Complaints that got it in the time allowed."""
        timely_rate: Share
        """The timely as a share of the complaints of which it is known whether they were."""
        disputed: Count
        """Complaints whose customer turned an answer down."""
        undisputed: Count
        """Complaints closed without that."""
        unknown: Count
        """Complaints of which neither is known."""
        disputed_rate: Share
        """The disputed as a share of those of which it is known."""

    sql = """
        WITH complaint AS (
            SELECT response, timely, rejections > 0 AS disputed, rejections = 0 AND closed_at IS NOT NULL AS undisputed
              FROM books.case_register
             WHERE kind = 'complaint' AND response IS NOT NULL
               AND opened_at >= coalesce(%(since)s, '-infinity') AND opened_at < least(%(until)s, %(at)s)
        ), counted AS (
            SELECT response, grouping(response) = 1 AS all_together, count(*) AS complaints,
                   count(*) FILTER (WHERE timely) AS timely, count(timely) AS judged,
                   count(*) FILTER (WHERE disputed) AS disputed, count(*) FILTER (WHERE undisputed) AS undisputed
              FROM complaint GROUP BY ROLLUP (response))
        SELECT response, complaints,
               round(complaints::numeric / nullif(max(complaints) OVER (), 0), 6)::float8 AS share,
               timely, round(timely::numeric / nullif(judged, 0), 6)::float8 AS timely_rate,
               disputed, undisputed, complaints - disputed - undisputed AS unknown,
               round(disputed::numeric / nullif(disputed + undisputed, 0), 6)::float8 AS disputed_rate
          FROM counted ORDER BY all_together DESC, complaints DESC, response COLLATE "C" ASC"""
