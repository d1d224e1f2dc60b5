"""Metrics over GraphQL: typed and by name the same, with all that is needed to trust and repeat them."""

from typing import Any

import pytest

from api.graphql.names import camel
from domain.vocabulary import Role
from projections.engine.metric import metrics
from tests.api.asking import Api


@pytest.fixture(scope="module")
def shop(api: Api) -> Api:
    """Two customers, one of whom bought twice."""
    ada, bob = api.done("registerCustomer"), api.done("registerCustomer")
    for customer, day in ((ada, 1), (ada, 20), (bob, 2)):
        lines = [{"sku": "tea", "quantity": 1, "amountMinor": 1000}]
        at = f"2026-01-{day:02}T12:00:00Z"
        api.done("recordPurchase", customerId=customer, currency="EUR", lines=lines, occurredAt=at)
    return api


def test_a_metric_comes_with_all_that_is_needed_to_trust_and_repeat_it(shop: Api) -> None:
    told = shop.ask(
        """{ repeatPurchaseRate(at: "2026-02-01T00:00:00+01:00") {
            name version definition position at rows { customers repeaters purchases rate } } ledger { head } }"""
    )

    answer = told["repeatPurchaseRate"]
    assert answer["rows"] == [{"customers": 2, "repeaters": 1, "purchases": 3, "rate": 0.5}]
    assert (answer["name"], answer["version"], answer["at"]) == ("repeat_purchase_rate", 1, "2026-01-31T23:00:00+00:00")
    assert answer["definition"].startswith("The share of customers with two or more purchases")
    assert answer["position"] == told["ledger"]["head"]


def test_by_name_and_typed_it_is_the_same(shop: Api) -> None:
    window = {"since": "2026-01-01T00:00:00Z", "until": "2026-01-10T00:00:00Z"}
    query = """query ($since: DateTime, $until: DateTime, $params: JSON) {
        typed: repeatPurchaseRate(since: $since, until: $until) { version position rows { customers repeaters } }
        named: metric(name: "repeat_purchase_rate", params: $params) { version position rows } }"""

    told = shop.ask(query, window | {"params": window})

    assert told["typed"]["rows"] == [{"customers": 2, "repeaters": 0}]
    assert told["named"]["rows"] == [{"customers": 2, "repeaters": 0, "purchases": 2, "rate": 0.0}]
    assert told["typed"]["version"] == told["named"]["version"]


def test_an_answer_is_for_the_instant_asked_for(shop: Api) -> None:
    query = "query ($at: DateTime) { repeatPurchaseRate(at: $at) { rows { customers purchases } } }"

    assert shop.ask(query, {"at": "2026-01-02T00:00:00Z"})["repeatPurchaseRate"]["rows"] == [
        {"customers": 1, "purchases": 1}
    ]


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        ('name: "nothing"', "METRIC_UNKNOWN"),
        ('name: "repeat_purchase_rate", params: {sinze: 1}', "METRIC_BAD_PARAMETER"),
        ('name: "repeat_purchase_rate", params: {since: "yesterday"}', "METRIC_BAD_PARAMETER"),
        ('name: "repeat_purchase_rate", params: {since: "2026-01-01T00:00:00"}', "METRIC_BAD_PARAMETER"),
        ('name: "repeat_purchase_rate", params: [1]', "METRIC_BAD_PARAMETER"),
        ('name: "repeat_purchase_rate", params: "x"', "METRIC_BAD_PARAMETER"),
        ('name: "retention_by_handling", params: {window_days: 0}', "METRIC_BAD_PARAMETER"),
    ],
)
def test_a_parameter_that_does_not_fit_is_refused(shop: Api, arguments: str, code: str) -> None:
    assert shop.code(f"{{ metric({arguments}) {{ rows }} }}") == code


def test_a_typed_parameter_that_does_not_fit_is_refused(shop: Api) -> None:
    (error,) = shop.errors("{ retentionByHandling(windowDays: 0) { position } }")
    assert error["extensions"] == {"code": "METRIC_BAD_PARAMETER", "field": "windowDays"}
    assert error["message"] == "windowDays must be 1 or more."


def test_a_parameter_by_name_is_called_as_the_catalogue_lists_it(shop: Api) -> None:
    (error,) = shop.errors('{ metric(name: "retention_by_handling", params: {window_days: 0}) { position } }')
    assert error["extensions"] == {"code": "METRIC_BAD_PARAMETER", "field": "params"}
    assert error["message"] == "window_days must be 1 or more."
    (error,) = shop.errors('{ metric(name: "retention_by_handling", params: {windowDays: 1}) { position } }')
    assert error["message"] == "windowDays is no parameter of retention_by_handling; it has: window_days."


def test_enums_in_rows_are_named_as_everywhere(shop: Api) -> None:
    rows = shop.ask("{ retentionByHandling { rows { handling customers rate benchmark } } }")["retentionByHandling"][
        "rows"
    ]

    assert [row["handling"] for row in rows] == [
        "UNACKNOWLEDGED", "REGISTERED", "SETTLED", "SETTLED_IN_TIME", "NO_COMPLAINT"
    ]  # fmt: skip
    assert rows[0]["benchmark"] == 0.1


def test_every_metric_is_catalogued_with_its_parameters_and_figures(shop: Api) -> None:
    query = """{ metrics { name version definition reads
        parameters { name type description } figures { name type description } } }"""

    catalogue = {told["name"]: told for told in shop.ask(query, role=Role.AGENT)["metrics"]}

    assert set(catalogue) == set(metrics())
    told = catalogue["retention_by_handling"]
    assert told["reads"] == ["complaint_outcomes", "sales"]
    assert told["parameters"] == [
        {
            "name": "window_days",
            "type": "Int",
            "description": "H, the days after the complaint in which a purchase counts. At least 1. At most 3650.",
        }
    ]
    assert {"name": "handling", "type": "Handling!"}.items() <= told["figures"][0].items()


def test_every_metric_answers_or_says_which_parameter_it_needs(shop: Api) -> None:
    fill: dict[str, Any] = {
        "currency": "EUR",
        "since": "2026-01-01T00:00:00Z",
        "middle": "2026-02-01T00:00:00Z",
        "until": "2026-03-01T00:00:00Z",
    }
    for name, metric in metrics().items():
        needed = {field: value for field, value in fill.items() if field in metric.Params.__struct_fields__}

        told = shop.ask("query ($name: String!, $params: JSON) { metric(name: $name, params: $params) { name rows } }",
                        {"name": name, "params": needed})["metric"]  # fmt: skip

        assert told["name"] == name
        assert all(set(row) == set(metric.Row.__struct_fields__) for row in told["rows"])
        assert camel(name) in shop.ask("{ __schema { queryType { fields { name } } } }").__repr__()
