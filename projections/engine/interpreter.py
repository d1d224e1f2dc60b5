"""Python's interpreter, set as folding wants it: without the collector, and with threads that take quick turns."""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

TURN_S = 0.0001
"""Why: PostgreSQL waits while the thread that has its next statement waits for its turn, usually 5 ms."""


@contextmanager
def set_to_fold() -> Iterator[None]:
    """Let threads that talk to PostgreSQL have their turn at once, and keep the collector of cycles away.

    It would go through all entries and rows again and again, which have none, and let nobody work meanwhile.
    """
    collecting, turn_s = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    sys.setswitchinterval(TURN_S)
    try:
        yield
    finally:
        sys.setswitchinterval(turn_s)
        if collecting:
            gc.enable()
