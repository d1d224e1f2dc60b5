"""Importing a file: what becomes an entry, what is turned away, and what again adds nothing."""

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from domain.vocabulary import LIST_MAX
from ledger.sources.faults import SourceError
from tests.ledger.importer import HEADER, SHOP, TOUCHES, Importer, rejects


def test_a_row_becomes_its_event_with_its_envelope(importer: Importer) -> None:
    summary = importer(HEADER + '7,2024-02-29 23:30,C1,王小明,"茶, 红",3,0.335\n')

    registered, bought = importer.events()
    assert (registered.type_name, registered.reference, registered.customer_id) == (
        "Customer.Registered",
        "C1",
        registered.stream_id,
    )
    assert importer.vault.open("name", registered.name) == "王小明"
    assert bought.type_name == "Purchase.Recorded"
    assert (bought.customer_id, bought.stream_version, bought.position) == (registered.stream_id, 1, 2)
    assert bought.occurred_at == datetime(2024, 2, 29, 15, 30, tzinfo=UTC)
    assert (bought.actor_kind, bought.actor_id, bought.source, bought.external_id) == ("import", "shop", "shop", "7/1")
    assert (bought.reference, bought.currency, bought.total_minor) == ("7", "CNY", 100)
    assert [(line.sku, line.quantity, line.amount_minor) for line in bought.lines] == [("茶, 红", 3, 100)]
    assert (summary.rows, summary.records, summary.known, summary.rejected_rows) == (1, 1, 0, 0)
    assert summary.entered == {"Customer.Registered": 1, "Purchase.Recorded": 1}
    assert summary.position == 2


def test_a_customer_is_registered_once_and_an_unknown_one_never(importer: Importer) -> None:
    summary = importer(
        HEADER
        + "1,2024-01-01,C1,Ada,a,1,1\n2,2024-01-02,,,a,1,1\n3,2024-01-03,C1,Ada L.,a,1,1\n4,2024-01-04, ,,a,1,1\n"
    )

    assert importer.told() == [
        ("Customer.Registered", 1, "C1/customer"),
        ("Purchase.Recorded", 1, "1/1"),
        ("Purchase.Recorded", 1, "2/1"),
        ("Purchase.Recorded", 1, "3/1"),
        ("Purchase.Recorded", 1, "4/1"),
    ]
    assert [event.customer_id is None for event in importer.events()] == [False, False, True, False, True]
    assert (summary.unknown_customer_records, summary.unknown_customer_rows) == (2, 2)


def test_importing_the_same_file_again_adds_nothing(importer: Importer) -> None:
    text = HEADER + "1,2024-01-01,C1,Ada,a,1,1\n2,2024-01-02,,,a,1,1\n"
    importer(text)
    before = importer.told()

    again = importer(text)

    assert importer.told() == before
    assert (again.rows, again.known, again.entered, again.rejected_rows) == (2, 3, {}, 0)


def test_a_longer_file_adds_what_is_new_in_it(importer: Importer) -> None:
    text = HEADER + "1,2024-01-01,C1,Ada,a,1,1\n"
    importer(text)

    longer = importer(text + "2,2024-01-02,C1,Ada,b,1,1\n")

    assert (longer.known, longer.entered) == (2, {"Purchase.Recorded": 1})
    assert [event.position for event in importer.events()] == [1, 2, 3]


def test_a_known_id_with_other_content_is_rejected_with_its_whole_record(importer: Importer) -> None:
    mapping = SHOP + '[[event]]\ntype = "Touchpoint.Recorded"\nwhen = { name = "Bob" }\n[event.fields]\n'
    mapping += 'purpose = "sku"\nchannel = { constant = "in_person" }\ndirection = { constant = "inbound" }\n'
    importer(HEADER + "1,2024-01-01,C1,Ada,a,1,1\n", mapping)

    again = importer(HEADER + "1,2024-01-01,C1,Bob,a,2,1\n2,2024-01-01,C1,Bob,a,1,1\n", mapping)

    assert importer.told()[2:] == [("Purchase.Recorded", 1, "2/1"), ("Touchpoint.Recorded", 1, "2/2")]
    assert again.rejected_rows == 1
    assert rejects(again)[1:] == [
        [
            "2",
            "it stands in the ledger already with other content; a correction needs an id of its own",
            *["1", "2024-01-01", "C1", "Bob", "a", "2", "1"],
        ]
    ]


