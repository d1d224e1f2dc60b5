"""Complaint rate: complaints for a thousand customers or purchases."""

from msgspec import Struct

from projections.complaint_outcomes import ComplaintOutcomes
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Since, Until
from projections.sales import Sales


class ComplaintRate(Metric, version=1, reads=(ComplaintOutcomes, Sales)):
    """Complaints received in a window for each 1 000 customers who bought in it, and for each 1 000 purchases.

    Complaints of unknown customers count. The exposure is named in each row. Source: domain section 4, DISP 1.10.
    """

    class Params(Struct):
        """The window."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """The rate for one exposure."""

        exposure: str
        """What the complaints are set against: customers or purchases."""
        complaints: Count
        """Complaints received."""
        exposed: Count
        """How many customers or purchases there were."""
        per_thousand: float | None
        """Complaints for each 1 000, rounded to six digits; null without exposure."""

    sql = """
        WITH complaint AS (
            SELECT count(*) AS n FROM books.complaint_outcomes
             WHERE kind = 'complaint'
               AND opened_at >= coalesce(%(since)s, '-infinity') AND opened_at < least(%(until)s, %(at)s)
        ), sale AS (
            SELECT count(*) AS purchases, count(DISTINCT customer_id) AS customers FROM books.sales
             WHERE kind = 'purchase' AND NOT voided
               AND occurred_at >= coalesce(%(since)s, '-infinity') AND occurred_at < least(%(until)s, %(at)s))
        SELECT exposure, complaint.n AS complaints, exposed,
               round(1000.0 * complaint.n / nullif(exposed, 0), 6)::float8 AS per_thousand
          FROM complaint, sale,
               LATERAL (VALUES ('customers', customers), ('purchases', purchases)) AS against (exposure, exposed)
         ORDER BY exposure"""
