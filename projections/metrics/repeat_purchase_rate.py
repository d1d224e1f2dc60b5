"""Repeat purchase rate: who comes back to buy."""

from msgspec import Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share, Since, Until
from projections.sales import Sales


class RepeatPurchaseRate(Metric, version=1, reads=(Sales,)):
    """The share of customers with two or more purchases among those with one or more, in the same window.

    Purchases of unknown customers and voided entries do not count; returns are not deducted. Source: domain row L1.
    """

    class Params(Struct):
        """The window."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """The rate and its parts."""

        customers: Count
        """Customers with one or more purchases."""
        repeaters: Count
        """Customers with two or more purchases."""
        purchases: Count
        """Their purchases."""
        rate: Share
        """Repeaters as a share of the customers."""

    sql = """
        WITH buyer AS (
            SELECT customer_id, count(*) AS purchases FROM books.sales
             WHERE kind = 'purchase' AND NOT voided AND customer_id IS NOT NULL
               AND occurred_at >= coalesce(%(since)s, '-infinity')
               AND occurred_at < least(%(until)s, %(at)s)
             GROUP BY customer_id)
        SELECT count(*) AS customers,
               count(*) FILTER (WHERE purchases >= 2) AS repeaters,
               coalesce(sum(purchases), 0)::bigint AS purchases,
               round(count(*) FILTER (WHERE purchases >= 2)::numeric / nullif(count(*), 0), 6)::float8 AS rate
          FROM buyer"""
