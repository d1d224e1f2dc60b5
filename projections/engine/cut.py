"""Cuts: what of the ledger counts for an answer."""

from datetime import datetime
from typing import NamedTuple


class Cut(NamedTuple):
    """Entries up to a position, and of those what had happened by an instant.

    A position alone is the ledger as it was known then. With ``occurred_until`` it is what is known at the position of
    what had happened by the instant: what happened later is left out, while corrections and merges count whenever they
    were made, since they tell of what happened before.
    """

    position: int
    occurred_until: datetime | None = None
