"""What a verification finds, and where."""

from enum import StrEnum
from typing import NamedTuple


class Kind(StrEnum):
    """What is wrong."""

    ROW_ALTERED = "row_altered"
    LEAF_ALTERED = "leaf_altered"
    ENTRY_ALTERED = "entry_altered"
    POSITION_MISSING = "position_missing"
    POSITION_UNKNOWN = "position_unknown"
    STREAM_BROKEN = "stream_broken"
    TIME_BACKWARDS = "time_backwards"
    HEAD_ALTERED = "head_altered"
    COMMAND_ALTERED = "command_altered"
    TILE_ALTERED = "tile_altered"
    TILE_MISSING = "tile_missing"
    TREE_DIFFERS = "tree_differs"
    CHECKPOINT_ALTERED = "checkpoint_altered"
    CHECKPOINT_MISSING = "checkpoint_missing"
    COSIGNATURE_BAD = "cosignature_bad"
    COPY_BAD = "copy_bad"
    SHAPE_ALTERED = "shape_altered"
    CERTIFICATE_WRONG = "certificate_wrong"


class Finding(NamedTuple):
    """One thing that is wrong."""

    kind: Kind
    position: int | None
    """The position it is at, or the first that may be; ``None`` where it is not about entries."""
    until: int | None
    """The last position that may be, where it is not known which."""
    what: str
    """What differs, in a sentence."""
    column: str | None = None
    """The column that was altered, where that can be proved."""


FINDINGS_MAX = 100
"""Why: who altered a thousand rows is found by the first; the rest is counted."""


class Findings:
    """What was found so far, the first of it kept and all of it counted."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.kept: list[Finding] = []
        self.counted = 0

    def add(
        self, kind: Kind, position: int | None, what: str, *, until: int | None = None, column: str | None = None
    ) -> None:
        """Keep one more, and count it."""
        self.counted += 1
        if len(self.kept) < FINDINGS_MAX:
            self.kept.append(Finding(kind, position, until, what, column))

    def sort(self) -> None:
        """Put first what is known to the position, by position, then what is known between two, then the rest."""
        kinds = list(Kind)
        self.kept.sort(
            key=lambda found: (
                found.position is None,
                found.until not in (None, found.position),
                found.position or 0,
                kinds.index(found.kind),
            )
        )

    def first(self) -> Finding | None:
        """The first of them, once they are sorted."""
        return self.kept[0] if self.kept else None
