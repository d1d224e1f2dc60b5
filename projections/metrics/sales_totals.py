"""Sales totals: what was bought and what came back, with known and unknown customers apart."""

from msgspec import Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, CurrencyCode, Money, Since, Until
from projections.sales import Sales


class SalesTotals(Metric, version=1, reads=(Sales,)):
    """Purchases and returns in a window, one row for known customers and one for unknown ones in each currency.

    Returns count whether or not they name their purchase; voided entries do not. Nothing is left out: sales whose
    customer is unknown stand in a row of their own.
    """

    class Params(Struct):
        """The window."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """The totals of one currency, for known or for unknown customers."""

        currency: CurrencyCode
        customer_known: bool
        """Whether the sales name a customer."""
        customers: Count
        """Customers with a purchase or return; 0 where they are unknown."""
        buyers: Count
        """Customers with a purchase."""
        purchases: Count
        """Purchases."""
        gross_minor: Money
        """What was paid for them."""
        returners: Count
        """Customers with a return."""
        returns: Count
        """Returns."""
        unmatched_returns: Count
        """Returns among them that name no purchase."""
        returned_minor: Money
        """What was paid back; negative."""
        net_minor: Money
        """Gross and returned together."""
        lines: Count
        """Lines of all these documents."""

    sql = """
        SELECT currency, customer_id IS NOT NULL AS customer_known,
               count(DISTINCT customer_id) AS customers,
               count(DISTINCT customer_id) FILTER (WHERE kind = 'purchase') AS buyers,
               count(*) FILTER (WHERE kind = 'purchase') AS purchases,
               coalesce(sum(amount_minor) FILTER (WHERE kind = 'purchase'), 0)::bigint AS gross_minor,
               count(DISTINCT customer_id) FILTER (WHERE kind <> 'purchase') AS returners,
               count(*) FILTER (WHERE kind <> 'purchase') AS returns,
               count(*) FILTER (WHERE kind = 'unmatched_return') AS unmatched_returns,
               coalesce(sum(amount_minor) FILTER (WHERE kind <> 'purchase'), 0)::bigint AS returned_minor,
               sum(amount_minor)::bigint AS net_minor,
               sum(lines)::bigint AS lines
          FROM books.sales
         WHERE NOT voided
           AND occurred_at >= coalesce(%(since)s, '-infinity') AND occurred_at < least(%(until)s, %(at)s)
         GROUP BY currency, customer_id IS NOT NULL
         ORDER BY currency COLLATE "C", customer_known DESC"""
