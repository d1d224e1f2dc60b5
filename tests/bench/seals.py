"""Seals: what they cost those who append, how fast they are made and verified, and what a proof costs."""

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from statistics import median
from typing import Any

from psycopg import Connection, sql

from ledger import database, merkle, sealing, verifying
from ledger.application import Ledger
from ledger.database import Duty
from ledger.reading import head
from ledger.vault import Vault
from ledger.verifying import rows
from ledger.writer import Writer
from tests.bench.append import FACT, WRITERS, _run
from tests.bench.measure import Result, alternating, fresh_database, rate
from tests.bench.rebuild import simulated
from tests.conftest import MASTER_KEY, acting
from tests.ledger.sealed_world import SIGNER, TRUST

ENTRIES = 100_000
PROOFS = 300
RUNS = 5
EVERY_S = 1.0
"""A rhythm sixty times as quick as the usual one."""


def results(server_url: str) -> Iterator[Result]:
    """Four ratios, each to its own yardstick in the same run."""
    yield _appending(server_url)
    with fresh_database(server_url) as url:
        simulated(url, ENTRIES)
        with database.connect(url) as admin:
            yield _sealing(admin)
            sealing.seal(admin, [SIGNER])
            admin.execute("VACUUM ANALYZE seals.tiles")
        with database.connect(url, Duty.AUDITOR) as auditor:
            yield _verifying(auditor)
            yield _proving(auditor)


def _appending(server_url: str) -> Result:
    with fresh_database(server_url) as url, database.pool(url, Duty.API) as pool:
        ledger = Ledger(pool, Writer(url), Vault(pool, MASTER_KEY, "bench"))
        customer = ledger.execute("register_customer", {"name": "Ada"}, acting()).stream_id
        given = FACT | {"customer_id": customer}
        work = [lambda: ledger.execute("record_touchpoint", given, acting())] * WRITERS

        def sealed() -> float:
            with _sealer(url):
                return _run(list(work))

        ours, theirs = alternating(RUNS, sealed, lambda: _run(list(work)))
        ledger.close()
    return Result(
        f"append, {WRITERS} writers, sealed every {EVERY_S:.0f} s",
        ours,
        "the same without a sealer",
        theirs,
        "aim ≥ 0.9",
    )


@contextmanager
def _sealer(url: str) -> Iterator[None]:
    """Seal beside what is done in the block; in a thread, which takes from it what a process would not."""
    ended = threading.Event()
    told: list[str] = []
    given: tuple[object, ...] = (url, EVERY_S, [SIGNER], [], [], ended.is_set, told.append)
    thread = threading.Thread(target=sealing.run, args=given)
    thread.start()
    yield
    ended.set()
    thread.join()
    assert told == []


def _sealing(admin: Connection[Any]) -> Result:
    entries = head(admin)

    def seal() -> float:
        with admin.transaction(force_rollback=True):
            return rate(entries, lambda: sealing.seal(admin, [SIGNER]))

    def read() -> None:
        with (
            admin.cursor() as cursor,
            cursor.copy("COPY (SELECT leaf FROM ledger.entries) TO STDOUT (FORMAT BINARY)") as copy,
        ):
            for _ in copy:
                pass

    ours, theirs = alternating(RUNS, seal, lambda: rate(entries, read))
    return Result(f"sealing {entries} entries at once", ours, "COPY of the leaf column, nothing else", theirs, "")


def _verifying(auditor: Connection[Any]) -> Result:
    entries = head(auditor)
    canonical = [row.canonical for row in rows.some(auditor, sql.SQL("true"), {}, entries)]

    def hashed() -> None:
        for told in canonical:
            assert told is not None
            hashlib.sha256(b"\x00" + told).digest()

    def read_and_hashed() -> None:
        for block, _ in rows.stream(auditor, 1, entries):
            for line in block.split(b"\n"):
                hashlib.sha256(b"\x00" + line).digest()

    def verify() -> None:
        assert verifying.verify(auditor, TRUST).findings.kept == []

    times = {work: [rate(entries, work) for _ in range(RUNS)] for work in (verify, read_and_hashed, hashed)}
    bare = f"the rows read as lines and hashed (in memory {median(times[hashed]):,.0f}/s)".replace(",", " ")
    return Result(f"verifying {entries} entries", median(times[verify]), bare, median(times[read_and_hashed]), "")


def _proving(auditor: Connection[Any]) -> Result:
    entries = head(auditor)
    positions = [1 + number * (entries // PROOFS) for number in range(PROOFS)]

    def prove() -> None:
        for position in positions:
            merkle.inclusion(auditor, position, entries)

    def read() -> None:
        for position in positions:
            auditor.execute("SELECT * FROM ledger.entries WHERE position = %s", (position,), prepare=True).fetchone()

    ours, theirs = alternating(RUNS, lambda: rate(PROOFS, prove), lambda: rate(PROOFS, read))
    return Result(f"inclusion proof in a tree of {entries}", ours, "one indexed read of the entry", theirs, "")
