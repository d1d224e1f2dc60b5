"""Retention by complaint handling: whether customers stay when their complaint was heard and settled."""

from enum import StrEnum
from typing import Annotated

from msgspec import Meta, Struct

from projections.complaint_outcomes import ComplaintOutcomes
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share
from projections.sales import Sales


class Handling(StrEnum):
    """How a complaint was handled by the end of its window; settled in time is a part of settled."""

    UNACKNOWLEDGED = "unacknowledged"
    """The customer was not told that the complaint is heard."""
    REGISTERED = "registered"
    """Acknowledged, but without an accepted solution."""
    SETTLED = "settled"
    """Acknowledged, and a solution accepted."""
    SETTLED_IN_TIME = "settled_in_time"
    """Settled, and resolved by the promised date."""
    NO_COMPLAINT = "no_complaint"
    """The control: customers who bought and did not complain."""


class RetentionByHandling(Metric, version=1, reads=(ComplaintOutcomes, Sales)):
    """Of the customers of each handling class, the share who bought within H days after their complaint.

    Each customer counts once, by their first complaint at t, if t + H days had passed. Classes, judged at t + H:
    unacknowledged (U); registered (R), acknowledged but without an accepted solution; settled (S), acknowledged and
    accepted; settled in time, those of S resolved by the promised date. Kept: a purchase in (t, t + H]. The control
    are customers with a purchase but no complaint, with t = H days before the instant of the answer and a purchase
    by then. The interval is Wilson's at 95 %. Source: domain row 40; benchmarks .10, .20, .54 (section 1.10).
    """

    class Params(Struct):
        """The window."""

        window_days: Annotated[int, Meta(ge=1, le=3650)] = 180
        """H, the days after the complaint in which a purchase counts."""

    class Row(Struct):
        """One class."""

        handling: Handling
        customers: Count
        """n, the size of the class."""
        kept: Count
        """Customers who bought within the window."""
        rate: Share
        """The kept as a share of the class."""
        low: Share
        """The lower end of the 95 % interval."""
        high: Share
        """The upper end of the 95 % interval."""
        benchmark: Share
        """What the literature gives for the class, where it does."""

    sql = """
        WITH first AS (
            SELECT DISTINCT ON (customer_id) customer_id, opened_at AS t, acknowledged_at, accepted_at, resolved_at,
                   promised_at, opened_at + %(window_days)s * interval '1 day' AS ends
              FROM books.complaint_outcomes
             WHERE kind = 'complaint' AND customer_id IS NOT NULL AND opened_at <= %(at)s
             ORDER BY customer_id, opened_at, case_id
        ), judged AS (
            SELECT customer_id, t, ends,
                   acknowledged_at <= ends AS heard, acknowledged_at <= ends AND accepted_at <= ends AS settled,
                   resolved_at <= promised_at AND resolved_at <= ends AS in_time
              FROM first WHERE ends <= %(at)s
        ), subject AS (
            SELECT customer_id, t, ends, 'unacknowledged' AS handling FROM judged WHERE heard IS NOT TRUE
            UNION ALL
            SELECT customer_id, t, ends, 'registered' FROM judged WHERE heard AND settled IS NOT TRUE
            UNION ALL
            SELECT customer_id, t, ends, 'settled' FROM judged WHERE settled
            UNION ALL
            SELECT customer_id, t, ends, 'settled_in_time' FROM judged WHERE settled AND in_time
            UNION ALL
            SELECT customer_id, %(at)s - %(window_days)s * interval '1 day', %(at)s, 'no_complaint'
              FROM books.sales s
             WHERE kind = 'purchase' AND NOT voided AND customer_id IS NOT NULL
               AND occurred_at <= %(at)s - %(window_days)s * interval '1 day'
               AND NOT EXISTS (SELECT FROM first WHERE first.customer_id = s.customer_id)
             GROUP BY customer_id
        ), counted AS (
            SELECT handling, count(*)::float8 AS n,
                   count(*) FILTER (WHERE EXISTS (
                       SELECT FROM books.sales s
                        WHERE s.customer_id = subject.customer_id AND s.kind = 'purchase' AND NOT s.voided
                          AND s.occurred_at > subject.t AND s.occurred_at <= subject.ends))::float8 AS k
              FROM subject GROUP BY handling
        ), wilson AS (
            SELECT handling, n, k, (k + 1.920729) / (n + 3.841459) AS centre,
                   1.959964 / (n + 3.841459) * sqrt(k * (n - k) / n + 0.960365) AS half
              FROM counted)
        SELECT c.handling, coalesce(n, 0)::bigint AS customers, coalesce(k, 0)::bigint AS kept,
               round((k / n)::numeric, 6)::float8 AS rate,
               CASE WHEN n > 0 THEN round(greatest(centre - half, 0)::numeric, 6)::float8 END AS low,
               CASE WHEN n > 0 THEN round(least(centre + half, 1)::numeric, 6)::float8 END AS high, c.benchmark
          FROM (VALUES (1, 'unacknowledged', 0.10::float8), (2, 'registered', 0.20), (3, 'settled', 0.54),
                       (4, 'settled_in_time', NULL), (5, 'no_complaint', NULL)) AS c (place, handling, benchmark)
          LEFT JOIN wilson USING (handling) ORDER BY c.place"""
