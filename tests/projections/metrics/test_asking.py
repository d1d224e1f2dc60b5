"""Asking for a metric: typed parameters, refusals with codes, and an answer that can be repeated."""

from datetime import datetime
from typing import Any

import pytest
from msgspec import Struct

from domain.rule import Refused
from ledger import database
from ledger.database import Duty
from projections.engine import metric
from projections.engine.metric import Metric, compute, metric_named, metrics
from projections.metrics.pareto_share import ParetoShare
from projections.metrics.repeat_purchase_rate import RepeatPurchaseRate
from projections.sales import Sales
from tests.projections.facts import bought, day
from tests.projections.world import World

AT = day("2026-12-31")
NAMES = {
    "cohort_retention", "complaint_rate", "complaint_responses", "complaint_scope", "imported_records", "issue_pareto",
    "pareto_share", "product_breadth", "referral_delay", "repeat_purchase_rate", "retention_by_handling",
    "revenue_retention", "sales_totals", "tier_mix",
}  # fmt: skip


def refusal(world: World, name: str, **params: Any) -> tuple[str, str]:
    with pytest.raises(Refused) as refused:
        world.compute(name, AT, **params)
    return refused.value.code, str(refused.value)


def test_every_file_of_the_folder_is_in_the_catalogue() -> None:
    assert set(metrics()) == NAMES


def test_the_answer_carries_all_that_is_needed_to_repeat_it(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-01"))
    world.enter([bought("a2", "ann", "2026-01-02")])

    answer = compute(world.connection, RepeatPurchaseRate, {}, AT)

    assert (answer.name, answer.version, answer.position, answer.at) == ("repeat_purchase_rate", 1, 1, AT)
    assert answer.definition.startswith("The share of customers with two or more purchases")
    assert "Source: domain row L1." in answer.definition
    assert answer.rows == [RepeatPurchaseRate.Row(customers=1, repeaters=0, purchases=1, rate=0.0)]


def test_the_position_is_that_of_the_model_that_stands_furthest_back(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-01"))
    world.admin.execute("UPDATE books.builds SET position = 0 WHERE model = 'complaint_outcomes'")

    assert compute(world.connection, metric_named("complaint_rate"), {}, AT).position == 0
    assert compute(world.connection, metric_named("sales_totals"), {}, AT).position == 1


def test_an_unknown_metric_is_refused_with_those_there_are(world: World) -> None:
    code, message = refusal(world, "churn")

    assert code == "METRIC_UNKNOWN"
    assert message == f"There is no metric churn; there are: {', '.join(sorted(NAMES))}."


@pytest.mark.parametrize(
    ("name", "params", "problem"),
    [
        ("pareto_share", {}, "currency is missing."),
        ("pareto_share", {"currency": "euro"}, "currency must match ^[A-Z]{3}$."),
        ("pareto_share", {"currency": "EUR", "top_share_percent": 0}, "top_share_percent must be 1 or more."),
        ("pareto_share", {"currency": "EUR", "net": "yes"}, "net must be true or false, not text."),
        ("pareto_share", {"currency": "EUR", "top": 9},
         "top is no parameter of pareto_share; it has: currency, since, until, top_share_percent, net."),
        ("tier_mix", {"tier": "gold"}, "tier is no parameter of tier_mix; it has: none."),
        ("cohort_retention", {"months": 121}, "months must be 120 or less."),
        ("retention_by_handling", {"window_days": 1.5}, "window_days must be a whole number."),
        ("repeat_purchase_rate", {"since": "yesterday"},
         "since must be an instant with its time zone, such as 2026-01-31T08:00:00Z."),
        ("repeat_purchase_rate", {"since": "2026-01-01T00:00:00"},
         "since must be an instant with its time zone, such as 2026-01-31T08:00:00Z."),
        ("revenue_retention", {"currency": "EUR", "since": "2026-01-01T00:00:00Z", "until": "2026-03-01T00:00:00Z"},
         "middle is missing."),
    ],
)  # fmt: skip
def test_a_parameter_that_is_unknown_or_does_not_fit_is_refused_by_name(
    world: World, name: str, params: dict[str, Any], problem: str
) -> None:
    assert refusal(world, name, **params) == ("METRIC_BAD_PARAMETER", problem)


def test_a_parameter_left_out_or_null_has_its_default() -> None:
    expected = ParetoShare.Params(currency="EUR", since=None, until=None, top_share_percent=20, net=False)

    assert metric.parameters(ParetoShare, {"currency": "EUR", "since": None, "top_share_percent": None}) == expected


def test_a_read_model_that_is_not_built_is_named(world: World) -> None:
    with world.admin.transaction(force_rollback=True):
        world.admin.execute("DROP VIEW books.sales")
        with pytest.raises(Refused) as refused:
            compute_here(world.admin)

    assert (refused.value.code, str(refused.value)) == (
        "METRIC_NOT_BUILT",
        "The read model sales is not built yet; run: daybook project",
    )
    assert world.compute("repeat_purchase_rate", AT)


def compute_here(connection: Any) -> None:
    metric._hold(connection, RepeatPurchaseRate)


@pytest.fixture
def long_answer(monkeypatch: pytest.MonkeyPatch) -> type[Metric]:
    monkeypatch.setattr(metric, "_METRICS", dict(metrics()))

    class TestLong(Metric, version=1, reads=(Sales,)):
        """As many rows as asked for."""

        class Params(Struct):
            """How many."""

            rows: int
            also: datetime | None = None

        class Row(Struct):
            """A row."""

            n: int

        sql = "SELECT n FROM generate_series(1, %(rows)s) AS n WHERE %(also)s IS NULL"

    return TestLong


def test_an_answer_that_is_too_long_is_refused_and_one_that_just_fits_is_given(
    world: World, long_answer: type[Metric], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metric, "ROWS_MAX", 7)

    assert len(world.compute("test_long", AT, rows=7)) == 7
    assert refusal(world, "test_long", rows=8) == (
        "METRIC_TOO_MANY_ROWS",
        "The answer has more than 7 rows; narrow the parameters.",
    )


def test_a_metric_reads_and_changes_nothing(world: World, long_answer: type[Metric]) -> None:
    long_answer.sql = "DELETE FROM books.sales RETURNING 1 AS n"

    with pytest.raises(Exception, match="cannot execute DELETE in a read-only transaction"):
        world.compute("test_long", AT, rows=1)


def test_the_role_of_the_api_may_ask(world: World) -> None:
    with database.connect(world.url, Duty.API) as connection:
        for name in sorted(NAMES - {"pareto_share", "revenue_retention"}):
            assert compute(connection, metric_named(name), {}, AT).name == name
