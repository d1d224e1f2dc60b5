"""What commands print: facts one to a line, and how far long work has got, in a terminal and in a log."""

from importlib.metadata import version
from io import StringIO

import pytest
from rich.console import Console
from typer.testing import CliRunner

from api.cli import app, report
from api.cli.report import Counted, progress
from ledger import migrate


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> StringIO:
    """What is printed on a stderr that is a file."""
    text = StringIO()
    monkeypatch.setattr(report, "err", Console(file=text, soft_wrap=True, highlight=False))
    return text


def test_in_a_log_long_work_tells_how_far_it_is(said: StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "LINE_S", 0)

    with progress("Building") as advance:
        advance(1_200, 40_000)
    with progress("Checking", 7) as advance:
        advance(3)
    with progress("Posting") as advance:
        advance(12)
    with progress("Importing a.csv", counts=Counted.BYTES) as advance:
        advance(1_500_000, 7_600_000)

    assert said.getvalue().splitlines() == [
        "Building: 1 200 of 40 000",
        "Checking: 3 of 7",
        "Posting: 12",
        "Importing a.csv: 1.5 MB of 7.6 MB",
    ]


def test_in_a_log_it_is_told_once_in_a_while_and_short_work_says_nothing(
    said: StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 100.0
    monkeypatch.setattr(report.time, "monotonic", lambda: now)

    with progress("Building") as advance:
        for second in range(12):
            now = 100.0 + second
            advance(second, 12)

    assert said.getvalue().splitlines() == ["Building: 5 of 12", "Building: 10 of 12"]


def test_in_a_terminal_bytes_are_counted_as_bytes(monkeypatch: pytest.MonkeyPatch) -> None:
    text = StringIO()
    monkeypatch.setattr(report, "err", Console(file=text, force_terminal=True, width=120))

    with progress("Importing a.csv", counts=Counted.BYTES) as advance:
        advance(1_500_000, 7_600_000)
    with progress("Building") as advance:
        advance(1_200, 40_000)

    assert "1.5/7.6 MB" in text.getvalue()
    assert "1200" in text.getvalue()


def test_the_version_is_told() -> None:
    done = CliRunner().invoke(app, ["--version"])

    assert (done.exit_code, done.stdout) == (0, f"daybook {version('daybook')}\n")


def test_a_check_of_the_schema_that_finds_nothing_says_so() -> None:
    done = CliRunner().invoke(app, ["schema", "--check"])

    assert (done.exit_code, done.stdout) == (0, "The committed schema is the current one.\n")


def test_migrate_names_the_files_it_applied(empty_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", empty_url)
    names = ", ".join(migration.name for migration in migrate.migrations())

    assert CliRunner().invoke(app, ["migrate"]).stdout == f"applied  {names}\n"
    assert CliRunner().invoke(app, ["migrate"]).stdout == "applied  nothing was missing\n"
    assert CliRunner().invoke(app, ["migrate", "--json"]).stdout == '{"applied":[]}\n'
