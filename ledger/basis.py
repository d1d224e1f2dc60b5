"""What commands are decided on: histories, read once and kept, and the promise that they still stand as read."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable
from uuid import UUID

from domain.event import Event

History = tuple[Event, ...]
"""The entries of one stream, in order, opened."""

STREAMS_KEPT_MAX = 5_000
"""Why: the customers and cases of a busy hour; some 10 MB at the usual handful of entries each."""
ENTRIES_KEPT_MAX = 50
"""Why: a longer history is rare, and would let a few streams take the memory of all others."""


class Histories:
    """The histories read or written last. They may be out of date: whoever decides by one has the ledger check it.

    What is kept is no more than the vault keeps keys for: personal text in clear, in this process only.
    """

    def __init__(self, read: Callable[[UUID], History]) -> None:
        """Read through ``read`` what is not kept."""
        self._read = read
        self._kept: OrderedDict[UUID, History] = OrderedDict()
        self._lock = threading.Lock()
        self.cleared = 0
        """How often all was let go."""

    def kept(self, stream_id: UUID) -> History | None:
        """The history as it stood when it was last read or written here; ``None`` when it is not kept."""
        return self._kept.get(stream_id)

    def read(self, stream_id: UUID) -> History:
        """The history as it stands in the ledger; empty where there is none."""
        cleared = self.cleared
        history = self._read(stream_id)
        self.keep(stream_id, history, cleared)
        return history

    def keep(self, stream_id: UUID, history: History, cleared: int) -> None:
        """Keep a history, and let the one kept longest go where there are too many.

        Not one that was read or decided on before all was ``cleared`` again: it may tell of a person who was erased.
        """
        with self._lock:
            self._kept.pop(stream_id, None)
            if len(history) <= ENTRIES_KEPT_MAX and cleared == self.cleared:
                self._kept[stream_id] = history
            if len(self._kept) > STREAMS_KEPT_MAX:
                self._kept.popitem(last=False)

    def forget(self, streams: Iterable[UUID]) -> None:
        """Keep those histories no longer."""
        with self._lock:
            for stream_id in streams:
                self._kept.pop(stream_id, None)

    def clear(self) -> None:
        """Keep no history any longer: a person was erased, and who knows where they were spoken of."""
        with self._lock:
            self.cleared += 1
            self._kept.clear()


class Basis:
    """The histories one command is decided on, with the versions they must still have when it is entered."""

    def __init__(self, histories: Histories, *, afresh: bool) -> None:
        """Take kept histories where there are such, or read every one ``afresh``."""
        self._histories, self._afresh = histories, afresh
        self._cleared = histories.cleared
        self.versions: dict[UUID, int] = {}
        self.from_memory = False
        """Whether any of it may be out of date."""

    def history(self, stream_id: UUID) -> History:
        """One stream's history; empty where there is none."""
        history = None if self._afresh else self._histories.kept(stream_id)
        if history is None:
            history = self._histories.read(stream_id)
        else:
            self.from_memory = True
        self.versions[stream_id] = history[-1].stream_version if history else 0
        return history

    def entered(self, stream_id: UUID, events: History) -> None:
        """Keep what was entered on this basis, unless the history it continues is kept no more."""
        before = self._histories.kept(stream_id) or ()
        if events[0].stream_version == (before[-1].stream_version if before else 0) + 1:
            self._histories.keep(stream_id, before + events, self._cleared)

    def forget(self) -> None:
        """Keep none of it any longer: it was out of date."""
        self._histories.forget(self.versions)
