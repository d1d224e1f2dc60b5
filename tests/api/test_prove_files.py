"""The files that ``daybook prove`` writes: who may read what they hold in clear."""

import stat
from pathlib import Path
from uuid import UUID

import pytest

from api.cli import proving
from domain.vocabulary import Role
from ledger import database, sealing
from ledger.database import Duty
from tests.api.asking import Api
from tests.ledger.sealed_world import SIGNER


@pytest.mark.parametrize("there", [True, False])
def test_what_holds_personal_text_in_clear_is_the_owners_alone_to_read(
    there: bool, fresh_api: Api, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "load", lambda: fresh_api.settings)
    customer = UUID(fresh_api.done("registerCustomer", name="王小明"))
    with database.connect(fresh_api.url, Duty.SEALER) as connection:
        assert sealing.seal(connection, [SIGNER])
    files = [tmp_path / f"customer-{customer}.dossier.{kind}" for kind in ("json", "html")]
    for file in files if there else []:
        file.write_text("an older one")
        file.chmod(0o666)

    proving.prove(customer=customer, open_for=Role.AUDITOR, folder=tmp_path)

    assert [stat.filemode(file.stat().st_mode) for file in files] == ["-rw-------"] * 2
    assert all("王小明" in file.read_text("utf-8") and "older" not in file.read_text("utf-8") for file in files)