def test_equal_rows_without_an_id_are_all_kept_and_known_again(importer: Importer) -> None:
    text = "at,customer,purpose\n" + "2024-01-01,C1,question\n" * 3 + "2024-01-01,C1,order\n"
    first = importer(text, TOUCHES)

    again = importer("purpose,at,customer\n" + "question,2024-01-01,C1\n" * 4, TOUCHES, "other.csv")

    assert first.entered == {"Customer.Registered": 1, "Touchpoint.Recorded": 4}
    assert (again.known, again.entered) == (4, {"Touchpoint.Recorded": 1})
    names = [event.external_id for event in importer.events()]
    assert len(set(names)) == 6


def test_rows_that_cannot_be_taken_are_told_and_stop_nothing(importer: Importer) -> None:
    good = "9,2024-01-01,,,tea,1,1\n"
    summary = importer(
        HEADER
        + "1,yesterday,,,tea,1,1\n"
        + "2,2024-01-01,,,tea,1.5,1\n"
        + "3,2024-01-01,,,tea,one,1\n"
        + "4,2024-01-01,,,,1,1\n"
        + ",2024-01-01,,,tea,1,1\n"
        + "6,2024-01-01,,,tea,1\n"
        + '7,2024-01-01,,,"tea"x,1,1\n'
        + "8,2999-01-01,,,tea,1,1\n"
        + f"10,2024-01-01,,,{'x' * 201},1,1\n"
        + "11,2024-01-01,,,t\0a,1,1\n"
        + "12,2024-01-01,,,tea,1,1e99\n"
        + "\n"
        + good
    )

    assert importer.told() == [("Purchase.Recorded", 1, "9/1")]
    assert (summary.rows, summary.rejected_rows, summary.nothing_taken) == (12, 11, False)
    header, *rows = rejects(summary)
    assert header == ["daybook_line", "daybook_reason", *HEADER.strip().split(",")]
    assert [(row[0], row[1]) for row in rows] == [
        ("2", "Purchase.Recorded: 'yesterday' is not an ISO 8601 time"),
        ("3", "Purchase.Recorded: '1.5' is not a whole number"),
        ("4", "Purchase.Recorded: 'one' is not a number"),
        ("5", "Purchase.Recorded: lines 1.sku is missing"),
        ("6", "order is blank, so it has no id"),
        ("7", "6 values where the header has 7"),
        ("8", "not well-formed CSV: ',' expected after '\"'"),
        ("9", "Purchase.Recorded: 2998-12-31 16:00:00+00:00 lies in the future"),
        ("10", "Purchase.Recorded: lines 1.sku must have at most 200 characters"),
        ("11", "it holds a NUL character"),
        ("12", "Purchase.Recorded: lines 1.amount_minor must be 9007199254740992 or less"),
    ]
    assert rows[0][2:] == ["1", "yesterday", "", "", "tea", "1", "1"]
    assert rows[5][2:] == ["6,2024-01-01,,,tea,1"]


@pytest.mark.parametrize("blank", [" ", "\u3000", "\t"])
def test_a_blank_value_is_none_at_all(importer: Importer, blank: str) -> None:
    summary = importer(
        HEADER
        + f"1,2024-01-01,a,{blank},tea,1,1\n"
        + f"2,2024-01-01,{blank},x,tea,1,1\n"
        + f"3,2024-01-01,,,{blank},1,1\n"
        + f"{blank},2024-01-01,,,tea,1,1\n"
    )

    assert importer.told() == [
        ("Customer.Registered", 1, "a/customer"),
        ("Purchase.Recorded", 1, "1/1"),
        ("Purchase.Recorded", 1, "2/1"),
    ]
    registered, _, unnamed = importer.events()
    assert (registered.payload()["name"], unnamed.customer_id) == (None, None)
    _, *rows = rejects(summary)
    assert [row[1] for row in rows] == [
        "Purchase.Recorded: lines 1.sku is missing",
        "order is blank, so it has no id",
    ]


