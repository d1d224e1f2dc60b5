"""A mapping that does not fit is one sentence that names the file and the key."""

from decimal import Decimal
from pathlib import Path
from uuid import UUID, uuid5

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.sources.drafting import named_id
from ledger.sources.faults import SourceError, Unfit
from ledger.sources.importing import wanted_columns
from ledger.sources.mapping import NamedMapping, read, shipped
from ledger.sources.money import integer, minor, number
from tests.ledger.importer import SHOP, Importer

EVENT = "event 1 (Purchase.Recorded)"
TOUCH = """
source = "s"
occurred_at = "at"
[[event]]
type = "Touchpoint.Recorded"
[event.fields]
purpose = "p"
channel = { constant = "phone" }
direction = { constant = "inbound" }
"""


def read_text(folder: Path, text: str) -> NamedMapping:
    path = folder / "mapping.toml"
    path.write_text(text, "utf-8")
    return read(str(path))


def test_the_shipped_mappings_fit_the_catalogue() -> None:
    assert shipped() == ["cfpb", "online-retail"]
    assert set(wanted_columns(read("online-retail"))) == {
        *("InvoiceNo", "StockCode", "Description", "Quantity", "InvoiceDate", "UnitPrice", "CustomerID", "Country"),
    }
    assert len(wanted_columns(read("cfpb"))) == 9


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('source = "shop"', "", ", source: it is missing."),
        ('source = "shop"', 'source = " "', ", source: it is blank; name where the facts come from."),
        ('source = "shop"', 'source = "shop"\nsauce = 1', ", sauce: there is no such key; did you mean source?"),
        ('record.id = "order"', "record.id = 7", ", record.id: it must be text or a list, not a whole number."),
        ('sku = "sku"', "", f", {EVENT}, fields.lines: the field sku is required; say where it comes from."),
        ('sku = "sku"', 'sku = "sku"\nskew = "sku"', f", {EVENT}, fields.lines, fields.skew: there is no such field;"),
        ("Purchase.Recorded", "Purchase.Recored", "there is no such event to import; did you mean Purchase.Recorded?"),
        ("Purchase.Recorded", "Policy.TierRulePublished", "there is no such event to import;"),
        ("Purchase.Recorded", "Customer.Erased", "there is no such event to import;"),
        ("Purchase.Recorded", "Customer.Registered", "a customer is registered by [customer]; put its fields under"),
        ('occurred_at = { column = "at", timezone = "Asia/Shanghai" }', "", "say occurred_at here, or for the whole"),
        (
            "Asia/Shanghai",
            "Asia/Atlantis",
            f", {EVENT}, occurred_at: there is no time zone 'Asia/Atlantis'; Europe/London is one.",
        ),
        ('currency = { constant = "CNY" }', "", f", {EVENT}: the field currency is required; say where it comes from."),
        ('"CNY"', '"yuan"', f", {EVENT}, fields.currency: 'yuan' does not fit: it must match ^[A-Z]{{3}}$."),
        ('quantity = "quantity"', 'quantity = { column = "q", constant = 1 }', "say one of column, columns, constant,"),
        ('quantity = "quantity"', "quantity = { negate = true }", "say one of column, columns, constant, money, rows,"),
        (
            'quantity = "quantity"',
            'quantity = { constant = "two" }',
            "'two' does not fit: it must be a whole number, not text.",
        ),
        ('quantity = "quantity"', 'quantity = { column = "q", times = "n" }', "times does not go with column."),
        ('quantity = "quantity"', 'quantity = { column = "q", whole = true }', "whole does not go with a field of"),
        ('sku = "sku"', 'sku = { money = "sku" }', "money goes into a field in minor units, a whole number."),
        ('sku = "sku"', "sku = { sum = 'lines.quantity' }", "sum is for the fields of an event only."),
        ("lines.amount_minor", "lines.sku", "'lines.sku' is no number of a list filled by rows; write it as"),
        (
            'reference = "order"',
            'reference = { rows = { a = "b" } }',
            "rows goes into a field that is a list of lines.",
        ),
        (
            'reference = "order"',
            'reference = { sum = "lines.quantity" }',
            "sum goes into a field that is a whole number",
        ),
        (
            'fields.name = "name"',
            'fields.nome = "name"',
            ", customer, fields.nome: there is no such field; did you mean",
        ),
        ("[customer]", "[file]\nencoding='utf-99'\n[customer]", ", file.encoding: utf-99 is no known encoding;"),
        ("[customer]", "[file]\ndelimiter='||'\n[customer]", ", file.delimiter: it is one character."),
        (
            "[[event]]",
            "[[event]]\nwhen = { sku = {} }",
            f", {EVENT}, when.sku: say what the column must be: is, is_not,",
        ),
        ("source", "source = [", "mapping.toml is not TOML: "),
    ],
)
def test_a_wrong_mapping_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in SHOP

    with pytest.raises(SourceError) as wrong:
        wanted_columns(read_text(tmp_path, SHOP.replace(old, new, 1)))

    assert str(wrong.value).startswith(f"The mapping {tmp_path}/mapping.toml")
    assert sentence in str(wrong.value)
    assert "\n" not in str(wrong.value)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ('"phone"', '"telephone"', "'telephone' does not fit: it must be one of phone, email, web_form,"),
        ('purpose = "p"', 'purpose = { constant = " " }', "fields.purpose: it is blank; write a value, or leave the"),
        (
            'purpose = "p"',
            'purpose = { column = "p", map = { a = "" } }',
            "fields.purpose.map: it is blank; write a value,",
        ),
        ('{ constant = "phone" }', '{ column = "c", map = { a = "fon" } }', "fields.channel.map: 'fon' does not fit:"),
        (
            'type = "Touch',
            'case = true\ncustomer = false\nwhen.p.was = "x"\ntype = "Touch',
            ", event[0].when[...].was: there is no such key;",
        ),
        (
            'purpose = "p"',
            'purpose = "p"\nautomated = { column = "a", format = "%d" }',
            "format does not go with a field",
        ),
        ('"Touchpoint.Recorded"', '"Customer.ContactPointAdded"', "it is about a customer; say in [customer] which"),
    ],
)
def test_a_wrong_value_is_one_sentence(tmp_path: Path, old: str, new: str, sentence: str) -> None:
    assert old in TOUCH

    with pytest.raises(SourceError) as wrong:
        wanted_columns(read_text(tmp_path, TOUCH.replace(old, new, 1)))

    assert sentence in str(wrong.value)


