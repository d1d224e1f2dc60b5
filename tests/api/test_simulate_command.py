"""``daybook simulate`` from the command line: a world, its summary, and what is wrong with what was asked for."""

import base64
import json
from typing import Any

import pytest

from api.cli import main
from tests.conftest import MASTER_KEY

SMALL = ("simulate", "--customers", "5", "--months", "6", "--seed", "3", "--until", "2026-01-01")


@pytest.fixture(autouse=True)
def environment(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", url)
    monkeypatch.setenv("DAYBOOK_MASTER_KEY", base64.b64encode(MASTER_KEY).decode())


def daybook(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr("sys.argv", ["daybook", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    return int(ended.value.code or 0)


def entered(admin: Any) -> int:
    return int(admin.execute("SELECT position FROM ledger.head").fetchone()[0])


def test_a_world_is_written_and_summed_up(
    admin: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = daybook(monkeypatch, *SMALL, "--retained-registered", "1", "--json")

    told = json.loads(capsys.readouterr().out)
    assert code == 0
    assert (told["customers"], told["until"]) == (5, "2026-01-01T00:00:00Z")
    assert told["new"] == told["entries"] == sum(told["by_type"].values()) == entered(admin)
    assert told["by_type"]["Customer.Registered"] == 5
    assert told["seconds"] >= 0


def test_without_json_the_summary_is_for_people(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert daybook(monkeypatch, *SMALL) == 0

    told = dict(line.split("  ", 1) for line in capsys.readouterr().out.splitlines())
    assert (told["customers"].strip(), told["Customer.Registered"].strip()) == ("5", "5")
    assert told["until"].strip() == "2026-01-01T00:00:00Z"


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (("--customers", "0"), "customers must be from 1 to 10 000 000, not 0."),
        (("--months", "241"), "months must be from 1 to 240, not 241."),
        (("--retained-unacknowledged", "1.5"), "retained_unacknowledged must be from 0 to 1, not 1.5."),
        (("--currency", "ZZZ"), "currency must be a code of ISO 4217, such as EUR or JPY, not 'ZZZ'."),
        (("--currency", "eur"), "currency must be a code of three capitals, not 'eur'."),
        (("--seed", "-1"), "seed must be from 0 to 9 223 372 036 854 775 807, not -1."),
        (("--until", "2999-01-01"), "The world would end in the future"),
        (("--until", "1949-01-01T00:00:00Z"), "until must lie in the years 1950 to 9000, not 1949-01-01T00:00:00Z."),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence_and_nothing_is_written(
    asked: tuple[str, ...],
    said: str,
    admin: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = daybook(monkeypatch, "simulate", *asked)

    assert code == 2
    assert capsys.readouterr().err.startswith(f"daybook: {said}")
    assert entered(admin) == 0
