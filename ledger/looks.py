"""Who looked: what was opened of whom, by whom and what for, is entered in the ledger itself, beside what was written.

Readers do not wait for it. What they opened is kept in memory and entered a moment later, many looks in one
transaction. A clean stop enters all of it; a crash loses the looks of the last ``ENTERED_EVERY_S`` seconds at most,
and those that were being entered.
"""

import threading
import time
from base64 import b64decode
from collections import deque
from collections.abc import Callable, Collection, Iterable, Sequence
from contextlib import suppress
from datetime import datetime
from typing import NamedTuple
from uuid import UUID, uuid4

from domain.command import Actor, Context
from domain.look import TAKING, Look, LookPurpose
from domain.vocabulary import NAME_MAX

from .vault import PREFIX

ENTERED_EVERY_S = 1.0
"""Why: the most that a crash may lose, and rare enough that a busy server enters many looks together."""
SAME_FOR_S = 3_600.0
"""Why: whoever reads a page again and again looks once; an hour is what an inquiry asks for."""
WAITING_MAX = 10_000
"""Why: some megabytes, far more than is looked at in a second of the busiest reading; beyond it whoever looks has to
see to it that what waits is entered, so that nothing goes on being seen while nothing can be entered."""
REMEMBERED_MAX = 200_000
"""Why: some 50 MB of who saw what within the hour; beyond it a look may be entered once more."""

SUBJECT = slice(len(PREFIX), len(PREFIX) + 22)
"""The characters of a sealed value that tell its subject; the last of them tells a little of the stream, too."""


class Opened(NamedTuple):
    """What one person opened at one moment, and whose it was."""

    at: datetime
    actor: Actor
    purpose: LookPurpose
    fields: Collection[tuple[str, str]]
    """The fields that were opened, each with the characters that tell of whom; what was sealed is not kept."""
    subjects: Sequence[UUID] = ()
    taken: str | None = None


class Looks:
    """Takes note of looks and enters them; thread-safe. Call :meth:`close` to enter what is waiting."""

    def __init__(
        self,
        enter: Callable[[Sequence[Look]], None],
        now: Callable[[], datetime],
        every_s: float | None = ENTERED_EVERY_S,
    ) -> None:
        """Enter looks by ``enter``, every so many seconds, or only when told to."""
        self._enter, self._now = enter, now
        self._waiting: deque[Opened] = deque()
        self._looks: list[Look] = []
        self._seen: dict[tuple[object, ...], float] = {}
        self._entering, self._closing = threading.Lock(), threading.Event()
        self._thread: threading.Thread | None = None
        if every_s is not None:
            self._thread = threading.Thread(target=self._run, args=(every_s,), name="looks", daemon=True)
            self._thread.start()

    def note(
        self,
        actor: Actor,
        purpose: LookPurpose,
        values: Sequence[tuple[str, str]],
        *,
        subjects: Iterable[UUID] = (),
        taken: str | None = None,
    ) -> None:
        """Take note of sealed values that were opened, and of what was ``taken``, of which subjects.

        Where too much is waiting it is entered first; raises what entering raises, and then nothing may be shown.
        """
        whose = tuple(set(subjects)) if purpose in TAKING else ()
        if values or whose:
            if self.is_full:
                self.enter()
            fields = dict.fromkeys([(field, sealed[SUBJECT]) for field, sealed in values])
            self._waiting.append(Opened(self._now(), actor, purpose, fields, whose, taken and taken[:NAME_MAX]))

    @property
    def is_full(self) -> bool:
        """Whether so much is waiting that the next look has to wait until it is entered."""
        return len(self._waiting) + len(self._looks) >= WAITING_MAX

    def enter(self) -> None:
        """Enter what is waiting; raises what entering raises, and then it waits on, under the same command ids."""
        with self._entering:
            while self._waiting:
                self._looks += self._told(self._waiting.popleft())
            if self._looks:
                self._enter(self._looks)
                self._looks = []

    def close(self) -> None:
        """Enter what is waiting and stop; a second call does nothing."""
        self._closing.set()
        if self._thread:
            self._thread.join()
        self.enter()

    def _run(self, every_s: float) -> None:
        while not self._closing.wait(every_s):
            # Whatever it is that keeps it from being entered, it waits on and is tried again.
            with suppress(Exception):
                self.enter()

    def _told(self, opened: Opened) -> list[Look]:
        """The looks that something was seen in for the first time within the hour, one for each subject."""
        found: dict[UUID, set[str]] = {}
        what = (opened.actor, opened.purpose, opened.taken)
        for field, told in opened.fields:
            subject = b64decode(f"{told}==", altchars=b"-_")
            if self._is_fresh((*what, subject, field)):
                found.setdefault(UUID(bytes=subject), set()).add(field)
        for subject_id in opened.subjects:
            if self._is_fresh((*what, subject_id)):
                found.setdefault(subject_id, set())
        return [_look(opened, subject_id, sorted(fields)) for subject_id, fields in found.items()]

    def _is_fresh(self, seen: tuple[object, ...]) -> bool:
        at = time.monotonic()
        if at - self._seen.get(seen, -SAME_FOR_S) < SAME_FOR_S:
            return False
        if len(self._seen) >= REMEMBERED_MAX:
            self._seen.clear()
        self._seen[seen] = at
        return True


def _look(opened: Opened, subject_id: UUID, fields: list[str]) -> Look:
    context = Context(at=opened.at, actor=opened.actor, command_id=uuid4())
    fact = Look.Recorded(purpose=opened.purpose, subject_id=subject_id, fields=fields, taken=opened.taken)
    return Look.record(context, uuid4(), fact)
