"""What the settings say of seals: what is refused at start, and what the embedded home makes for itself once."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

from api import sealing
from api.settings import SettingsError, load
from ledger.notes import KeyService, Signer
from ledger.publishing import Command, Endpoint, Folder
from tests.ledger.sealed_world import OLD, ORIGIN, SIGNER

SEED = b64encode(bytes(range(32))).decode()


@pytest.fixture(autouse=True)
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("DAYBOOK_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("DATABASE_URL", "postgresql://somewhere/daybook")


def told(monkeypatch: pytest.MonkeyPatch, **settings: str) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"DAYBOOK_{name.upper()}", value)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"seal_key": SEED}, "DAYBOOK_SEAL_KEY needs DAYBOOK_ORIGIN"),
        ({"origin": "a b", "seal_key": SEED}, "An origin is like ledger.example.com/cases"),
        ({"origin": ORIGIN, "seal_key": "short"}, "A seal key is 32 bytes in base64"),
        ({"origin": ORIGIN, "seal_key": f"{SEED},"}, "A seal key is 32 bytes in base64"),
        ({"seal_command": "sign"}, "DAYBOOK_SEAL_COMMAND needs DAYBOOK_SEAL_VKEY"),
        ({"seal_vkey": "nonsense"}, "^DAYBOOK_SEAL_VKEY and DAYBOOK_SEAL_OLD_KEYS take public keys: 'nonsense' is no"),
        ({"seal_old_keys": f"{OLD.vkey},nonsense"}, "is no public key"),
        ({"seal_command": "sign", "seal_vkey": SIGNER.vkey, "origin": "other.example"}, "the key of another origin"),
        ({"publish_url": "ftp://example.com"}, "DAYBOOK_PUBLISH_URL must begin with http"),
        (
            {"witnesses": "https://witness.example"},
            "DAYBOOK_WITNESSES names each witness by its address, a space and its public key, not",
        ),
        ({"witnesses": f"https://witness.example {SIGNER.vkey}"}, "the public key of a cosigner"),
    ],
)
def test_what_cannot_be_used_is_refused_at_start(
    settings: dict[str, str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    told(monkeypatch, **settings)

    with pytest.raises(SettingsError, match=said):
        load()


def test_nothing_signs_where_nothing_is_set() -> None:
    settings = load()

    assert (sealing.signers(settings), sealing.vkeys(settings), sealing.places(settings)) == ([], [], [])


def test_a_key_service_signs_first_and_a_key_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    told(monkeypatch, origin=ORIGIN, seal_command="kms sign", seal_vkey=OLD.vkey, seal_key=SEED)

    first, second = sealing.signers(load())

    assert isinstance(first, KeyService) and isinstance(second, Signer)
    assert sealing.vkeys(load()) == [OLD.vkey, SIGNER.vkey]


def test_places_and_witnesses_are_those_that_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    url = "https://example.com/{size}"
    told(monkeypatch, publish_folder=str(tmp_path), publish_url=url, publish_command="mail auditor@example.com")
    assert sealing.places(load()) == [Folder(tmp_path), Endpoint(url), Command("mail auditor@example.com")]


def test_the_home_makes_its_origin_and_key_once_and_keeps_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also where its other secrets were made by a Daybook that did not seal yet."""
    monkeypatch.delenv("DATABASE_URL")
    told(monkeypatch, home=str(tmp_path))
    (tmp_path / "secrets.env").write_text(f"DAYBOOK_MASTER_KEY={SEED}\nDAYBOOK_TOKEN_SECRET={'x' * 40}\n")

    first, second = load(), load()

    assert first.master_key_bytes() == bytes(range(32))
    assert first.origin and first.origin.startswith("daybook.invalid/")
    (vkey,) = sealing.vkeys(first)
    assert vkey.startswith(f"{first.origin}+")
    assert sealing.vkeys(second) == [vkey]
    assert (tmp_path / "seal.env").stat().st_mode & 0o777 == 0o600


def test_two_homes_have_two_keys(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("DATABASE_URL")
    found = set()
    for name in ("one", "two"):
        told(monkeypatch, home=str(tmp_path / name))
        made = load(begin=True)
        found |= {*sealing.vkeys(made), made.origin}

    assert len(found) == 4
