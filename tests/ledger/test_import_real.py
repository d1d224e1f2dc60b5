"""The real files: what pandas finds in them, the entries say too, to the penny."""

from collections.abc import Iterator
from typing import Any

import pytest
from psycopg import Connection, sql

from domain.purchase import Purchase
from ledger import database
from ledger.reading import ENVELOPE_SQL, copy_blocks, decoded_lines


@pytest.fixture
def entries(imported_url: str) -> Iterator[Connection[Any]]:
    """A connection to the ledger of both real files."""
    with database.connect(imported_url) as connection:
        yield connection


def one(entries: Connection[Any], query: str) -> Any:
    return entries.execute(query.encode()).fetchone()


def test_every_row_became_its_entries(entries: Connection[Any]) -> None:
    counts = dict(entries.execute("SELECT type, count(*) FROM ledger.entries GROUP BY type").fetchall())

    assert counts == {
        "Case.Opened": 3_186,
        "Case.Classified": 3_186,
        "Case.Referred": 3_186,
        "Case.Responded": 3_186,
        "Case.SolutionProposed": 3_089,
        "Case.SolutionRejected": 595,
        "Case.Closed": 2_534,
        "Remedy.Offered": 600,
        "Customer.Registered": 4_372,
        "Purchase.Recorded": 22_064,
        "Purchase.ReturnedUnmatched": 3_836,
    }
    assert one(entries, "SELECT count(*), max(position), min(position) FROM ledger.entries") == (49_834, 49_834, 1)
    assert entries.execute("SELECT source, rows_done, entries, rejected FROM ledger.imports ORDER BY 1").fetchall() == [
        ("cfpb", 3_186, 19_562, 0),
        ("online-retail", 541_909, 30_272, 0),
    ]


def test_the_sums_of_the_invoices_are_exact(entries: Connection[Any]) -> None:
    known = "SELECT count(*), count(DISTINCT customer_id), sum((data->>'total_minor')::bigint) FROM ledger.entries"
    known += " WHERE customer_id IS NOT NULL AND type = "

    assert one(entries, known + "'Purchase.Recorded'") == (18_536, 4_339, 891_140_790)
    invoices, customers, returned = one(entries, known + "'Purchase.ReturnedUnmatched'")
    assert (customers, returned) == (1_589, 61_134_209)
    assert 891_140_790 - returned == 830_006_581
    unknown = "SELECT count(*) FROM ledger.entries WHERE type LIKE 'Purchase.%' AND customer_id IS NULL"
    assert one(entries, unknown) == (25_900 - 18_536 - invoices,)
    lines = (
        "SELECT count(*), sum((l->>'amount_minor')::bigint) FROM ledger.entries, jsonb_array_elements(data->'lines') l"
    )
    assert one(entries, lines)[0] == 541_909
    totals = "SELECT sum((data->>'total_minor')::bigint) FROM ledger.entries WHERE type LIKE 'Purchase.%'"
    assert one(entries, lines)[1] == one(entries, totals)[0]


def test_odd_rows_are_kept_as_they_are(entries: Connection[Any]) -> None:
    exact = "SELECT count(*) FROM ledger.entries, jsonb_array_elements(data->'lines') l WHERE "

    assert one(entries, exact + "l->>'name' IS NULL") == (1_454,)
    assert one(entries, exact + "l->>'unit_price' ~ '\\.\\d{3}'") == (4,)
    negative = "type = 'Purchase.Recorded' AND (l->>'quantity')::int < 0 AND customer_id IS NULL"
    assert one(entries, exact + negative + " AND (l->>'amount_minor')::bigint = 0") == (1_336,)
    free = "type = 'Purchase.Recorded' AND (l->>'unit_price')::numeric = 0 AND customer_id IS NOT NULL"
    assert one(entries, exact + free) == (40,)
    assert one(entries, exact + "type = 'Purchase.ReturnedUnmatched' AND (l->>'quantity')::int > 0") == (9_288,)
    debts = "SELECT array_agg((data->>'total_minor')::bigint ORDER BY position) FROM ledger.entries"
    assert one(entries, debts + " WHERE data->>'reference' LIKE 'A%'") == ([1_106_206, -1_106_206, -1_106_206],)
    whole = "SELECT jsonb_array_length(data->'lines') FROM ledger.entries WHERE data->>'reference' = '542806'"
    assert entries.execute(whole.encode()).fetchall() == [(39,)], "another invoice stands between its lines"
    customer = "SELECT data FROM ledger.entries WHERE external_id = '17850/customer'"
    assert one(entries, customer)[0]["reference"] == "17850"


def test_every_answer_of_the_companies_is_recoverable(entries: Connection[Any]) -> None:
    responses = "SELECT data->>'response', count(*) FROM ledger.entries WHERE type = 'Case.Responded' GROUP BY 1"
    timely = "SELECT count(*) FROM ledger.entries WHERE type = 'Case.Responded' AND (data->>'timely')::bool"

    assert dict(entries.execute(responses.encode()).fetchall()) == {
        "explanation": 2_489,
        "non_monetary_relief": 384,
        "monetary_relief": 216,
        "closed": 68,
        "untimely": 26,
        "in_progress": 3,
    }
    assert one(entries, timely) == (3_093,)
    undecided = "SELECT count(*) FROM ledger.entries o WHERE type = 'Case.Opened' AND NOT EXISTS (SELECT FROM"
    undecided += " ledger.entries WHERE case_id = o.case_id AND type IN ('Case.SolutionRejected', 'Case.Closed'))"
    assert one(entries, undecided) == (57,)
    assert one(
        entries,
        "SELECT count(*), count(DISTINCT case_id), count(customer_id) FROM ledger.entries WHERE type = 'Case.Opened'",
    ) == (3_186, 3_186, 0)


def test_eighteen_of_eighty_issues_make_eighty_percent(entries: Connection[Any]) -> None:
    pareto = """
        SELECT count(*), count(*) FILTER (WHERE before < 0.8 * total) FROM (
            SELECT sum(many) OVER (ORDER BY many DESC, issue) - many AS before, sum(many) OVER () AS total FROM (
                SELECT data->>'subcategory' AS issue, count(*) AS many FROM ledger.entries
                 WHERE type = 'Case.Classified' GROUP BY 1) AS issues) AS ranked
    """

    assert one(entries, pareto) == (80, 18)


def test_dates_stand_as_they_are_told_also_where_the_second_is_before_the_first(entries: Connection[Any]) -> None:
    days = """
        SELECT min(r.occurred_at - o.occurred_at)::text, max(r.occurred_at - o.occurred_at)::text,
               min(o.occurred_at)::date::text, max(o.occurred_at)::date::text
          FROM ledger.entries o JOIN ledger.entries r USING (case_id)
         WHERE o.type = 'Case.Opened' AND r.type = 'Case.Referred'
    """

    assert one(entries, days) == ("-1 days", "292 days", "2013-06-04", "2017-02-23")


def test_every_entry_can_be_read_back_as_its_event(entries: Connection[Any]) -> None:
    blocks = copy_blocks(entries, ENVELOPE_SQL, sql.SQL("true"), 1, 49_834)

    events = [event for lines in blocks for event in decoded_lines(lines)]

    assert [event.position for event in events] == list(range(1, 49_835))
    recorded = [event for event in events if isinstance(event, Purchase.Recorded)]
    assert all(event.total_minor == sum(item.amount_minor for item in event.lines) for event in recorded)