def test_a_reject_file_is_its_owners_alone_to_read_whatever_was_there(importer: Importer) -> None:
    rows = f"{HEADER}1,2024-01-01,C1,王小明,tea,one,1.00\n"
    written = Path(importer(rows).reject_file or "")
    assert stat.filemode(written.stat().st_mode) == "-rw-------"

    written.chmod(0o644)

    assert importer(rows).reject_file == str(written)
    assert stat.filemode(written.stat().st_mode) == "-rw-------"


def test_a_corrected_reject_file_can_be_imported_as_it_is(importer: Importer) -> None:
    summary = importer(HEADER + "1,yesterday,C1,Ada,tea,1,1\n2,2024-01-01,C1,Ada,tea,1,1\n")
    path = Path(summary.reject_file or "")
    path.write_text(path.read_text("utf-8").replace(",yesterday,", ",2024-01-01,"), "utf-8")

    corrected = importer.file(path, SHOP)

    assert (corrected.entered, corrected.rejected_rows) == ({"Purchase.Recorded": 1}, 0)
    assert importer.told()[-1] == ("Purchase.Recorded", 1, "1/1")


def test_our_columns_of_a_reject_file_are_no_part_of_what_a_row_is_known_by(importer: Importer) -> None:
    importer("at,customer,purpose\n2024-01-01,C1,question\n", TOUCHES)

    again = importer(
        "daybook_line,daybook_reason,at,customer,purpose\n7,why,2024-01-01,C1,question\n", TOUCHES, "r.csv"
    )

    assert (again.known, again.entered) == (2, {})


def test_when_every_row_is_rejected_the_summary_says_so(importer: Importer) -> None:
    summary = importer(HEADER + "1,never,C1,Ada,a,1,1\n2,never,C2,Bob,a,1,1\n")

    assert summary.nothing_taken
    assert (summary.records, summary.rejected_rows, summary.position) == (0, 2, 0)
    assert importer.told() == []


def test_a_file_with_a_header_alone_is_no_error(importer: Importer) -> None:
    summary = importer(HEADER)

    assert (summary.rows, summary.nothing_taken, summary.reject_file) == (0, False, None)


def test_rows_that_no_event_is_for_are_counted(importer: Importer) -> None:
    only_tea = SHOP.replace('type = "Purchase.Recorded"', 'type = "Purchase.Recorded"\nwhen = { sku = "tea" }')

    summary = importer(HEADER + "1,2024-01-01,C1,Ada,tea,1,1\n2,2024-01-01,C2,Bob,milk,1,1\n", only_tea)

    assert importer.told() == [("Customer.Registered", 1, "C1/customer"), ("Purchase.Recorded", 1, "1/1")]
    assert (summary.records, summary.without_event_rows) == (1, 1)


def test_events_of_one_thing_stand_in_one_stream_in_order_of_the_file(importer: Importer) -> None:
    mapping = """
source = "desk"
occurred_at = "at"
record.id = "n"
[[event]]
type = "Case.Opened"
when = { what = "opened" }
stream = "case"
[event.fields]
kind = { constant = "complaint" }
channel = "how"
[[event]]
type = "Case.Acknowledged"
when = { what = { is_not = ["opened", "offered"] } }
stream = "case"
fields.channel = "how"
[[event]]
type = "Remedy.Offered"
when = { what = "offered" }
case = "case"
[event.fields]
kind = { constant = "voucher" }
currency = { constant = "KWD" }
amount_minor = { money = "worth", currency = { constant = "KWD" } }
"""
    head = "n,case,what,how,at,worth\n"
    importer(head + "1,A,opened,phone,2024-01-01,\n2,B,opened,email,2024-01-02,\n", mapping)

    importer(head + "3,A,acknowledged,phone,2024-01-03,\n4,A,offered,,2024-01-04,1.2345\n", mapping, "next.csv")

    opened, other, acknowledged, offered = importer.events()
    assert acknowledged.stream_id == opened.stream_id == opened.case_id == acknowledged.case_id == offered.case_id
    assert [event.stream_version for event in (opened, other, acknowledged, offered)] == [1, 1, 2, 1]
    assert (offered.amount_minor, offered.customer_id) == (1234, None), "1234.5 fils, half to even"


