"""Rebuilds against bare reading and decoding of the same entries."""

import gc
import re
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from psycopg import Connection

from ledger import database
from ledger.database import Duty
from ledger.reading import copy_blocks, decoder, head
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, mirroring, rebuilding
from projections.engine.beside import Beside
from projections.engine.cut import Cut
from projections.engine.filling import fill_by
from projections.engine.hands import Hands
from projections.engine.model import ReadModel, envelope_needed, folds, models, of_types
from projections.engine.parts import Part
from tests.bench.measure import Result, fresh_database
from tests.conftest import MASTER_KEY

ENTRIES = 30_000
"""Why: enough that what each rebuild takes anew does not decide, and a minute or two in all."""
ENTRIES_OF_ONE = 22
"""About how many entries a simulated customer has in two years."""
RUNS = 3
FEWEST = 1_000
"""Why: the rebuild of a model with fewer entries measures the making of tables, not the folding."""
PEAK = re.compile(r"VmHWM:\s*(\d+) kB")
AIM = "aim ≥ 0.8"


def results(server_url: str) -> Iterator[Result | str]:
    """Entries a second for each model and all together."""
    with (
        fresh_database(server_url) as url,
        database.connect(url, Duty.PROJECTOR) as reader,
        database.connect(url, Duty.PROJECTOR) as writer,
        ProcessPoolExecutor(2, mp_context=get_context("spawn")) as executor,
    ):
        simulated(url, ENTRIES)
        hands = Hands(executor, 2, url)
        for name, model in sorted(models().items()):
            if _entries(reader, [model]) >= FEWEST:
                yield from _compared(reader, writer, name, [model], hands)
        yield from _compared(reader, writer, "all read models", list(models().values()), hands)
        took, peak = apart(url)
        yield f"rebuild of all read models: peak memory of its process {peak} MB ({took:.1f} s)"


def _compared(
    reader: Connection[Any], writer: Connection[Any], name: str, chosen: Sequence[type[ReadModel]], hands: Hands
) -> Iterator[Result]:
    works = {
        f"{name}, folded and copied in": lambda: _filled(reader, writer, chosen),
        f"{name}, in service": lambda: _rebuilt(reader, writer, chosen, None),
        f"{name}, in service, 2 processes": lambda: _rebuilt(reader, writer, chosen, hands),
    }
    runs: dict[str, list[float]] = {}
    for _ in range(RUNS):
        for work, run in ({"": lambda: bare(reader, chosen)} | works).items():
            began = time.perf_counter()
            runs.setdefault(work, []).append(run() or time.perf_counter() - began)
    entries, yardstick = _entries(reader, chosen), f"bare COPY out and decoding, {len(chosen)} model(s)"
    for work in works:
        ours, theirs = entries / median(runs[work]), entries / median(runs[""])
        yield Result(f"rebuild of {work}", ours, yardstick, theirs, AIM if "copied" in work else "")


def bare(reader: Connection[Any], chosen: Sequence[type[ReadModel]]) -> None:
    """Read and decode what the models need, once, and keep nothing."""
    fields = {field for model in chosen for field in envelope_needed(model)}
    decode = decoder().decode_lines
    gc.disable()
    for lines in copy_blocks(reader, fields, of_types(_types(chosen)), 1, head(reader)):
        decode(lines)
    gc.enable()


def _filled(reader: Connection[Any], writer: Connection[Any], chosen: Sequence[type[ReadModel]]) -> float:
    cut = Cut(head(reader))
    begun = [(builds.begin(writer, model), cut) for model in chosen]
    mirrors = [new for new in begun if new[0].declared.spec.mirrors_entries]
    parts = [Part(build, 0, 1, cut) for build, _ in begun if (build, cut) not in mirrors]
    began = time.perf_counter()
    with Beside.like(writer) as beside:
        if mirrors:
            beside.do(lambda connection: mirroring.fill(connection, mirrors))
        if parts:
            fill_by(reader, writer, parts)
    took = time.perf_counter() - began
    for model in chosen:
        builds.discard_unfinished(writer, model)
    return took


def _rebuilt(
    reader: Connection[Any], writer: Connection[Any], chosen: Sequence[type[ReadModel]], hands: Hands | None
) -> None:
    assert len(list(rebuilding.make_all(reader, writer, chosen, hands=hands))) == len(chosen)


def apart(url: str) -> tuple[float, int]:
    """Rebuild all in a process of its own; gives the seconds it took and its peak memory in megabytes."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as executor:
        return executor.submit(_rebuild_all, url).result()


def _rebuild_all(url: str) -> tuple[float, int]:
    with database.connect(url, Duty.PROJECTOR) as reader, database.connect(url, Duty.PROJECTOR) as writer:
        began = time.perf_counter()
        _rebuilt(reader, writer, list(models().values()), None)
        took = time.perf_counter() - began
    # Of this program alone: what getrusage tells begins with the memory of the one that started it.
    found = PEAK.search(Path("/proc/self/status").read_text())
    return took, int(found[1]) // 1024 if found else 0


def simulated(url: str, entries: int) -> None:
    """Enter a world of about so many entries."""
    with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
        customers = entries // ENTRIES_OF_ONE
        world = World(customers=customers, months=24, seed=1, until=datetime(2026, 7, 1, tzinfo=UTC))
        simulate(connection, Vault(pool, MASTER_KEY, "bench"), world)
    with database.connect(url) as admin:
        admin.execute("VACUUM ANALYZE ledger.entries")


def _entries(connection: Connection[Any], chosen: Sequence[type[ReadModel]]) -> int:
    row = connection.execute("SELECT count(*) FROM ledger.entries WHERE type = ANY(%s)", (_types(chosen),)).fetchone()
    assert row is not None
    return int(row[0])


def _types(chosen: Sequence[type[ReadModel]]) -> list[str]:
    return sorted({kind.type_name for model in chosen for kind in folds(model)})
