"""What files can be read, and what is said of those that cannot."""

import csv
import gzip
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from ledger.sources.faults import SourceError
from ledger.sources.files.opening import Format, format_of
from ledger.sources.files.row import as_text
from tests.ledger.importer import HEADER, SHOP, TOUCHES, Importer, rejects

ROWS: list[dict[str, Any]] = [
    {"order": 1, "at": "2024-01-01 08:00:00", "customer": "客户", "name": 'a "b", c', "sku": "é\nè", "quantity": 2},
    {"order": 2, "at": "2024-01-02 08:00:00", "customer": None, "name": None, "sku": "عربي", "quantity": 1},
]
PRICES = [Decimal("0.335"), Decimal("19.90")]
TABLE = [row | {"price": price} for row, price in zip(ROWS, PRICES, strict=True)]


def as_csv(delimiter: str = ",") -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, list(TABLE[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(TABLE)
    return text.getvalue().encode()


def as_ndjson() -> bytes:
    return b"\n".join(
        json.dumps(row, ensure_ascii=False, default=float).encode().replace(b"19.9}", b"19.90}") for row in TABLE
    )


def as_parquet() -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(TABLE), buffer)
    return buffer.getvalue()


def packed(content: bytes) -> bytes:
    """Gzipped without the time, which would make the tests' names differ between workers."""
    return gzip.compress(content, mtime=0)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rows.csv.gz", packed(as_csv())),
        ("rows.tsv", as_csv("\t")),
        ("bom.csv", b"\xef\xbb\xbf" + as_csv()),
        ("rows.ndjson", as_ndjson()),
        ("rows.jsonl.gz", packed(b"\xef\xbb\xbf" + as_ndjson())),
        ("rows.parquet", as_parquet()),
        ("rows.pq.gz", packed(as_parquet())),
    ],
)
def test_one_table_gives_the_same_entries_in_every_format(importer: Importer, name: str, content: bytes) -> None:
    importer(as_csv())
    assert [event.type_name for event in importer.events()] == [
        "Customer.Registered",
        "Purchase.Recorded",
        "Purchase.Recorded",
    ]
    assert [event.total_minor for event in importer.events()[1:]] == [67, 1990]

    again = importer(content, name=name)

    assert (again.rows, again.known, again.entered, again.rejected_rows) == (2, 3, {}, 0)


@pytest.mark.parametrize("name", ["rows.csv", "rows.ndjson", "rows.parquet"])
def test_a_row_without_an_id_is_the_same_in_every_format(importer: Importer, name: str) -> None:
    rows = [{"n": 1.5, "at": "2024-01-01", "customer": "C", "purpose": "a", "none": None, "yes": True}] * 2
    table = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), table)
    contents = {
        "rows.csv": b"none,yes,n,at,customer,purpose\n" + b",true,1.5,2024-01-01,C,a\n" * 2,
        "rows.ndjson": b"\n".join(json.dumps(row).encode() for row in rows),
        "rows.parquet": table.getvalue(),
    }
    importer(contents["rows.csv"], TOUCHES)

    again = importer(contents[name], TOUCHES, name)

    assert (again.known, again.entered) == (3, {})


def test_the_format_can_be_said_where_the_name_does_not_tell_it(importer: Importer) -> None:
    with pytest.raises(SourceError, match="does not tell the format; say --format csv, ndjson or parquet"):
        importer(as_csv(), name="export")

    assert importer(as_csv(), name="export", format=Format.CSV).records == 2
    assert format_of(Path("A.B.CSV.GZ")) is Format.CSV


def test_another_encoding_and_delimiter_can_be_said_in_the_mapping(importer: Importer) -> None:
    text = (HEADER + "1,2024-01-01,C1,Müller,Öl,1,1\n").replace(",", ";").encode("cp1252")

    importer(text, SHOP + '[file]\nencoding = "cp1252"\ndelimiter = ";"\n')

    assert importer.events()[1].lines[0].sku == "Öl"


def test_a_row_in_another_encoding_is_rejected_as_it_came(importer: Importer) -> None:
    text = HEADER.encode() + "1,2024-01-01,,,Öl,1,1\n".encode("latin-1") + "2,2024-01-01,,,Öl,1,1\n".encode()

    summary = importer(text)

    assert importer.events()[0].lines[0].sku == "Öl"
    assert Path(summary.reject_file or "").read_bytes().splitlines()[1].endswith("Öl,1,1".encode("latin-1"))
    assert (
        b"it holds bytes that are no characters; set encoding under [file]"
        in Path(summary.reject_file or "").read_bytes()
    )


