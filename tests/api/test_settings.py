"""Settings: each wrong one is a sentence that says what to do, and a ledger only begins where one is asked for."""

import base64
import os
import subprocess
import sys
from pathlib import Path

import pytest

from api.cli.master_key import new_master_key
from api.sealing import receipt_signers, vkeys
from api.server import listening
from api.settings import Mode, Settings, SettingsError, load

PROJECT = Path(__file__).parent.parent.parent
KEY = base64.b64encode(bytes(32)).decode()


@pytest.fixture(autouse=True)
def elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """An empty folder to stand in, without any setting."""
    for name in list(os.environ):
        if name.startswith("DAYBOOK_") or name == "DATABASE_URL":
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("DAYBOOK_PORT", "abc", "DAYBOOK_PORT must be a whole number from 1 to 65535, not 'abc'."),
        ("DAYBOOK_PORT", "0", "DAYBOOK_PORT must be a whole number from 1 to 65535, not '0'."),
        ("DAYBOOK_PORT", "65536", "DAYBOOK_PORT must be a whole number from 1 to 65535, not '65536'."),
        ("DAYBOOK_MODE", "prod", "DAYBOOK_MODE must be development or production, not 'prod'."),
        (
            "DAYBOOK_HOST",
            "0.0.0.0",
            "DAYBOOK_HOST reaches beyond this machine; set DAYBOOK_MODE=production with it",
        ),
        (
            "DAYBOOK_TOKEN_SECRET",
            "hush",
            "DAYBOOK_TOKEN_SECRET needs at least 32 characters; make one with: openssl rand -base64 48",
        ),
        (
            "DAYBOOK_MASTER_KEY",
            "hush",
            "DAYBOOK_MASTER_KEY must be 32 bytes in base64; make one with: openssl rand -base64 32",
        ),
    ],
)
def test_a_wrong_setting_is_named_with_what_it_must_be(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, said: str
) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://unused")
    monkeypatch.setenv(name, value)

    with pytest.raises(SettingsError) as error:
        load()

    assert str(error.value) == said
    assert "hush" not in said


def test_with_a_server_of_ones_own_the_secrets_must_be_set(monkeypatch: pytest.MonkeyPatch, elsewhere: Path) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://unused")

    settings = load()

    with pytest.raises(SettingsError, match=r"^Set DAYBOOK_MASTER_KEY; make one with: openssl rand -base64 32$"):
        settings.master_key_bytes()
    with pytest.raises(SettingsError, match=r"^Set DAYBOOK_TOKEN_SECRET; make one with: openssl rand -base64 48$"):
        settings.token_secret_text()
    assert list(elsewhere.iterdir()) == []


def test_receipts_are_signed_by_a_key_of_their_own_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://unused")
    monkeypatch.setenv("DAYBOOK_SEAL_KEY", base64.b64encode(b"s" * 32).decode())
    monkeypatch.setenv("DAYBOOK_ORIGIN", "ledger.example.com/cases")
    assert [signer.name for signer in receipt_signers(load())] == ["ledger.example.com/cases"]

    monkeypatch.setenv("DAYBOOK_RECEIPT_KEY", base64.b64encode(b"r" * 32).decode())
    (signer,) = receipt_signers(load())
    assert signer.name == "ledger.example.com/cases/receipts"
    assert signer.vkey not in vkeys(load())

    monkeypatch.setenv("DAYBOOK_SEAL_KEY", "")
    monkeypatch.setenv("DAYBOOK_ORIGIN", "")
    with pytest.raises(SettingsError, match="DAYBOOK_RECEIPT_KEY needs DAYBOOK_ORIGIN"):
        load()


@pytest.mark.parametrize(
    ("host", "address"),
    [("127.0.0.1", "http://127.0.0.1:8001/graphql"), ("::1", "http://[::1]:8001/graphql")],
)
def test_the_address_is_one_that_a_browser_opens(host: str, address: str) -> None:
    settings = Settings(host=host, port=8001)

    assert settings.address == address


def test_a_home_that_is_none_is_told(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "file").touch()
    monkeypatch.setenv("DAYBOOK_HOME", "file")

    for begin in (True, False):
        with pytest.raises(SettingsError, match=r"^DAYBOOK_HOME must be a folder, and file is a file\.$"):
            load(begin=begin)


def test_secrets_that_are_damaged_are_told_and_left(elsewhere: Path) -> None:
    load(begin=True)
    (elsewhere / ".daybook" / "secrets.env").write_bytes(b"\xff\xfe")

    with pytest.raises(SettingsError, match=r"^secrets\.env or seal\.env in \.daybook is damaged; put a copy back"):
        load()

    assert (elsewhere / ".daybook" / "secrets.env").read_bytes() == b"\xff\xfe"


@pytest.mark.parametrize("host", ["nowhere.invalid", "192.0.2.1"])
def test_a_host_that_is_another_machine_is_told(host: str) -> None:
    with pytest.raises(SettingsError, match=f"^DAYBOOK_HOST must be an address of this machine, .* not '{host}'"):
        listening(Settings(host=host, mode=Mode.PRODUCTION))


def test_a_master_key_is_made_anywhere(elsewhere: Path, capsys: pytest.CaptureFixture[str]) -> None:
    new_master_key()

    assert len(base64.b64decode(capsys.readouterr().out, validate=False)) == 32
    assert list(elsewhere.iterdir()) == []


def test_an_empty_setting_is_none_at_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://unused")
    for name in ("DAYBOOK_PORT", "DAYBOOK_HOME", "DAYBOOK_MODE", "DAYBOOK_MASTER_KEY"):
        monkeypatch.setenv(name, "")

    settings = load()

    assert (settings.port, settings.home, settings.mode) == (8000, Path(".daybook"), Mode.DEVELOPMENT)
    assert settings.master_key is None


def test_a_ledger_begins_only_where_it_is_asked_for(elsewhere: Path) -> None:
    with pytest.raises(SettingsError) as error:
        load()
    assert str(error.value).startswith(f"There is no ledger in {elsewhere}/.daybook; go to the folder that has one")
    assert list(elsewhere.iterdir()) == []

    begun = load(begin=True)

    again = load()
    assert again.master_key_bytes() == begun.master_key_bytes()
    assert again.token_secret_text() == begun.token_secret_text()
    kept = {path.name: path.stat().st_mode & 0o077 for path in (elsewhere / ".daybook").iterdir()}
    assert kept == {"secrets.env": 0, "seal.env": 0}


def test_a_home_that_only_has_a_database_has_a_ledger(elsewhere: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (elsewhere / "kept" / "postgres").mkdir(parents=True)
    monkeypatch.setenv("DAYBOOK_HOME", "kept")

    assert load().home == Path("kept")


@pytest.mark.parametrize(
    "command",
    [
        "status",
        "serve",
        "project",
        "spot-check",
        "token --role agent --subject ann",
        "simulate --customers 1",
        "review-tiers",
    ],
)
def test_a_command_in_another_folder_makes_nothing_there(elsewhere: Path, command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "api", *command.split()],
        cwd=elsewhere,
        env=os.environ | {"PYTHONPATH": str(PROJECT)},
        capture_output=True,
        text=True,
    )

    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"daybook: There is no ledger in {elsewhere}/.daybook; go to the folder that has one, or name it with"
        " DAYBOOK_HOME or DATABASE_URL. To begin one here: daybook run for a first look, daybook migrate for an empty"
        " one.\n"
    )
    assert list(elsewhere.iterdir()) == []
