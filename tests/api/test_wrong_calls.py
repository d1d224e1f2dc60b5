"""A command line that can never be right ends with 2, and what the ledger cannot give with 1; in one sentence."""

import base64
from pathlib import Path
from typing import NoReturn

import pytest

from api.cli import main
from domain.event import UnknownSchema
from tests.conftest import MASTER_KEY

NOBODY = "11111111-1111-4111-8111-111111111111"


@pytest.fixture(autouse=True)
def environment(module_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", module_url)
    monkeypatch.setenv("DAYBOOK_MASTER_KEY", base64.b64encode(MASTER_KEY).decode())
    monkeypatch.setenv("DAYBOOK_TOKEN_SECRET", "s" * 32)
    monkeypatch.chdir(tmp_path)


def said(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    """The exit code, and what is on stderr; on stdout there is nothing."""
    monkeypatch.setattr("sys.argv", ["daybook", *arguments])
    with pytest.raises(SystemExit) as ended:
        main()
    printed = capsys.readouterr()
    assert printed.out == ""
    return int(ended.value.code or 0), printed.err


NO_INSTANT = "'yesterday' is no instant; write it like 2026-06-30T00:00:00Z."
TO_COME = "2999-01-01T00:00:00Z lies in the future; give an instant that has passed."


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", "sales", "1", "--as-of", "yesterday"], NO_INSTANT),
        (["explain", "sales", "1", "--as-of", ""], "'' is no instant; write it like 2026-06-30T00:00:00Z."),
        (["explain", "sales", "1", "--as-of", "0"], "Positions begin at 1; ask as of one from 1 on, not of 0."),
        (["explain", "sales", "1", "--as-of", "9" * 20], "A position has at most 19 digits; "),
        (["explain", "sales", "1", "--occurred-until", "2999-01-01T00:00:00Z"], TO_COME),
        (["explain", "sales", "x"], "A row of sales is named by its position, a whole number, not by 'x'."),
        (["explain", "tier_status", "Ada"], "A row of tier_status is named by its customer_id, a UUID, not by 'Ada'."),
        (["explain", "churn", "1"], "There is no read model churn; there are: audit_trail, "),
        (["rebuild", "sales", "--as-of", "yesterday"], NO_INSTANT),
        (["rebuild", "sales", "--occurred-until", "yesterday"], NO_INSTANT),
        (["rebuild", "sales", "--as-of", "1", "--dry-run"], "Say one of --dry-run, --sample, a past (--as-of, "),
        (["rebuild", "sales", "--drop-as-of", "--sample", "1"], "Say one of --dry-run, --sample, a past (--as-of, "),
        (["review-tiers", "--at", "yesterday"], NO_INSTANT),
        (
            ["review-tiers", "--at", "2026-06-30T00:00"],
            "'2026-06-30T00:00' needs an offset, such as Z for UTC: write it like 2026-06-30T00:00:00Z.",
        ),
        (["review-tiers", "--at", "0001-01-01T00:00:00+23:00"], "'0001-01-01T00:00:00+23:00' is no instant; "),
        (["token", "--role", "agent", "--subject", " "], "The subject must have 1 to 200 characters, "),
        (["token", "--role", "agent", "--subject", "ann", "--hours", "nan"], "A token is good for more than 0 and up "),
        (["erase", "Ada", "--reason", "x"], "A customer is named by its id, a UUID, not 'Ada'; "),
        (["erase", NOBODY, "--reason", " "], "reason is blank; fill it in."),
        (["receipt", "Ada"], "A customer is named by its id, a UUID, not 'Ada'; "),
        (["replay", "Ada"], "A case is named by its id, a UUID, not 'Ada'; "),
        (["spot-check", "churn"], "There is no read model churn; there are: audit_trail, "),
    ],
)
def test_a_wrong_call_ends_with_2(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(monkeypatch, capsys, *arguments)

    assert (code, told.count("\n")) == (2, 1)
    assert told.startswith(f"daybook: {sentence}")


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["explain", "sales", "1", "--as-of", "9"], "Position 9 is still to come, the ledger stands at position 0; "),
        (["explain", "tier_status", NOBODY], f"There is no row of tier_status with the id {NOBODY}."),
        (
            ["review-tiers", "--at", "2020-01-01T01:00:00+01:00"],
            "No tier rule is in force at 2020-01-01T00:00:00Z; publish one with publishTierRule.",
        ),
        (["receipt", NOBODY], f"There is no erasure of a customer with the id {NOBODY}."),
        (["replay", NOBODY], f"There is no case with the id {NOBODY}."),
    ],
)
def test_what_the_ledger_does_not_have_ends_with_1(
    arguments: list[str], sentence: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, told = said(monkeypatch, capsys, *arguments)

    assert code == 1
    assert told.splitlines()[-1].startswith(f"daybook: {sentence}")


def test_an_entry_of_a_newer_daybook_is_told_in_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def newer(*_: object) -> NoReturn:
        raise UnknownSchema("Case.Opened of schema 9 was entered by a newer Daybook; upgrade this one.")

    monkeypatch.setattr("api.cli.replay.replay", newer)

    assert said(monkeypatch, capsys, "replay", NOBODY) == (
        1,
        "daybook: Case.Opened of schema 9 was entered by a newer Daybook; upgrade this one.\n",
    )
