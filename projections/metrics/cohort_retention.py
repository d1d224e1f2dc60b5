"""Cohort retention, classic: who of those that began in a month buys in each later month."""

from typing import Annotated

from msgspec import Meta, Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share, Since, Until
from projections.sales import Sales


class CohortRetention(Metric, version=1, reads=(Sales,)):
    """Of the customers whose first purchase fell in a month, the share active in exactly the N-th month after it.

    Classic (N-day) retention by calendar months in UTC; month 0 is the cohort itself. Months without an active
    customer are given as 0, up to the month of the last purchase. Source: domain section 4.
    """

    class Params(Struct):
        """Which cohorts, and how far to follow them."""

        since: Since = None
        until: Until = None
        months: Annotated[int, Meta(ge=0, le=120)] = 12
        """How many months to follow each cohort."""

    class Row(Struct):
        """One cohort in one month."""

        cohort: str
        """The month of the first purchase, YYYY-MM."""
        customers: Count
        """Customers in the cohort."""
        month: Count
        """The month after the first, from 0."""
        active: Count
        """Customers of the cohort with a purchase in that month."""
        rate: Share
        """The active as a share of the cohort."""

    sql = """
        WITH bought AS (
            SELECT DISTINCT customer_id, date_trunc('month', occurred_at, 'UTC') AS month FROM books.sales
             WHERE kind = 'purchase' AND NOT voided AND customer_id IS NOT NULL AND occurred_at < %(at)s
        ), began AS (
            SELECT customer_id, min(month) AS cohort FROM bought GROUP BY customer_id
        ), cohort AS (
            SELECT cohort, count(*) AS customers FROM began
             WHERE cohort >= coalesce(%(since)s, '-infinity') AND cohort < least(%(until)s, %(at)s)
             GROUP BY cohort
        ), grid AS (
            SELECT cohort, customers, n AS month, cohort + n * interval '1 month' AS starts
              FROM cohort, generate_series(0, %(months)s) AS n
             WHERE cohort + n * interval '1 month' <= (SELECT max(month) FROM bought))
        SELECT to_char(g.cohort AT TIME ZONE 'UTC', 'YYYY-MM') AS cohort, g.customers, g.month,
               count(b.customer_id) AS active,
               round(count(b.customer_id)::numeric / g.customers, 6)::float8 AS rate
          FROM grid g
          LEFT JOIN (bought b JOIN began USING (customer_id)) ON began.cohort = g.cohort AND b.month = g.starts
         GROUP BY g.cohort, g.customers, g.month ORDER BY g.cohort, g.month"""
