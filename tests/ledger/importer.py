"""Imports small files and tells what came of them, for tests."""

import csv
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection, sql

from ledger.reading import decoded, line
from ledger.sources.files.opening import Format
from ledger.sources.importing import import_file
from ledger.sources.mapping import NamedMapping, read
from ledger.sources.run import Means, Summary
from ledger.vault import Vault

SHOP = """
source = "shop"
occurred_at = { column = "at", timezone = "Asia/Shanghai" }
currency = { constant = "CNY" }
record.id = "order"

[customer]
reference = "customer"
fields.name = "name"

[[event]]
type = "Purchase.Recorded"

[event.fields]
reference = "order"
total_minor = { sum = "lines.amount_minor" }

[event.fields.lines.rows]
sku = "sku"
quantity = "quantity"
amount_minor = { money = "price", times = "quantity" }
"""
HEADER = "order,at,customer,name,sku,quantity,price\n"

TOUCHES = """
source = "touches"
occurred_at = "at"
customer.reference = "customer"

[[event]]
type = "Touchpoint.Recorded"

[event.fields]
channel = { constant = "phone" }
direction = { constant = "inbound" }
purpose = "purpose"
"""


class Importer(NamedTuple):
    """Imports texts as files."""

    connection: Connection[Any]
    vault: Vault
    folder: Path

    def mapping(self, text: str) -> NamedMapping:
        """A mapping of that text."""
        path = self.folder / "mapping.toml"
        path.write_text(text, "utf-8")
        return read(str(path))

    def __call__(
        self, content: str | bytes, mapping: str = SHOP, name: str = "rows.csv", format: Format | None = None
    ) -> Summary:
        """Import a file of that content and name."""
        path = self.folder / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return self.file(path, mapping, format)

    def file(self, path: Path, mapping: str, format: Format | None = None) -> Summary:
        """Import a file."""
        means = Means(self.connection, self.vault, self.folder / "rejects")
        return import_file(means, path, self.mapping(mapping), format)

    def events(self) -> list[Any]:
        """The entries of the ledger, decoded, in order; personal texts stay sealed."""
        query = sql.SQL("SELECT {} FROM ledger.entries ORDER BY position").format(line())
        return [decoded(text) for (text,) in self.connection.execute(query)]

    def told(self) -> list[tuple[str, int, str | None]]:
        """Of each entry its type, its version in its stream, and its external id."""
        return [(event.type_name, event.stream_version, event.external_id) for event in self.events()]


def rejects(summary: Summary) -> list[list[str]]:
    """The reject file, its header first."""
    assert summary.reject_file is not None
    with Path(summary.reject_file).open(encoding="utf-8", newline="") as file:
        return list(csv.reader(file))
