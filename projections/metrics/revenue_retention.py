"""Revenue retention: what the customers of one period bring in the next."""

from msgspec import Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, CurrencyCode, Instant, Money, Share
from projections.sales import Sales


class RevenueRetention(Metric, version=1, reads=(Sales,)):
    """Logo retention, NRR and GRR from a base period to the period after it.

    The base are the customers whose net revenue (purchases less returns) in the base period is above zero. A
    customer is kept when the next period's net revenue is above zero; a negative one counts as zero.
    NRR = Σ next ÷ Σ base, GRR = Σ min(next, base) ÷ Σ base. Source: domain section 4.
    """

    class Params(Struct):
        """The two periods: from ``since`` to ``middle``, and from ``middle`` to ``until``."""

        currency: CurrencyCode
        since: Instant
        """The start of the base period, inclusive."""
        middle: Instant
        """The end of the base period and start of the next."""
        until: Instant
        """The end of the next period, exclusive."""

    class Row(Struct):
        """The rates and their parts."""

        customers: Count
        """Customers in the base."""
        kept: Count
        """Customers of the base who were kept."""
        base_minor: Money
        """Net revenue of the base period."""
        next_minor: Money
        """Net revenue of the same customers in the next period, each at least zero."""
        logo_retention: Share
        """Customers kept as a share of the base."""
        nrr: Share
        """Net revenue retention; above 1 where customers spend more."""
        grr: Share
        """Gross revenue retention; never above 1."""

    sql = """
        WITH customer AS (
            SELECT coalesce(sum(amount_minor) FILTER (WHERE occurred_at < %(middle)s), 0) AS base,
                   greatest(coalesce(sum(amount_minor) FILTER (WHERE occurred_at >= %(middle)s), 0), 0) AS next
              FROM books.sales
             WHERE NOT voided AND customer_id IS NOT NULL AND currency = %(currency)s
               AND occurred_at >= %(since)s AND occurred_at < least(%(until)s, %(at)s)
             GROUP BY customer_id)
        SELECT count(*) AS customers, count(*) FILTER (WHERE next > 0) AS kept,
               coalesce(sum(base), 0)::bigint AS base_minor, coalesce(sum(next), 0)::bigint AS next_minor,
               round(count(*) FILTER (WHERE next > 0)::numeric / nullif(count(*), 0), 6)::float8 AS logo_retention,
               round(sum(next) / nullif(sum(base), 0), 6)::float8 AS nrr,
               round(sum(least(next, base)) / nullif(sum(base), 0), 6)::float8 AS grr
          FROM customer WHERE base > 0"""
