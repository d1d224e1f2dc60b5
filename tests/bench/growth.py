"""How the same work grows with the ledger: rebuilding, appending and answering at 10⁵, 10⁶ and 10⁷ entries."""

import asyncio
import statistics
import time
from collections.abc import Iterator

from ledger import database
from ledger.database import Duty
from ledger.reading import head
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine.model import models
from tests.bench.append import WHOLE, writing, written
from tests.bench.measure import fresh_database
from tests.bench.pages import asked, callers
from tests.bench.rebuild import apart, bare, simulated

SIZES = (100_000, 1_000_000, 10_000_000)
USUAL = 1_000_000
"""Why: ten million take most of an hour and 20 GB of disk; they are run where that is asked for."""
RUNS = 5
HEADINGS = (
    "    entries   rebuild of all   a second   bare read   peak memory   commands a second"
    "   pages «one», «list», «history»"
)


def results(server_url: str, entries: int = USUAL) -> Iterator[str]:
    """A line for each size up to so many simulated entries."""
    yield HEADINGS
    for size in SIZES:
        if size <= entries:
            with fresh_database(server_url) as url:
                simulated(url, size)
                yield grown(url)


def grown(url: str) -> str:
    """The line of a ledger that was filled; the rebuild runs in a process of its own, which tells its peak memory."""
    with database.connect(url, Duty.PROJECTOR) as reader:
        entries = head(reader)
        began = time.perf_counter()
        bare(reader, list(models().values()))
        read = time.perf_counter() - began
    took, peak = apart(url)
    with database.connect(url) as admin:
        # What the rebuild wrote is on its way to the disk for minutes else.
        admin.execute("CHECKPOINT")
    with database.pool(url, Duty.API) as pool, writing(url, pool) as (_, works):
        commands = statistics.median(written(works[WHOLE]) for _ in range(RUNS))
    shown = ", ".join(f"{ms:.1f}" for ms in asyncio.run(_pages(url)))
    return (
        f"{entries:>11}{took:>15.1f} s{entries / took:>11.0f}{read:>10.1f} s{peak:>11} MB{commands:>20.0f}   {shown} ms"
    )


async def _pages(url: str) -> list[float]:
    """How many milliseconds one caller waits for each page."""
    async with callers(url) as pages:
        return [1000 / statistics.median([await asked(ours, 1) for _ in range(RUNS)]) for _, ours, _ in pages]
