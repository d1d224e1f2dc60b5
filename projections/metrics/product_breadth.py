"""Product breadth: how many different things customers buy."""

from msgspec import Struct

from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share
from projections.purchase_behaviour import PurchaseBehaviour


class ProductBreadth(Metric, version=1, reads=(PurchaseBehaviour,)):
    """Mean number of different articles and categories a customer has bought, and how many buy across categories.

    Source: domain row L2.
    """

    class Params(Struct):
        """There are none."""

    class Row(Struct):
        """The means and their base."""

        customers: Count
        """Customers with a purchase."""
        mean_products: float | None
        """Different articles a customer, on average; rounded to six digits."""
        mean_categories: float | None
        """Different categories a customer, on average; rounded to six digits."""
        cross_buyers: Count
        """Customers who bought in two or more categories."""
        cross_rate: Share
        """Cross buyers as a share of the customers."""

    sql = """
        SELECT count(*) AS customers,
               round(avg(jsonb_array_length(products)), 6)::float8 AS mean_products,
               round(avg(jsonb_array_length(categories)), 6)::float8 AS mean_categories,
               count(*) FILTER (WHERE jsonb_array_length(categories) >= 2) AS cross_buyers,
               round(count(*) FILTER (WHERE jsonb_array_length(categories) >= 2)::numeric / nullif(count(*), 0), 6)
                   ::float8 AS cross_rate
          FROM books.purchase_behaviour WHERE purchases > 0"""
