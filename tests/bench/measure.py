"""What a benchmark gives, and how it is printed."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple
from uuid import uuid4

from psycopg import conninfo, sql

from ledger import database, embedded, migrate


class Result(NamedTuple):
    """One line: the work and the yardstick in units per second, and the ratio that is aimed at."""

    work: str
    ours: float
    yardstick: str
    theirs: float
    aim: str

    def __str__(self) -> str:
        return (
            f"{self.work:<54}{_grouped(self.ours):>10}/s   {self.yardstick:<52}{_grouped(self.theirs):>10}/s"
            f"   {self.ours / self.theirs:>7.2f}×   {self.aim}"
        )


def _grouped(value: float) -> str:
    return f"{value:,.0f}".replace(",", " ")


def rate(units: int, work: Callable[[], object]) -> float:
    """Units per second of one run of the work."""
    began = time.perf_counter()
    work()
    return units / (time.perf_counter() - began)


def alternating(runs: int, ours: Callable[[], float], theirs: Callable[[], float]) -> tuple[float, float]:
    """Medians of several runs of both, taken in turn, since the machine's speed drifts."""
    pairs = [(ours(), theirs()) for _ in range(runs)]
    return statistics.median(pair[0] for pair in pairs), statistics.median(pair[1] for pair in pairs)


@contextmanager
def server() -> Iterator[str]:
    """A PostgreSQL of the benchmark's own, removed afterwards."""
    with TemporaryDirectory(prefix="daybook-bench-") as home:
        Path(home).chmod(0o755)
        yield embedded.start(Path(home))


@contextmanager
def fresh_database(server_url: str) -> Iterator[str]:
    """A migrated database of its own."""
    name = f"bench_{uuid4().hex[:12]}"
    with database.connect(server_url) as admin:
        admin.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
        url = conninfo.make_conninfo(server_url, dbname=name)
        with database.connect(url) as connection:
            migrate.migrate(connection)
        yield url
        admin.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))
