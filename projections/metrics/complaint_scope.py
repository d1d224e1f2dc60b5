"""Complaint scope: how many complaints there are, and about how much they are."""

from datetime import datetime

from msgspec import Struct

from projections.case_register import CaseRegister
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Since, Until


class ComplaintScope(Metric, version=1, reads=(CaseRegister,)):
    """Complaints opened in a window, with the number of different products, issues and bodies they are about.

    An issue is a subcategory; a body is whoever a complaint was last referred to.
    """

    class Params(Struct):
        """The window."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """The numbers."""

        complaints: Count
        """Complaints opened."""
        customers: Count
        """Known customers who complained."""
        products: Count
        """Different products or services."""
        issues: Count
        """Different subcategories."""
        bodies: Count
        """Different bodies that complaints were referred to."""
        first_at: datetime | None
        """When the first of them was opened."""
        last_at: datetime | None
        """When the last of them was opened."""

    sql = """
        SELECT count(*) AS complaints, count(DISTINCT customer_id) AS customers, count(DISTINCT product) AS products,
               count(DISTINCT subcategory) AS issues, count(DISTINCT referred_to) AS bodies,
               min(opened_at) AS first_at, max(opened_at) AS last_at
          FROM books.case_register
         WHERE kind = 'complaint'
           AND opened_at >= coalesce(%(since)s, '-infinity') AND opened_at < least(%(until)s, %(at)s)"""
