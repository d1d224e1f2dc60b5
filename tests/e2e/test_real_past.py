"""The real files as of dates of the past: what had happened by then, as computed from the files cut at those dates."""

from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import product
from typing import Any

import pytest

from domain.vocabulary import Role
from projections.engine.cut import Cut
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.api.asking import Api, open_api
from tests.as_of_builds import make
from tests.real_figures import Complaint, Invoice, Office, Row, Shop, complaints, invoices

HEAD = 49_834
# Within a working day, so that a date cut wrongly by hours would show.
SHOP = [datetime(2011, month, day, 12, 0, 30, tzinfo=UTC) for month, day in ((2, 14), (7, 1), (12, 1))]
OFFICE = [
    datetime(year, month, day, 12, tzinfo=UTC) for year, month, day in ((2014, 3, 31), (2015, 10, 1), (2016, 9, 9))
]
QUARTERS = [datetime(2011, month, 1, tzinfo=UTC) for month in (1, 4, 7, 10)]


@pytest.fixture(scope="module")
def api(imported_url: str) -> Iterator[Api]:
    """The API over both imported files, with builds as of all but the first date, which is folded on demand.

    No read model stands: the past is asked of the ledger.
    """
    with open_api(imported_url, built=False) as opened:
        for until, model in product(SHOP[1:], (Sales, PurchaseBehaviour)):
            make(opened.url, model, Cut(HEAD, until))
        yield opened


@pytest.fixture(scope="module")
def sold(imported_url: str) -> list[Invoice]:
    return invoices()


@pytest.fixture(scope="module")
def complained(imported_url: str) -> list[Complaint]:
    return complaints()


def rows(api: Api, until: datetime, metric: str, columns: str, params: str = "") -> list[dict[str, Any]]:
    """The rows of a metric as of a business time, which is also the instant that the answer is for."""
    query = f"query ($asOf: AsOf) {{ {metric}(asOf: $asOf{params}) {{ position at rows {{ {columns} }} }} }}"
    answer = api.ask(query, {"asOf": {"occurredAt": until.isoformat()}}, role=Role.ANALYST)[metric]
    assert (answer["position"], datetime.fromisoformat(answer["at"])) == (HEAD, until)
    found: list[dict[str, Any]] = answer["rows"]
    return found


def asked(api: Api, until: datetime, metric: str, like: Row, params: str = "") -> dict[str, Any]:
    """The one row of a metric, of the columns that an expected one has."""
    [row] = rows(api, until, metric, " ".join(like), params)
    return row


@pytest.mark.parametrize("until", SHOP, ids=str)
def test_the_shop_by_then(api: Api, sold: list[Invoice], until: datetime) -> None:
    shop = Shop(sold, until)
    totals = list(shop.totals())

    assert rows(api, until, "salesTotals", " ".join(totals[0])) == totals
    assert asked(api, until, "repeatPurchaseRate", shop.repeaters()) == shop.repeaters()
    for net in (False, True):
        best = shop.pareto(net=net)
        assert asked(api, until, "paretoShare", best, f', currency: "GBP", net: {str(net).lower()}') == best
    cohorts = shop.cohorts()
    assert rows(api, until, "cohortRetention", " ".join(cohorts[0])) == cohorts
    # What a customer ever bought has no date of its own in its row: only the cut can leave out what came later.
    assert asked(api, until, "productBreadth", shop.breadth()) == shop.breadth()


@pytest.mark.parametrize("until", SHOP, ids=str)
def test_what_the_customers_of_one_quarter_brought_in_the_next_by_then(
    api: Api, sold: list[Invoice], until: datetime
) -> None:
    passed = [*(quarter for quarter in QUARTERS if quarter <= until), until][-3:]
    if len(passed) < 3:
        return
    since, middle, ends = passed
    kept = Shop(sold, until).retention(since, middle, ends)

    days = {"since": since, "middle": middle, "until": ends}
    params = "".join(f', {name}: "{day.isoformat()}"' for name, day in days.items())
    assert asked(api, until, "revenueRetention", kept, f', currency: "GBP"{params}') == kept


@pytest.mark.parametrize("until", OFFICE, ids=str)
def test_the_complaints_by_then(api: Api, complained: list[Complaint], until: datetime) -> None:
    office = Office(complained, until)
    scope, issues = office.scope(), office.issues()

    found = asked(api, until, "complaintScope", scope)
    assert found | {"lastAt": datetime.fromisoformat(found["lastAt"])} == scope
    assert rows(api, until, "issuePareto", " ".join(issues[0])) == issues
    assert asked(api, until, "referralDelay", office.delays()) == office.delays()
    together, *_ = rows(api, until, "complaintResponses", " ".join(office.responses()))
    assert together == office.responses()


def test_at_the_end_the_past_is_the_present(api: Api, sold: list[Invoice], complained: list[Complaint]) -> None:
    end = datetime(2017, 12, 31, tzinfo=UTC)

    assert Shop(sold, end).repeaters()["repeaters"] == 2_845
    assert Office(complained, end).responses()["timely"] == 3_093
    assert asked(api, end, "complaintScope", Office(complained, end).scope())["complaints"] == 3_186
