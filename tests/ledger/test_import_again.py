"""An import that is repeated, interrupted or doubled gives the ledger that one import gives."""

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from ledger import database
from ledger.database import Duty
from ledger.sources import run
from ledger.sources.faults import SourceError
from ledger.sources.importing import import_file
from ledger.sources.run import Means, Summary
from ledger.vault import Vault
from tests.conftest import MASTER_KEY
from tests.ledger.importer import HEADER, SHOP, TOUCHES, Importer, rejects

LEDGER = (
    "SELECT position, stream_id, stream_version, type, schema, customer_id, case_id, occurred_at, actor_kind, actor_id,"
    " command_id, correlation_id, source, external_id, data FROM ledger.entries ORDER BY position"
)
"""Everything but ledger time, and what depends on it."""
REJECTED_EVERY = 97

row = st.tuples(st.sampled_from("CDE "), st.sampled_from(["a", "b", "?"]), st.sampled_from(["2024-01-01", "never"]))


def touches(rows: list[tuple[str, str, str]]) -> str:
    return "customer,purpose,at\n" + "".join(f"{customer},{purpose},{at}\n" for customer, purpose, at in rows)


def entered(summary: Summary) -> int:
    return sum(summary.entered.values())


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=st.lists(row, max_size=12), more=st.lists(row, max_size=4), order=st.randoms(use_true_random=False))
def test_importing_twice_equals_importing_once(
    importer: Importer, rows: list[tuple[str, str, str]], more: list[tuple[str, str, str]], order: Any
) -> None:
    mapping = TOUCHES.replace('"touches"', f'"{uuid4()}"')
    first = importer(touches(rows), mapping, "first.csv")
    good = [row for row in rows if row[2] != "never"]
    customers = {customer for customer, _, _ in good} - {" "}

    again = importer(touches(rows), mapping, "first.csv")
    shuffled = [*rows, *more]
    order.shuffle(shuffled)
    longer = importer(touches(shuffled), mapping, "longer.csv")

    assert entered(first) == len(good) + len(customers)
    assert (entered(again), again.known, again.rejected_rows) == (0, entered(first), len(rows) - len(good))
    more_good = [row for row in more if row[2] != "never"]
    more_customers = {customer for customer, _, _ in more_good} - customers - {" "}
    assert entered(longer) == len(more_good) + len(more_customers)


def file_of(folder: Path, rows: int) -> Path:
    """Invoices of two lines, customers that come again, and some rows that cannot be taken."""
    path = folder / "invoices.csv"
    with path.open("w") as file:
        file.write(HEADER)
        for n in range(rows):
            price = "free" if n % REJECTED_EVERY == 0 else f"{n % 50}.5"
            file.write(f"{n // 2},2024-01-01,C{n % 700},名{n % 700},s{n % 9},{n % 5},{price}\n")
    return path


GROUPED = SHOP.replace('record.id = "order"', 'record.group_by = "order"').replace('fields.name = "name"', "")


def ledger_of(url: str) -> list[Any]:
    with database.connect(url) as connection:
        return connection.execute(LEDGER).fetchall()


def test_an_import_that_was_killed_goes_on_where_it_stopped(
    importer: Importer, url: str, other_url: str, tmp_path: Path
) -> None:
    path = file_of(tmp_path, 40_000)
    (tmp_path / "mapping.toml").write_text(GROUPED)
    home = tmp_path / "home"
    command = [
        *(sys.executable, "-c", "from api.cli import main; main()"),
        *("import", str(path), "--mapping", str(tmp_path / "mapping.toml"), "--json"),
    ]
    environment = {
        **os.environ,
        "DATABASE_URL": other_url,
        "DAYBOOK_HOME": str(home),
        "DAYBOOK_MASTER_KEY": "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM=",
    }
    killed = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL)
    with database.connect(other_url) as admin:
        while killed.poll() is None and not _head(admin):
            time.sleep(0.01)
        killed.send_signal(signal.SIGKILL)
        killed.wait()
        after_kill = _head(admin)
        assert after_kill > 0

        done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)

    whole = importer.file(path, GROUPED)
    assert 0 < after_kill < whole.position, "it was killed in the middle"
    assert ledger_of(other_url) == ledger_of(url)
    import json

    resumed = json.loads(done.stdout)
    assert 0 < resumed["resumed_after_rows"] < 40_000
    assert resumed["rows"] + resumed["resumed_after_rows"] == whole.rows == 40_000
    assert resumed["rejected_rows"] == whole.rejected_rows
    assert Path(resumed["reject_file"]).read_bytes() == Path(whole.reject_file or "").read_bytes()


