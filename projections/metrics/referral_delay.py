"""Referral delay: how long complaints lie before they are passed to whoever is to answer."""

from msgspec import Struct

from projections.case_register import CaseRegister
from projections.engine.metric import Metric
from projections.metrics.vocabulary import Count, Since, Until


class ReferralDelay(Metric, version=1, reads=(CaseRegister,)):
    """Days from the opening of complaints to their last referral, for complaints opened in a window.

    A source may date a referral before the complaint; such delays are negative, and counted.
    """

    class Params(Struct):
        """The window."""

        since: Since = None
        until: Until = None

    class Row(Struct):
        """The delays."""

        referred: Count
        """Complaints that were referred."""
        not_referred: Count
        """Complaints that were not."""
        min_days: float | None
        """The shortest delay, in days; null where none was referred."""
        median_days: float | None
        """The median delay, in days."""
        mean_days: float | None
        """The mean delay, in days, rounded to six digits."""
        max_days: float | None
        """The longest delay, in days."""
        before_opening: Count
        """Complaints whose referral is dated before their opening."""

    sql = """
        WITH complaint AS (
            SELECT extract(epoch FROM referred_at - opened_at) / 86400 AS days FROM books.case_register
             WHERE kind = 'complaint'
               AND opened_at >= coalesce(%(since)s, '-infinity') AND opened_at < least(%(until)s, %(at)s))
        SELECT count(days) AS referred, count(*) - count(days) AS not_referred,
               round(min(days), 6)::float8 AS min_days,
               round(percentile_cont(0.5) WITHIN GROUP (ORDER BY days)::numeric, 6)::float8 AS median_days,
               round(avg(days), 6)::float8 AS mean_days, round(max(days), 6)::float8 AS max_days,
               count(*) FILTER (WHERE days < 0) AS before_opening
          FROM complaint"""
