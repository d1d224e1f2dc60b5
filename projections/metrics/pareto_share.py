"""Pareto share: how much of the revenue comes from the best customers."""

from typing import Annotated

from msgspec import Meta, Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, CurrencyCode, Money, Share, Since, Until
from projections.sales import Sales


class ParetoShare(Metric, version=1, reads=(Sales,)):
    """The share of revenue that the top ⌈share · n⌉ of n customers bring, ties broken by customer id.

    Gross revenue ranks customers with a purchase by what they paid; net revenue ranks customers with a purchase or
    return by what they paid less what they got back. Source: domain row 7 and section 4.
    """

    class Params(Struct):
        """The window, the currency, and what counts as the top."""

        currency: CurrencyCode
        since: Since = None
        until: Until = None
        top_share_percent: Annotated[int, Meta(ge=1, le=100)] = 20
        """How many percent of the customers are the top."""
        net: bool = False
        """Whether returns are deducted."""

    class Row(Struct):
        """The share and its parts."""

        customers: Count
        """Customers that were ranked."""
        top_customers: Count
        """Customers in the top."""
        total_minor: Money
        """Revenue of all."""
        top_minor: Money
        """Revenue of the top."""
        share: Share
        """The top's part in the revenue."""

    sql = """
        WITH customer AS (
            SELECT customer_id, sum(amount_minor) AS revenue FROM books.sales
             WHERE NOT voided AND customer_id IS NOT NULL AND currency = %(currency)s
               AND (%(net)s OR kind = 'purchase')
               AND occurred_at >= coalesce(%(since)s, '-infinity') AND occurred_at < least(%(until)s, %(at)s)
             GROUP BY customer_id
        ), ranked AS (
            SELECT revenue, row_number() OVER (ORDER BY revenue DESC, customer_id) AS place,
                   ceil(count(*) OVER () * %(top_share_percent)s / 100.0) AS top
              FROM customer)
        SELECT count(*) AS customers, count(*) FILTER (WHERE place <= top) AS top_customers,
               coalesce(sum(revenue), 0)::bigint AS total_minor,
               coalesce(sum(revenue) FILTER (WHERE place <= top), 0)::bigint AS top_minor,
               round(sum(revenue) FILTER (WHERE place <= top) / nullif(sum(revenue), 0), 6)::float8 AS share
          FROM ranked"""
