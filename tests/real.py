"""The real files, which stand beside the project and not in it, and a ledger that they are imported into."""

import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger import database
from ledger.database import Duty
from ledger.sources.importing import import_file
from ledger.sources.mapping import read
from ledger.sources.run import Means
from ledger.vault import Vault

DATA = Path(__file__).parent.parent.parent / "shared" / "data"
MASTER_KEY = b"a master key for tests, 32 bytes"
FILES = {"cfpb_complaints_sample.csv": "cfpb", "online_retail.csv.gz": "online-retail"}
"""The files, and the mapping of each."""
DATABASE = "daybook_test_imported"
ROOT = Path(__file__).parent.parent


def skip_where_missing() -> None:
    """Skip the test, saying why, where a file is not there."""
    for name in FILES:
        if not (DATA / name).exists():
            pytest.skip(f"the real file {name} is not beside the project, in {DATA.relative_to(ROOT.parent)}")


def digest() -> str:
    """Names everything that the imported ledger depends on."""
    hashed = hashlib.sha256()
    for path in [*sorted(_code()), *(DATA / name for name in FILES)]:
        hashed.update(hashlib.sha256(path.read_bytes()).digest())
    return hashed.hexdigest()[:12]


def _code() -> Iterator[Path]:
    yield from (ROOT / "domain").rglob("*.py")
    for name in ("bulk", "canonical", "copying", "vault"):
        yield ROOT / "ledger" / f"{name}.py"
    for path in (ROOT / "ledger" / "sources").rglob("*"):
        simulated = "world" in path.parts or path.stem == "simulation"
        if path.suffix in (".py", ".toml") and not simulated:
            yield path


def fill(url: str) -> None:
    """Import the files into a migrated database."""
    with (
        tempfile.TemporaryDirectory() as folder,
        database.pool(url, Duty.IMPORTER, size=1) as pool,
        database.connect(url, Duty.IMPORTER) as connection,
    ):
        means = Means(connection, Vault(pool, MASTER_KEY, "test-1"), Path(folder))
        for name, mapping in FILES.items():
            summary = import_file(means, DATA / name, read(mapping))
            assert summary.rejected_rows == 0
    with database.connect(url) as admin:
        admin.execute("VACUUM ANALYZE ledger.entries")
