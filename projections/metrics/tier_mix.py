"""Tier mix: how many customers hold each tier."""

from msgspec import Struct

from domain.vocabulary import Tier
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Share
from projections.tier_status import TierStatus


class TierMix(Metric, version=1, reads=(TierStatus,)):
    """Customers in each tier, as a number and as a share of all who hold one. Source: domain row 6."""

    class Params(Struct):
        """There are none."""

    class Row(Struct):
        """One tier."""

        tier: Tier
        customers: Count
        """Customers who hold it."""
        share: Share
        """They as a share of all who hold a tier."""
        overridden: Count
        """Customers among them whose tier was set by hand and still holds at the instant of the answer."""

    sql = """
        SELECT tier, count(*) AS customers, round(count(*) / sum(count(*)) OVER (), 6)::float8 AS share,
               count(*) FILTER (WHERE override_until > %(at)s) AS overridden
          FROM books.tier_status WHERE tier IS NOT NULL
         GROUP BY tier ORDER BY array_position(ARRAY['platinum', 'gold', 'iron', 'lead'], tier)"""