def test_lines_that_are_no_json_objects_are_rejected_as_they_came(importer: Importer) -> None:
    good = '{"at":"2024-01-01","customer":"C1","purpose":"a"}'

    summary = importer(f'{good}\n{{"at":\n\n[1]\n{{"at":"2024-01-01"}}\n', TOUCHES, "rows.ndjson")

    assert (summary.records, summary.rejected_rows) == (1, 3)
    header, *rows = rejects(summary)
    assert header == ["daybook_line", "daybook_reason", "daybook_row"]
    assert [(row[0], row[2]) for row in rows] == [("2", '{"at":'), ("4", "[1]"), ("5", '{"at":"2024-01-01"}')]
    assert rows[2][1] == "Touchpoint.Recorded: purpose is missing"


@pytest.mark.parametrize(
    ("name", "content", "sentence"),
    [
        (
            "rows.csv",
            b"\xff\xfeo\x00r\x00",
            'rows.csv is not utf-8 text; set encoding = "…" under .file. in the mapping.',
        ),
        ("rows.csv", b"order,order\n", "The header of rows.csv names the column 'order' twice; rename one."),
        ("rows.csv", b'"order\n', "The header of rows.csv is not well-formed CSV: unexpected end of data."),
        ("rows.csv.gz", b"\x1f\x8b and then nonsense", "rows.csv.gz is damaged as a gzip file: .*; get it anew."),
        ("rows.csv.gz", packed(as_csv())[:-12], "rows.csv.gz is damaged as a gzip file: .*; get it anew."),
        ("rows.csv.gz", packed(b""), "rows.csv.gz is empty."),
        ("rows.ndjson", b"", "rows.ndjson is empty."),
        ("rows.parquet", b"", "rows.parquet is not a Parquet file: .*"),
        ("rows.parquet", as_parquet()[:-8], "rows.parquet is not a Parquet file: .*"),
        ("rows.csv", b"a,b\n1,2\n", "The mapping .*, record.id: the file has no column 'order'; it has a, b."),
        (
            "rows.csv",
            b"at;customer;order\n1;2;3\n",
            r"The mapping .*, record.id: the file has no column 'order'; it has at;customer;order\."
            r""" Where ';' is its delimiter, say delimiter = ";" under \[file\]\.""",
        ),
        (
            "rows.csv",
            HEADER.replace("price", "prize").encode(),
            r"The mapping .*, event 1 \(Purchase.Recorded\), fields.lines.amount_minor: the file has no column 'price';"
            r" did you mean 'prize'\? It has order, at, customer, name, sku, quantity, prize.",
        ),
    ],
)
def test_a_file_that_cannot_be_read_is_one_sentence_and_nothing_is_entered(
    importer: Importer, name: str, content: bytes, sentence: str
) -> None:
    with pytest.raises(SourceError, match=f"^{sentence}$"):
        importer(content, name=name)

    assert importer.events() == []


def test_a_missing_file_and_a_folder_are_one_sentence(importer: Importer) -> None:
    with pytest.raises(SourceError, match=r"nowhere\.csv cannot be opened: No such file or directory\.$"):
        importer.file(importer.folder / "nowhere.csv", SHOP)
    with pytest.raises(SourceError, match=r"cannot be opened: Is a directory\.$"):
        importer.file(importer.folder, SHOP, Format.CSV)


def test_values_print_as_they_would_in_csv() -> None:
    values = [None, "", "x", 7, 7.0, 1.5, True, Decimal("1E+2"), float("nan"), [1, "é"], {"a": None}]
    times = [datetime.fromisoformat("2024-01-02 03:04:05"), datetime(2024, 1, 2, tzinfo=UTC), date(2024, 1, 2)]

    assert [as_text(value) for value in values] == [
        *("", "", "x", "7", "7.0", "1.5", "true", "100", "", '[1,"é"]', '{"a":null}'),
    ]
    assert [as_text(time) for time in times] == ["2024-01-02 03:04:05", "2024-01-02 00:00:00+00:00", "2024-01-02"]


def test_a_quote_that_is_never_closed_costs_its_own_row_and_not_those_after_it(importer: Importer) -> None:
    rows = [f"{n},2024-01-01,,,tea,1,1\n" for n in range(1, 400)]
    rows[9] = '10,2024-01-01,,,"tea,1,1\n'
    rows[99] = '100,2024-01-01,,,"green ""tea""",1,1\n'
    rows[199] = '200,2024-01-01,,,te"a,1,1\n'
    rows[299] = '300,2024-01-01,,,"two\nlines",1,1\n'

    summary = importer((HEADER + "".join(rows)).encode())

    _, *rejected = rejects(summary)
    assert summary.rejected_rows == len(rejected) == 1
    assert rejected[0][0] == "11"
    assert rejected[0][2] == '10,2024-01-01,,,"tea,1,1'
    assert len(importer.events()) == 398
    skus = {event.lines[0].sku for event in importer.events()}
    assert skus == {"tea", 'green "tea"', 'te"a', "two\nlines"}
