"""Rows that belong together are one record, also when a few others come between."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ledger.sources import records
from ledger.sources.files.row import Row
from ledger.sources.mapping import EventForm, Mapping, NamedMapping, RecordForm
from ledger.sources.records import GROUP_WINDOW, Grouping, Record, Unusable
from ledger.sources.values import Table
from tests.ledger.importer import HEADER, SHOP, Importer, rejects

GROUPED = SHOP.replace('record.id = "order"', 'record.group_by = "order"')


def line(order: str, sku: str, price: str = "1") -> str:
    return f"{order},2024-01-01,C1,,{sku},1,{price}\n"


def grouping() -> Grouping:
    mapping = Mapping(source="s", record=RecordForm(group_by="k"), event=[EventForm(type="Purchase.Recorded")])
    return Grouping(Table(NamedMapping(name="m", text=b"", mapping=mapping), {"k": 0}))


def keys(rows: str, window: int) -> list[tuple[str, list[int]]]:
    """The groups that come of rows of one letter each: their letters and the numbers of their rows."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(records, "GROUP_WINDOW", window)
        items = list(grouping().items(Row(n, [letter]) for n, letter in enumerate(rows)))
    return [(item.key, [row.line for row in item.rows]) for item in items if isinstance(item, Record)]


def test_the_rows_of_an_invoice_are_one_purchase_with_lines(importer: Importer) -> None:
    summary = importer(HEADER + line("1", "a") + line("1", "b", "0.5") + line("2", "c"), GROUPED)

    first, second = importer.events()[1:]
    assert [item.sku for item in first.lines] == ["a", "b"]
    assert (first.total_minor, second.total_minor) == (150, 100)
    assert (summary.rows, summary.records) == (3, 2)


def test_an_invoice_that_is_interrupted_is_still_one(importer: Importer) -> None:
    importer(HEADER + line("1", "a") + line("2", "x") + line("1", "b") + line("2", "y"), GROUPED)

    assert [[item.sku for item in event.lines] for event in importer.events()[1:]] == [["a", "b"], ["x", "y"]]
    assert [event.reference for event in importer.events()[1:]] == ["1", "2"], "in the order of their first rows"


def test_an_invoice_that_took_two_minutes_happened_in_the_first(importer: Importer) -> None:
    importer(HEADER + "1,2024-01-01 09:59,C1,,a,1,1\n1,2024-01-01 10:00,C1,,b,1,1\n", GROUPED)

    assert [event.occurred_at.isoformat() for event in importer.events()] == ["2024-01-01T01:59:00+00:00"] * 2


def test_groups_stay_open_for_the_window_and_no_longer() -> None:
    assert keys("abbba", window=3) == [("a", [0, 4]), ("b", [1, 2, 3])]
    assert keys("abbbba", window=3) == [("a", [0]), ("b", [1, 2, 3, 4]), ("a", [5])]
    assert keys("abab" + "c" * 5, window=2) == [("a", [0, 2]), ("b", [1, 3]), ("c", [4, 5, 6, 7, 8])]


def test_a_group_that_goes_on_does_not_hold_up_the_others_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "HELD_ROWS_MAX", 6)

    assert keys("abacadaeaf", window=3)[0] == ("a", [0, 2, 4, 6])


def test_rows_that_come_after_their_group_are_rejected_and_say_what_to_do(importer: Importer) -> None:
    far = "".join(line("2", f"s{n}") for n in range(GROUP_WINDOW + 1))

    summary = importer(HEADER + line("1", "a") + far + line("1", "b"), GROUPED)

    assert [len(event.lines) for event in importer.events()[1:]] == [1, GROUP_WINDOW + 1]
    assert summary.rejected_rows == 1
    assert rejects(summary)[1][:3] == [
        str(GROUP_WINDOW + 4),
        f"1 came before, more than {GROUP_WINDOW} rows ago; sort the file by order",
        "1",
    ]


def test_a_late_row_is_rejected_also_when_it_equals_the_first(importer: Importer) -> None:
    far = "".join(line("2", "x") for _ in range(GROUP_WINDOW + 1))

    summary = importer(HEADER + line("1", "a") + far + line("1", "a"), GROUPED)

    assert (summary.known, summary.rejected_rows) == (0, 1)


def test_a_group_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "GROUP_ROWS_MAX", 2)

    items = list(grouping().items(Row(n, ["a"]) for n in range(4)))

    assert [(type(item), len(item.rows)) for item in items] == [(Unusable, 1), (Unusable, 1), (Record, 2)]


def test_a_bad_line_rejects_its_invoice_and_no_other(importer: Importer) -> None:
    text = HEADER + line("1", "a") + line("2", "b") + line("1", "c", "free") + line(" ", "d")

    summary = importer(text, GROUPED)

    assert [event.reference for event in importer.events()[1:]] == ["2"]
    reason = "Purchase.Recorded: row 2 of the record: 'free' is not a number"
    assert [row[:2] for row in rejects(summary)[1:]] == [
        ["2", reason],
        ["4", reason],
        ["5", "order is blank, so it belongs to no record"],
    ]


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.text("abcd", max_size=40), window=st.integers(1, 8))
def test_every_row_is_in_one_group_of_its_own_kind_in_order(rows: str, window: int) -> None:
    groups = keys(rows, window)

    assert sorted(n for _, numbers in groups for n in numbers) == list(range(len(rows)))
    assert all({rows[n] for n in numbers} == {key} and numbers == sorted(numbers) for key, numbers in groups)
    firsts = [numbers[0] for _, numbers in groups]
    assert firsts == sorted(firsts)
    for n, (key, numbers) in enumerate(groups):
        later = [others[0] for other, others in groups[n + 1 :] if other == key]
        assert all(first > numbers[-1] + window + 1 for first in later), "a group is parted only outside the window"
