"""Retrying: keys that are set aside are folded anew, and those that fold now go on with all that came meanwhile."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from psycopg import Connection

from . import builds, posting, quarantine
from .checking import key_of
from .cut import Cut
from .keeping import keep
from .model import models
from .quarantine import Aside, Quarantine

AT_ONCE_MAX = 100
"""Why: posting waits while so many are folded anew, which takes a fraction of a second."""


class Retried(NamedTuple):
    """One key that was set aside, after it was tried again."""

    model: str
    key: str
    failing: Aside | None
    """Where it fails now; ``None`` for a key that was let go."""


def retry(connection: Connection[Any], keys: Sequence[Aside]) -> Iterator[Retried]:
    """Fold the keys anew, as far as their builds stand, and let those go on that fail no more.

    It is done with the fold that made the build: that helps where a fold failed because of what it rests on. A model
    whose own fold was mended is built anew.
    """
    for name in sorted({aside.model for aside in keys}):
        of_model = [aside.key for aside in keys if aside.model == name]
        for first in range(0, len(of_model), AT_ONCE_MAX):
            yield from _retry(connection, name, of_model[first : first + AT_ONCE_MAX])


def _retry(connection: Connection[Any], name: str, keys: Sequence[str]) -> list[Retried]:
    with connection.transaction():
        # Nobody posts until this is done, so the rows stand where the build does.
        build = posting.ours(builds.serving(connection, lock=True)).get(name)
        if build is not None:
            model, aside = models()[name], Quarantine(connection, build)
            anew = [key_of(model, key) for key in keys if aside.holds(key)]
            keep(connection, build, anew, Cut(build.position))
        failing = {(each.model, each.key): each for each in quarantine.listed(connection)}
    return [Retried(name, key, failing.get((name, key))) for key in keys]