def test_a_mapping_that_is_not_there_is_one_sentence() -> None:
    with pytest.raises(SourceError, match=r"^There is no mapping crm; name one of cfpb, online-retail, or a file"):
        read("crm")
    with pytest.raises(SourceError, match=r"^The mapping crm\.toml cannot be read: No such file or directory\.$"):
        read("crm.toml")


def test_values_are_joined_mapped_and_read_by_their_formats(importer: Importer) -> None:
    mapping = """
source = "s"
record.id = ["a", "b"]
occurred_at = { columns = ["day", "hour"], format = "%d.%m.%Y %H:%M", timezone = "America/New_York" }
[[event]]
type = "Touchpoint.Recorded"
[event.fields]
purpose = { columns = ["a", "blank", "b"], join = "/" }
channel = { column = "c", map = { tel = "phone" }, otherwise = "letter" }
direction = { constant = "outbound" }
automated = "auto"
agent_id = { column = "agent", whole = true }
duration_s = { column = "minus", negate = true }
"""
    importer("a,b,blank,day,hour,c,auto,agent,minus\nx|y,z,,4.7.2023,08:15,fax,Yes,17850.0,-60.0\n", mapping)

    (event,) = importer.events()
    assert (event.purpose, event.channel, event.automated, event.agent_id, event.duration_s) == (
        *("x|y/z", "letter", True, "17850", 60),
    )
    assert event.occurred_at.isoformat() == "2023-07-04T12:15:00+00:00"
    assert event.external_id == "x%7Cy|z/1"


@given(price=st.decimals(-(10**9), 10**9, places=4), quantity=st.integers(-(10**6), 10**6))
def test_money_is_exact_and_rounded_half_to_even(price: Decimal, quantity: int) -> None:
    rounded = minor(price, Decimal(quantity), "GBP")

    exact = price * quantity * 100
    assert abs(exact - rounded) <= Decimal("0.5")
    assert abs(exact - rounded) < Decimal("0.5") or rounded % 2 == 0


def test_minor_units_follow_the_currency() -> None:
    amounts = {currency: minor(Decimal("1.2345"), Decimal(1), currency) for currency in ("JPY", "EUR", "KWD", "CLF")}

    assert amounts == {"JPY": 1, "EUR": 123, "KWD": 1234, "CLF": 12345}


@pytest.mark.parametrize("text", ["", "one", "1,5", "1_000", "0x10", "NaN", "inf", "1e999", "9" * 41, "١٢"])
def test_what_is_no_number_is_unfit(text: str) -> None:
    with pytest.raises(Unfit):
        number(text)


@pytest.mark.parametrize(("text", "value"), [("6", 6), ("6.0", 6), ("-6.00", -6), ("+1e3", 1000), (" 7 ", 7)])
def test_a_whole_number_may_have_decimals_of_zero(text: str, value: int) -> None:
    assert integer(text) == value


@given(namespace=st.uuids(), name=st.text(st.characters(exclude_categories=["Cs"])))
def test_a_named_id_is_the_uuid_of_version_five(namespace: UUID, name: str) -> None:
    assert named_id(namespace, name) == uuid5(namespace, name)
