"""``daybook import`` as it is typed: what it prints, on which stream, and its exit code."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

Typed = Callable[..., subprocess.CompletedProcess[str]]

MAPPING = """
source = "shop"
occurred_at = "at"
record.id = "n"
[[event]]
type = "Touchpoint.Recorded"
[event.fields]
purpose = "what"
channel = "how"
direction = { constant = "inbound" }
"""


@pytest.fixture
def typed(url: str, tmp_path: Path) -> Typed:
    """Runs ``daybook import`` in a folder with a mapping."""
    (tmp_path / "shop.toml").write_text(MAPPING)

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {
            "DATABASE_URL": url,
            "DAYBOOK_HOME": str(tmp_path / "home"),
            "DAYBOOK_MASTER_KEY": "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM=",
            "COLUMNS": "200",
        }
        command = [sys.executable, "-c", "from api.cli import main; main()", "import", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


def test_it_tells_what_it_did_and_where_the_rejected_rows_are(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("n,at,how,what\n1,2024-01-01,phone,订单\n2,2024-01-01,pigeon,订单\n")

    done = typed("calls.csv", "--mapping", "shop.toml")

    assert (done.returncode, done.stderr) == (0, "")
    told = dict(line.split("  ", 1) for line in done.stdout.splitlines())
    assert {name: value.strip() for name, value in told.items() if name != "reject file"} == {
        "file": "calls.csv",
        "source": "shop",
        "rows": "2",
        "records": "1",
        "entered": "1",
        "known": "0",
        "unknown customer records": "1",
        "unknown customer rows": "1",
        "rejected rows": "1",
        "position": "1",
        "Touchpoint.Recorded": "1",
    }
    rejected = Path(told["reject file"].strip())
    assert rejected.parent == tmp_path / "home" / "rejects"
    assert rejected.read_text("utf-8").splitlines()[1:] == [
        "3,Touchpoint.Recorded: channel cannot be 'pigeon',2,2024-01-01,pigeon,订单"
    ]


def test_when_every_row_is_rejected_it_fails_and_still_tells_all(typed: Typed, tmp_path: Path) -> None:
    (tmp_path / "calls.csv").write_text("n,at,how,what\n1,2024-01-01,pigeon,a\n")

    done = typed("calls.csv", "--mapping", "shop.toml", "--json")

    summary = json.loads(done.stdout)
    assert (done.returncode, summary["rejected_rows"], summary["position"]) == (1, 1, 0)
    assert done.stderr == f"daybook: Every row was rejected; the reasons are in {summary['reject_file']}\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["nowhere.csv", "-m", "shop.toml"], "nowhere.csv cannot be opened: No such file or directory."),
        (["shop.toml", "-m", "shop.toml"], "The name shop.toml does not tell the format; say --format …"),
        (["calls.csv", "-m", "shop"], "There is no mapping shop; name one of cfpb, online-retail, or …"),
        (["calls.csv", "-m", "cfpb"], "calls.csv is empty."),
    ],
)
def test_what_cannot_be_done_is_one_sentence(typed: Typed, tmp_path: Path, arguments: list[str], sentence: str) -> None:
    (tmp_path / "calls.csv").write_text("")

    done = typed(*arguments)

    begun, _, _ = sentence.partition("…")
    assert (done.returncode, done.stdout, done.stderr.count("\n")) == (1, "", 1)
    assert done.stderr.startswith(f"daybook: {begun}")
