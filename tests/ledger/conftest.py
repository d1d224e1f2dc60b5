"""An importer for small files, over the test's own database."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import database
from ledger.database import Duty
from ledger.vault import Vault
from tests.conftest import MASTER_KEY
from tests.ledger.importer import Importer


@pytest.fixture
def importer(url: str, tmp_path: Path) -> Iterator[Importer]:
    """Imports files and tells what came of them."""
    with database.pool(url, Duty.IMPORTER, size=2) as pool, database.connect(url, Duty.IMPORTER) as connection:
        yield Importer(connection, Vault(pool, MASTER_KEY, "test-1"), tmp_path)
