"""Processes that share the work of a command."""

from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context

from projections.engine.hands import end_with_parent

PROCESSES_MAX = 64
"""Why: each holds up to two connections, and PostgreSQL allows a hundred unless told otherwise."""


@contextmanager
def workers(processes: int) -> Iterator[Executor | None]:
    """An executor of so many processes, which end with this one, be it killed; ``None`` where one is enough."""
    if processes == 1:
        yield None
        return
    # Not forked: a copy of this process would share its connections.
    spawning = get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=spawning, initializer=end_with_parent) as executor:
        yield executor
