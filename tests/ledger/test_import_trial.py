"""A fault of a mapping is told once, before anything is imported; those of rows are told with the rows."""

import json
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.sources.faults import SourceError
from ledger.sources.trial import MISFITS_MIN, ROWS_MIN
from tests.ledger.importer import Importer, rejects

CALLS = """
source = "calls"
occurred_at = "at"
record.id = "n"

[customer]
reference = { column = "who", map = { a = "A", b = "B" } }

[[event]]
type = "Touchpoint.Recorded"
[event.fields]
purpose = "what"
channel = { constant = "phone" }
direction = { constant = "inbound" }
duration_s = "seconds"

[[event]]
type = "Case.Opened"
when.kind.blank = false
[event.fields]
kind = "kind"
channel = { constant = "phone" }
"""
HEADER = "n,at,who,what,seconds,kind\n"
GOOD, BAD = ",2026-01-01,a,x,5,\n", ",2026-01-01,a,x,5 s,\n"
MAPPING = r"^The mapping \S+/mapping.toml, "


def table(rows: Sequence[str]) -> str:
    """A file of rows, numbered."""
    return HEADER + "".join(f"{n}{row}" for n, row in enumerate(rows, 1))


def refused(importer: Importer, content: str, name: str = "rows.csv") -> str:
    """Why nothing is imported, without the name of the mapping; nothing is left of it."""
    with pytest.raises(SourceError, match=MAPPING) as wrong:
        importer(content, CALLS, name)
    assert importer.events() == []
    assert importer.connection.execute("SELECT count(*) FROM ledger.imports").fetchone() == (0,)
    assert not (importer.folder / "rejects").exists()
    return str(wrong.value).partition("mapping.toml, ")[2]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            BAD,
            "event 1 (Touchpoint.Recorded), fields.duration_s: it cannot be taken from 'seconds' in any of 20 records,"
            " the first because Touchpoint.Recorded: '5 s' is not a number;",
        ),
        (
            ",1.2.2026,a,x,5,\n",
            "occurred_at: it cannot be taken from 'at' in any of 20 records,"
            " the first because Touchpoint.Recorded: '1.2.2026' is not an ISO 8601 time;",
        ),
        (
            ",2999-01-01,a,x,5,\n",
            "occurred_at: it cannot be taken from 'at' in any of 20 records,"
            " the first because Touchpoint.Recorded: 2999-01-01 00:00:00+00:00 lies in the future;",
        ),
        (
            ",2026-01-01,c,x,5,\n",
            "customer, fields.reference: it cannot be taken from 'who' in any of 20 records,"
            " the first because 'c' is not in the map;",
        ),
        (
            ",2026-01-01,a,,5,\n",
            "event 1 (Touchpoint.Recorded), fields.purpose: it cannot be taken from 'what' in any of 20 records,"
            " the first because Touchpoint.Recorded: purpose is missing;",
        ),
    ],
)
def test_what_fits_no_record_is_told_once_with_the_column_and_those_there_are(
    row: str, said: str, importer: Importer
) -> None:
    told = refused(importer, table([row] * MISFITS_MIN))

    assert told == f"{said} nothing was imported. The file has n, at, who, what, seconds, kind."


def test_what_names_no_record_is_told_once(importer: Importer) -> None:
    told = refused(importer, HEADER + GOOD * MISFITS_MIN)

    assert told.startswith("record: it cannot be taken from 'n' in any of 20 records, the first because n is blank, so")


def test_an_event_that_never_fits_is_told_though_others_do(importer: Importer) -> None:
    told = refused(importer, table([GOOD] * 50 + [",2026-01-01,a,x,5,query\n"] * MISFITS_MIN))

    assert told.startswith(
        "event 2 (Case.Opened), fields.kind: it cannot be taken from 'kind' in any of 20 records, the first because"
        " Case.Opened: kind cannot be 'query';"
    )


def test_a_column_that_no_json_object_has_is_told_though_there_is_one_object(importer: Importer) -> None:
    told = refused(importer, json.dumps({"n": 1, "when": "2026-01-01", "what": "x"}), "rows.ndjson")

    assert told == (
        "occurred_at: it cannot be taken from 'at' in any of 1 records, the first because Touchpoint.Recorded: there is"
        " no time at which it happened; nothing was imported. The file has no column 'at'; it has n, what, when."
    )


def test_a_few_rows_that_do_not_fit_are_told_one_by_one(importer: Importer) -> None:
    summary = importer(table([BAD] * (MISFITS_MIN - 1)), CALLS)

    assert (summary.nothing_taken, summary.rejected_rows) == (True, MISFITS_MIN - 1)
    assert {row[1] for row in rejects(summary)[1:]} == {"Touchpoint.Recorded: '5 s' is not a number"}


@pytest.mark.parametrize("bad", [MISFITS_MIN, ROWS_MIN + 200])
def test_where_one_record_fits_in_the_end_the_others_are_told_one_by_one(bad: int, importer: Importer) -> None:
    summary = importer(table([BAD] * bad + [GOOD]), CALLS)

    assert (summary.rejected_rows, summary.entered) == (bad, {"Customer.Registered": 1, "Touchpoint.Recorded": 1})


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(fitting=st.lists(st.booleans(), min_size=1, max_size=2 * MISFITS_MIN), source=st.uuids())
def test_a_file_is_refused_if_and_only_if_nothing_of_many_rows_fits(
    fitting: list[bool], source: object, importer: Importer
) -> None:
    mapping = CALLS.replace('"calls"', f'"{source}"')
    content = table([GOOD if fits else BAD for fits in fitting])

    if not any(fitting) and len(fitting) >= MISFITS_MIN:
        with pytest.raises(SourceError, match=MAPPING):
            importer(content, mapping)
    else:
        assert importer(content, mapping).rejected_rows == fitting.count(False)
