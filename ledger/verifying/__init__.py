"""Verifying the ledger: every row hashed again from its columns, against everything that was ever sealed of it.

The rows are read once, in order, in a bounded piece of memory, all as they stand at one moment. Of them the tree is
built anew, and compared with the stored leaves, the tiles, every checkpoint, and copies kept elsewhere.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from psycopg import Connection

from .. import merkle
from ..merkle import TILE, TILE_HEIGHT
from . import sealed
from .ahead import Readers, pieces
from .comparing import Tiles, name_columns
from .findings import Finding, Findings, Kind
from .growing import Growing
from .guards import unguarded
from .records import check_records, last_there
from .rows import BLOCK, Block
from .sealed import Anchor, Trust
from .shape import check_shape

__all__ = [
    "Finding",
    "Findings",
    "Kind",
    "Readers",
    "Report",
    "Trust",
    "Verified",
    "examine",
    "last_verified",
    "remember",
    "verify",
]

PIECE = 64
"""Why: so many tiles are 16 384 entries; what was sealed of them is read in one statement and is held at once."""

GIVEN_UP_MAX = 10_000
"""Why: a ledger with so many faults is not the one that was sealed, and reading on says no more about it."""

LAST = "SELECT verified_at, size, root FROM seals.verifications ORDER BY verified_at DESC LIMIT 1"
REMEMBER = "INSERT INTO seals.verifications (size, root) VALUES (%s, %s)"

Advance = Callable[[int, int | None], None]


class Verified(NamedTuple):
    """Up to where the ledger was verified before, and the root it had."""

    at: datetime
    size: int
    root: bytes


class Report(NamedTuple):
    """What a verification looked at, and what it found."""

    head: int
    """How many entries there are."""
    since: int
    """Those up to here were verified before, and not hashed again."""
    sealed: int
    """How many entries the last checkpoint covers."""
    root: bytes | None
    """The root of that checkpoint."""
    checkpoints: int
    cosignatures: int
    copies: int
    keys_given: bool
    """Whether signatures were checked against keys from elsewhere than the database."""
    findings: Findings
    unguarded: Sequence[str]
    """The tables that would take a change, since what refuses it was taken away."""


def last_verified(connection: Connection[Any]) -> Verified | None:
    """The last verification that found nothing; ``None`` where there was none yet."""
    row = connection.execute(LAST).fetchone()
    return Verified(*row) if row else None


def remember(connection: Connection[Any], report: Report) -> None:
    """Keep that the ledger was verified up to its last checkpoint, for the next time."""
    if report.root is not None and report.findings.counted == 0 and report.keys_given:
        connection.execute(REMEMBER, (report.sealed, report.root))


def verify(
    connection: Connection[Any],
    trust: Trust,
    *,
    copies: Path | None = None,
    since: Verified | None = None,
    readers: Readers | None = None,
    advance: Advance = lambda _done, _total: None,
) -> Report:
    """Verify the whole ledger, or what was entered ``since`` it was verified last.

    ``copies`` is a folder of checkpoints that was kept apart from the database; ``readers`` hash in other processes.
    """
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        return examine(connection, trust, copies=copies, since=since, readers=readers, advance=advance)


def examine(
    connection: Connection[Any],
    trust: Trust,
    *,
    copies: Path | None = None,
    since: Verified | None = None,
    readers: Readers | None = None,
    advance: Advance = lambda _done, _total: None,
) -> Report:
    """Verify as :func:`verify` does, within the transaction that is open, which should see one moment."""
    findings = Findings()
    if not check_shape(connection, findings):
        return Report(0, 0, 0, None, 0, 0, 0, bool(trust.keys), findings, unguarded(connection))
    last, told = last_there(connection, findings), sealed.copies(copies, trust, findings) if copies else []
    work = _Work(connection, trust, findings, last, _usable(connection, since, trust, findings, last), advance)
    work.anchors += sealed.check_kept(connection, told, last, findings)
    work.tiles(readers)
    check_records(connection, last, work.since, findings)
    cosignatures = sealed.check_cosignatures(connection, work.since, findings)
    name_columns(connection, findings, work.compared.sealed_leaves)
    findings.sort()
    size, root = work.sealed
    return Report(
        head=last,
        since=work.since,
        sealed=size,
        root=root,
        checkpoints=work.checkpoints,
        cosignatures=cosignatures,
        copies=len(told),
        keys_given=bool(trust.keys),
        findings=findings,
        unguarded=unguarded(connection),
    )


def _usable(
    connection: Connection[Any], since: Verified | None, trust: Trust, findings: Findings, last: int
) -> Verified | None:
    """What was verified before, where it was signed and the tree still begins with it; else all is verified anew."""
    if since is None:
        return None
    try:
        signed = sealed.signed_root(connection, since.size, trust)
        if since.size <= last and merkle.root(connection, since.size) == since.root == signed:
            return since
    except merkle.TreeBroken:
        pass
    text = f"The tree of {since.size} entries is not the one that was verified on {since.at:%Y-%m-%d}."
    findings.add(Kind.TREE_DIFFERS, 1, text, until=since.size)
    return None


class _Work:
    """One pass over the rows."""

    def __init__(
        self,
        connection: Connection[Any],
        trust: Trust,
        findings: Findings,
        last: int,
        verified: Verified | None,
        advance: Advance,
    ) -> None:
        self.connection, self.trust, self.findings, self.last, self.advance = connection, trust, findings, last, advance
        self.since = verified.size if verified else 0
        # The tile that was not full then is hashed again as a whole.
        self.begun = self.since - self.since % TILE
        self.anchors: list[Anchor] = []
        if verified:
            self.anchors.append(Anchor(verified.size, verified.root, f"the verification of {verified.at:%Y-%m-%d}"))
        self.checkpoints, self.sealed = 0, _last_sealed(connection)
        self.compared = Tiles(connection, findings, Growing(self._pending()), self.begun)
        # The one before it is looked for among those that follow what was verified.
        self.before = self._before()

    def tiles(self, readers: Readers | None) -> None:
        """Compare all tiles, those that are not full included."""
        firsts = range(self.begun, self.last, PIECE * TILE)
        spans = [(first + 1, min(first + PIECE * TILE, self.last)) for first in firsts]
        for (first, end), read in zip(spans, pieces(self.connection, spans, readers), strict=True):
            self._piece(first - 1, end, read)
            self.advance(end - self.begun, self.last - self.begun)
            if self.findings.counted > GIVEN_UP_MAX:
                break
        beyond = sealed.checkpoints(self.connection, self.last, 2**62)
        for issued in beyond:
            text = f"{issued.size} entries were sealed, and there are {self.last}."
            self.findings.add(Kind.POSITION_MISSING, self.last + 1, text, until=issued.size)
        self.compared.judged()

    def _piece(self, first: int, end: int, read: Sequence[Block]) -> None:
        """Compare the tiles of the entries after ``first``, up to ``end``, which were ``read``."""
        after = -(-end // TILE)
        stored = sealed.tiles(self.connection, 0, first // TILE, after)
        issued = sealed.checkpoints(self.connection, first, end)
        anchors = [anchor for anchor in self.anchors if first < anchor.size <= end]
        for each in issued:
            if each.size <= self.since:
                continue
            self.checkpoints += 1
            if anchor := sealed.check_issued(each, self.before, self.trust, self.findings):
                anchors.append(anchor)
            self.before = each.size
        anchors.sort()
        for index in range(first // TILE, after):
            start, last = index * TILE, min((index + 1) * TILE, end)
            self._check_there(index, stored)
            self.compared.take(
                index,
                read[(start - first) // BLOCK : -(-(last - first) // BLOCK)],
                stored.get(index),
                [each for each in issued if start < each.size <= last],
                [each for each in anchors if start < each.size <= last],
                last,
            )

    def _check_there(self, index: int, stored: dict[int, sealed.StoredTile]) -> None:
        for level in range(TILE_HEIGHT):
            width = TILE ** (level + 1)
            end = (index + 1) * TILE
            if end % width:
                break
            found = stored.get(index) if level == 0 else self._tile(level, end // width - 1)
            first, full = end - width + 1, end <= self.sealed[0]
            if full and found is None:
                text = f"The tile {end // width - 1} of level {level} is not there."
                self.findings.add(Kind.TILE_MISSING, first, text, until=end)
            elif found is not None and not full:
                text = f"The tile {end // width - 1} of level {level} is there, though no checkpoint covers it."
                self.findings.add(Kind.TILE_ALTERED, first, text, until=end)

    def _tile(self, level: int, index: int) -> sealed.StoredTile | None:
        return sealed.tiles(self.connection, level, index, index + 1).get(index)

    def _pending(self) -> Sequence[bytes]:
        """The roots of the tiles verified before that are in no full tile of the level above."""
        found, level = [], 0
        while full := self.begun >> TILE_HEIGHT * (level + 1):
            roots = sealed.tiles(self.connection, level, full - full % TILE, full)
            found.append(b"".join(roots[index].root for index in sorted(roots)))
            level += 1
        return found

    def _before(self) -> int:
        query = "SELECT coalesce(max(size), 0) FROM seals.checkpoints WHERE size <= %s"
        row = self.connection.execute(query, (self.since,)).fetchone()
        return int(row[0]) if row else 0


def _last_sealed(connection: Connection[Any]) -> tuple[int, bytes | None]:
    row = connection.execute("SELECT size, root FROM seals.checkpoints ORDER BY size DESC LIMIT 1").fetchone()
    return (row[0], row[1]) if row else (0, None)