def test_sources_of_one_system_share_its_customers_and_cases_and_others_do_not(importer: Importer) -> None:
    tickets = """
source = "tickets"
system = "shop"
occurred_at = "at"
record.id = "n"
customer.reference = "who"
[[event]]
type = "Case.Opened"
stream = "n"
fields.kind = { constant = "request" }
fields.channel = { constant = "email" }
"""
    calls = TOUCHES.replace('"touches"', '"calls"\nsystem = "shop"').replace("Recorded", 'Recorded"\ncase = "ticket', 1)
    importer(HEADER + "1,2024-01-01,C1,Ada,a,1,1\n")

    importer("n,at,who\n1,2024-01-02,C1\n", tickets, "tickets.csv")
    importer("at,customer,purpose,ticket\n2024-01-03,C1,where is it,1\n2024-01-04,C1,thanks,\n", calls, "calls.csv")
    others = calls.replace('"calls"', '"other calls"').replace('"shop"', '"other"')
    importer("at,customer,purpose,ticket\n2024-01-03,C1,where is it,1\n", others, "others.csv")

    customer, _, case, call, thanks, stranger, foreign = importer.events()
    assert (customer.source, customer.external_id) == ("shop", "C1/customer")
    assert {case.customer_id, call.customer_id, thanks.customer_id} == {customer.stream_id}
    assert (call.case_id, thanks.case_id) == (case.stream_id, None)
    assert stranger.type_name == "Customer.Registered"
    assert (foreign.customer_id != customer.stream_id, foreign.case_id != case.stream_id) == (True, True)


def test_personal_texts_are_sealed_and_a_change_of_one_is_a_clash(importer: Importer) -> None:
    mapping = TOUCHES.replace('purpose = "purpose"', 'purpose = "purpose"\nsummary = "said"') + "\n[record]\nid = 'n'"
    head = "n,at,customer,purpose,said\n"
    importer(head + "1,2024-01-01,C1,question,我的电话是 5550123\n", mapping)

    same = importer(head + "1,2024-01-01,C1,question,我的电话是 5550123\n" * 2, mapping, "same.csv")
    other = importer(head + "1,2024-01-01,C1,question,我的电话是 5550124\n", mapping, "other.csv")

    (entry,) = (event for event in importer.events() if event.type_name == "Touchpoint.Recorded")
    assert "5550123" not in entry.summary
    assert importer.vault.open("summary", entry.summary) == "我的电话是 5550123"
    assert (same.known, same.rejected_rows) == (3, 0)
    assert (other.entered, other.rejected_rows) == ({}, 1)


def test_nothing_more_is_taken_in_the_name_of_an_erased_customer(importer: Importer, url: str) -> None:
    from ledger import database

    text = HEADER + "1,2024-01-01,C1,Ada,a,1,1\n"
    mapping = SHOP + '[[event]]\ntype = "Customer.ContactPointAdded"\n[event.fields]\ncontact = "order"\n'
    mapping += 'kind = { constant = "phone" }\nvalue = "price"\n'
    importer(text, mapping)
    with database.connect(url) as admin:
        admin.execute("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now()")
    importer.vault._keys.clear()

    later = importer(text + "2,2024-01-02,C1,Ada,a,1,1\n3,2024-01-02,C2,Bob,a,1,1\n", mapping, "later.csv")

    assert later.entered == {"Customer.Registered": 1, "Purchase.Recorded": 1, "Customer.ContactPointAdded": 1}
    assert [row[:2] for row in rejects(later)[1:]] == [
        ["2", "its customer was erased; nothing more can be recorded in their name"],
        ["3", "its customer was erased; nothing more can be recorded in their name"],
    ]


def test_a_list_that_is_too_long_is_rejected_with_all_its_rows(importer: Importer) -> None:
    grouped = SHOP.replace('record.id = "order"', 'record.group_by = "order"')
    summary = importer(HEADER + "1,2024-01-01,,,a,1,1\n" * (LIST_MAX + 1) + "2,2024-01-01,,,a,1,1\n", grouped)

    assert importer.told() == [("Purchase.Recorded", 1, "2/1")]
    assert summary.rejected_rows == LIST_MAX + 1
    assert rejects(summary)[1][1] == "Purchase.Recorded: lines must have at most 2000 items"


@pytest.mark.parametrize("content", ["", "\n1,2\n"])
def test_a_file_without_a_header_is_one_sentence(importer: Importer, content: str) -> None:
    with pytest.raises(SourceError, match=r"^rows\.csv (is empty\.|begins with an empty line, not a header\.)$"):
        importer(content)
