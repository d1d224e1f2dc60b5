"""The figures a tier review judges by: every customer with a purchase in the window, ranked."""

from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import Connection

from domain.misfit import Misfit
from domain.policy import TierRule
from domain.rule import Rule
from domain.tier import TierInputs

OUT_OF_RANGE = Rule(
    "TIER_FIGURES_OUT_OF_RANGE",
    "The figures of customer {customer} are beyond what can be right ({problem}); void the entry that is wrong.",
)

FIGURES = """
    WITH bounds AS (
        SELECT %(at)s::timestamptz - %(months)s * interval '1 month' AS starts, %(at)s::timestamptz AS ends
    ), bought AS (
        SELECT customer_id, sum(amount_minor) AS revenue,
               coalesce(sum(list_amount_minor) FILTER (WHERE kind = 'purchase'), 0) AS listed,
               coalesce(sum(list_amount_minor - amount_minor) FILTER (WHERE kind = 'purchase'), 0) AS discount
          FROM books.sales, bounds
         WHERE NOT voided AND customer_id IS NOT NULL AND currency = %(currency)s
           AND occurred_at > starts AND occurred_at <= ends
         GROUP BY customer_id HAVING bool_or(kind = 'purchase')
    ), began AS (
        SELECT customer_id, min(occurred_at) AS first_at FROM books.sales
         WHERE kind = 'purchase' AND NOT voided AND customer_id IS NOT NULL GROUP BY customer_id
    ), given AS (
        SELECT customer_id, sum(amount_minor) AS remedies FROM books.remedies, bounds
         WHERE currency = %(currency)s AND fulfilled_at > starts AND fulfilled_at <= ends
           AND (reversed_at IS NULL OR reversed_at > ends)
         GROUP BY customer_id
    ), handled AS (
        SELECT customer_id, sum(duration_s) AS seconds FROM books.touchpoints, bounds
         WHERE NOT automated AND occurred_at > starts AND occurred_at <= ends GROUP BY customer_id
    ), figured AS (
        SELECT customer_id, revenue, first_at, listed, discount,
               coalesce(remedies, 0) AS remedies, coalesce(seconds, 0) AS seconds,
               round(coalesce(seconds, 0) * %(per_hour)s / 3600.0) AS service,
               CASE WHEN revenue > 0 THEN coalesce(seconds, 0)::float8 / revenue END AS intensity
          FROM bought JOIN began USING (customer_id)
          LEFT JOIN given USING (customer_id) LEFT JOIN handled USING (customer_id)
    ), middle AS (
        SELECT percentile_cont(0.5) WITHIN GROUP (ORDER BY intensity) AS median FROM figured)
    SELECT customer_id, revenue::bigint AS revenue_minor, remedies::bigint AS remedies_minor,
           service::bigint AS service_minor, (revenue - remedies - service)::bigint AS contribution_minor,
           row_number() OVER (ORDER BY revenue - remedies - service DESC, customer_id) AS rank,
           count(*) OVER () AS ranked,
           (extract(year FROM age(ends, first_at)) * 12 + extract(month FROM age(ends, first_at)))::int
               AS tenure_months,
           CASE WHEN listed > 0 THEN least(greatest(round(10000.0 * discount / listed), 0), 10000) ELSE 0 END::int
               AS discount_share,
           seconds::bigint AS handled_s,
           CASE WHEN median > 0 THEN floor(100 * intensity / median)::bigint END AS intensity_percent
      FROM figured, middle, bounds"""


def tier_figures(connection: Connection[Any], rule: TierRule, at: datetime) -> dict[UUID, TierInputs]:
    """The figures of the rule's window before an instant, by customer, from the read models as they stand."""
    params = {
        "at": at,
        "months": rule.window_months,
        "currency": rule.currency,
        "per_hour": rule.service_cost_per_hour_minor,
    }
    cursor = connection.execute(FIGURES, params)
    names = [column.name for column in cursor.description or ()][1:]
    return {row[0]: _inputs(row[0], dict(zip(names, row[1:], strict=True))) for row in cursor}


def _inputs(customer_id: UUID, figures: dict[str, Any]) -> TierInputs:
    try:
        return msgspec.convert(figures, TierInputs)
    except msgspec.ValidationError as error:
        OUT_OF_RANGE.refuse(customer=customer_id, problem=Misfit.of(error).sentence)
