"""Watching: the projector looks at a few of the rows it posted every now and then, whether they are still right."""

import secrets
import time
from collections.abc import Callable
from typing import Any

from psycopg import Connection, errors

from . import alarms, builds, posting
from .checking import at_random, check, key_of
from .model import ReadModel, models

LOOK_S = 2.0
"""Why: a few reads every other second are not felt, and tens of thousands of rows are looked at in a day."""
LOOK_MS_MAX = 500
"""Why: posting waits while a row is looked at; one that takes longer is left to ``daybook spot-check``."""
AGAIN_MAX = 10
"""Why: so many alarms are looked at again in a turn; where there are more, they take turns."""


class Watch:
    """Looks at a few rows every now and then, and again at those that raised an alarm."""

    def __init__(self, notice: Callable[[str], None]) -> None:
        """Tell ``notice`` of each new alarm."""
        self._notice, self._looked_at = notice, float("-inf")

    def look(self, connection: Connection[Any]) -> None:
        """Look at a random entry and a random row of a random model, and at some alarms, if it is time to."""
        if time.monotonic() - self._looked_at < LOOK_S:
            return
        self._looked_at = time.monotonic()
        known = sorted(posting.ours(builds.serving(connection)))
        if known:
            self._check(connection, models()[secrets.choice(known)], None)
        alarmed = [alarm for alarm in alarms.listed(connection) if alarm.model in known]
        for alarm in secrets.SystemRandom().sample(alarmed, min(AGAIN_MAX, len(alarmed))):
            self._check(connection, models()[alarm.model], alarm.key)

    def _check(self, connection: Connection[Any], model: type[ReadModel], key: str | None) -> None:
        choose = at_random(model, 1) if key is None else lambda _connection, _build: [key_of(model, key)]
        try:
            checked = check(connection, model, choose, LOOK_MS_MAX)
        except errors.QueryCanceled:
            return
        for each in checked.fresh:
            differs = ", ".join(alarms.differing(each))
            self._notice(
                f"{model.spec.name} {each.key} is not what its entries up to {checked.position} fold to ({differs})."
                f" Run: daybook spot-check {model.spec.name}"
            )
