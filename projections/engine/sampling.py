"""Sampling: a definition tried on some customers before the whole ledger is folded by it."""

import random
import time
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection

from ledger.reading import head

from .concerned import hanging
from .cut import Cut
from .model import ReadModel
from .parts import entries_concerned
from .refolding import links_for, refold

SAMPLE_MAX = 10_000
"""Why: beyond so many customers the rebuild itself is soon done."""
TRIES = 4
"""Why: entries are drawn to find customers, and several may be of one, or of nobody."""

DRAWN = "SELECT DISTINCT customer_id FROM ledger.entries WHERE position = ANY(%s) AND customer_id IS NOT NULL LIMIT %s"


class Sample(NamedTuple):
    """The rows that some customers would have, and what they tell of a whole rebuild."""

    customers: int
    rows: Sequence[ReadModel]
    failing: Sequence[tuple[Any, int, str]]
    """Keys whose fold failed, with the position of the entry and the error."""
    entries: int
    """How many entries of those customers were folded."""
    seconds: float
    entries_in_all: int
    """How many entries a rebuild folds."""

    @property
    def rate(self) -> float:
        """How many entries were folded a second, each key by itself."""
        return self.entries / self.seconds

    @property
    def seconds_in_all(self) -> float:
        """How long a rebuild takes at most: it reads the ledger in one go, which is faster than key by key."""
        return self.entries_in_all / self.rate if self.entries else 0.0


def sample(connection: Connection[Any], model: type[ReadModel], customers: int, chance: random.Random) -> Sample:
    """Fold what concerns some customers drawn by chance; nothing is written."""
    cut = Cut(head(connection))
    drawn = _drawn(connection, cut, customers, chance)
    began = time.perf_counter()
    links = links_for(connection, model, cut)
    # Whoever was merged into another counts for that one.
    kept = {links.root(customer) for customer in drawn}
    keys, entries = hanging(connection, model, "customer_id", kept, cut, links, most=cut.position)
    found = refold(connection, model, keys, cut)
    seconds = time.perf_counter() - began
    rows = [each.row for each in found.values() if each.row is not None and each.failure is None]
    failing = [
        (key, each.failure.position, f"{type(each.failure.error).__name__}: {each.failure.error}")
        for key, each in found.items()
        if each.failure
    ]
    return Sample(len(kept), rows, failing, entries, seconds, entries_concerned(connection, model, cut))


def _drawn(connection: Connection[Any], cut: Cut, customers: int, chance: random.Random) -> list[UUID]:
    tries = min(cut.position, TRIES * customers)
    positions = chance.sample(range(1, cut.position + 1), tries) if cut.position else []
    return [customer for (customer,) in connection.execute(DRAWN, (positions, customers))]