def _head(connection: Connection[Any]) -> int:
    row = connection.execute("SELECT position FROM ledger.head").fetchone()
    return int(row[0]) if row else 0


def test_an_import_that_fails_in_the_middle_leaves_whole_chunks_and_goes_on(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "CHUNK_ENTRIES", 2)
    rows = [f"{n},2024-01-01,C1,,s,1,{'free' if n in (1, 4) else 1}\n" for n in range(6)]
    damaged = HEADER + "".join(rows)

    class Unplugged(Exception):
        pass

    def unplug(done: int, total: int | None) -> None:
        raise Unplugged

    importer(damaged, name="other.csv")
    whole = importer.told()
    path = importer.folder / "rows.csv"
    path.write_text(damaged.replace(",s,", ",t,"))
    mapping = SHOP.replace('"shop"', '"second"')
    named = importer.mapping(mapping)
    with pytest.raises(Unplugged):
        import_file(Means(importer.connection, importer.vault, importer.folder / "rejects", unplug), path, named)
    rejected = next((importer.folder / "rejects").glob("rows.csv.*"))
    rejected.write_text(rejected.read_text() + "7,written and never committed,,,,,,,\n")

    resumed = importer.file(path, mapping)

    assert (resumed.resumed_after_rows, resumed.rows, resumed.known) == (2, 4, 1)
    assert importer.told()[len(whole) :] == whole
    assert [row[0] for row in rejects(resumed)[1:]] == ["3", "6"]


def test_two_imports_at_once_double_nothing(importer: Importer, url: str, tmp_path: Path) -> None:
    path = file_of(tmp_path, 6_000)
    rest = tmp_path / "overlapping.csv"
    rest.write_text(HEADER + "".join(path.read_text().splitlines(keepends=True)[2_001:]))
    named = importer.mapping(GROUPED)

    def one(path: Path) -> Summary:
        with database.pool(url, Duty.IMPORTER, size=1) as pool, database.connect(url, Duty.IMPORTER) as connection:
            return import_file(Means(connection, Vault(pool, MASTER_KEY, "test-1"), tmp_path / "rejects"), path, named)

    with ThreadPoolExecutor(4) as threads:
        summaries = list(threads.map(one, [path, path, rest, rest]))

    entries = ledger_of(url)
    assert len({(entry[-3], entry[-2]) for entry in entries}) == len(entries) == sum(map(entered, summaries))
    assert [entry[0] for entry in entries] == list(range(1, len(entries) + 1))
    alone = importer.file(path, GROUPED)
    assert (entered(alone), alone.known) == (0, len(entries))


def test_a_gzip_file_that_ends_too_early_keeps_what_came_before(
    importer: Importer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip
    import random

    monkeypatch.setattr(run, "CHUNK_ENTRIES", 10)
    shaken = random.Random(1)
    rows = [f"{n},2024-01-01,,,{shaken.random()},1,1\n" for n in range(2_000)]
    packed = gzip.compress((HEADER + "".join(rows)).encode())
    with pytest.raises(SourceError, match=r"is damaged as a gzip file: .*; get it anew\.$"):
        importer(packed[: len(packed) // 2], name="rows.csv.gz")
    before = len(importer.told())

    whole = importer(packed, name="rows.csv.gz")

    assert 0 < before < 2_000
    assert (whole.known, entered(whole)) == (before, 2_000 - before)
