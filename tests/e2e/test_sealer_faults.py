"""Sealers killed at random moments never leave two checkpoints that contradict one another, anywhere."""

import os
import random
import subprocess
import sys
import threading
import time
from base64 import b64encode
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from uuid import uuid4

from msgspec.structs import replace

from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction
from ledger import bulk, checkpoints, database, merkle, verifying
from ledger.database import Duty
from ledger.vault import Vault
from ledger.verifier import Tree, open_checkpoint, verify_consistency
from tests.ledger.sealed_world import KEY, ORIGIN, TRUST
from tests.ledger.tree import mth
from tests.real import ROOT

KILLS = 30
SEALER = f"""
import sys
from pathlib import Path
from ledger import sealing
from ledger.notes import Signer
from ledger.publishing import Folder
signer = Signer({ORIGIN!r}, {b64encode(bytes(range(32))).decode()!r})
print("ready", flush=True)
sealing.run(sys.argv[1], 0.01, [signer], [Folder(Path(sys.argv[2]))], [], lambda: False, print)
"""


class Sealer:
    """A process that seals as fast as it can until it is killed."""

    def __init__(self, url: str, folder: Path) -> None:
        command = [sys.executable, "-c", SEALER, url, str(folder)]
        self.process = subprocess.Popen(command, cwd=ROOT, env=dict(os.environ), stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        assert self.process.stdout.readline() == "ready\n"

    def kill(self) -> str:
        """End it at once; gives what it had said."""
        self.process.kill()
        said, _ = self.process.communicate()
        return said


def contact() -> Touchpoint.Recorded:
    """An entry that nobody has seen before."""
    fact = Touchpoint.Recorded(channel=Channel.PHONE, direction=Direction.INBOUND, purpose="delivery date")
    return replace(fact, stream_id=uuid4(), occurred_at=datetime(2026, 3, 1, tzinfo=UTC), actor_kind="import")


def test_thirty_kills_leave_one_line_of_checkpoints(url: str, vault: Vault, tmp_path: Path) -> None:
    """Two sealers at a time seal while entries come in; both are killed, and two others take over."""
    seed = int(os.environ.get("DAYBOOK_FAULT_SEED") or time.time())
    print(f"repeat this run with DAYBOOK_FAULT_SEED={seed}")
    chance, ended = random.Random(seed), threading.Event()

    def write() -> None:
        with database.connect(url, Duty.IMPORTER) as connection:
            while not ended.is_set():
                bulk.enter(connection, vault, [contact() for _ in range(chance.choice([1, 7, 90]))])

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for _ in range(KILLS // 2):
            pair = [Sealer(url, tmp_path), Sealer(url, tmp_path)]
            for sealer in pair:
                time.sleep(chance.uniform(0, 0.3))
                assert sealer.kill() == ""
    finally:
        ended.set()
        writer.join()

    with database.connect(url, Duty.AUDITOR) as auditor:
        issued = list(checkpoints.issued(auditor))
        assert len(issued) > KILLS
        trees = [open_checkpoint(each.note, [KEY]).tree for each in issued]
        published = [open_checkpoint(path.read_text("utf-8"), [KEY]).tree for path in tmp_path.glob("*.checkpoint")]
        assert len(published) > KILLS // 2
        assert set(published) <= set(trees)
        stored = auditor.execute("SELECT leaf FROM ledger.entries ORDER BY position").fetchall()
        everything = [leaf for (leaf,) in stored]
        for old, new in pairwise(trees):
            path = merkle.consistency(auditor, old.size, new.size)
            verify_consistency(old.size, new.size, old.root, new.root, path)
        for tree in chance.sample(trees, 20):
            assert tree == Tree(ORIGIN, tree.size, mth(everything[: tree.size]))
        report = verifying.verify(auditor, TRUST, copies=tmp_path)

    assert report.findings.kept == []
    assert report.checkpoints == len(issued)
    assert report.copies == len(published)
