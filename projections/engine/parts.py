"""Parts of a rebuild: the keys of a model in shares that are folded apart, one after the other or side by side.

Every part reads only the entries that concern its keys. A key belongs to one part by a rule that SQL and Python apply
alike, so the rows are the same however many parts there are. Of a model that flows, such as a feed, which has a row for
each entry, a part is a run of positions, and its rows are written as it goes; of any other model it is the keys of one
hash, whose rows are held in memory until all its entries are folded.
"""

import hashlib
from collections.abc import Sequence
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection, sql

from domain.event import ENVELOPE

from .builds import Build
from .corrections import Corrections, follows_merges
from .cut import Cut
from .hints import optional
from .model import ReadModel, columns, envelope_needed, folds, of_types

ROWS_MAX = 500_000
"""Why: the rows of some hundred megabytes are held in memory together, by each process."""
HASHED = 65_536
"""How many values the hash of a key may have: two bytes."""
HASHABLE = (UUID, int, str)
"""Types of keys that SQL and Python write alike; a model with another one is not split."""

CERTIFIED = (
    "SELECT certified_rows, certified_position FROM books.builds"
    " WHERE model = %s AND state = 'serving' AND certified_position > 0"
)
CONCERNED = "SELECT count(*) FROM ledger.entries WHERE position <= %s AND type = ANY(%s)"


class Part(NamedTuple):
    """One share of the keys of a build, of a ledger that ends at a cut; it can be sent to another process."""

    build: Build
    number: int
    """Which, from 0."""
    of: int
    cut: Cut

    @property
    def model(self) -> type[ReadModel]:
        """The model that is built."""
        return self.build.declared

    def owns(self, key: Any) -> bool:
        """Whether a key belongs to the part."""
        if self.is_whole:
            return True
        digest = hashlib.sha256(str(key).encode()).digest()
        return int.from_bytes(digest[:2]) % self.of == self.number

    def positions(self) -> range:
        """The positions of the entries that the part reads."""
        head = self.cut.position
        if not self.model.spec.flows:
            return range(1, head + 1)
        return range(head * self.number // self.of + 1, head * (self.number + 1) // self.of + 1)

    def fields(self) -> frozenset[str]:
        """The envelope fields that are read."""
        told = {"stream_version"} if self.model.spec.flows else set()
        return envelope_needed(self.model) | told | ({"occurred_at"} if self.cut.occurred_until else set())

    @property
    def is_whole(self) -> bool:
        """Whether the part takes all entries of its types between its positions."""
        return self.of == 1 or self.model.spec.flows

    def types(self) -> set[str]:
        """The types of the entries that are read."""
        return {kind.type_name for kind in folds(self.model)}

    def concerned(self, known: Corrections) -> sql.Composable:
        """The condition under which an entry between the part's positions may concern it."""
        if self.is_whole:
            return of_types(self.types())
        kinds: dict[str, set[str]] = {}
        for kind, handlers in folds(self.model).items():
            for handler in handlers:
                kinds.setdefault(handler.key, set()).add(kind.type_name)
        concerned = [
            sql.SQL("({} AND {})").format(of_types(types), self._owned(field, known))
            for field, types in sorted(kinds.items())
        ]
        return sql.SQL("({})").format(sql.SQL(" OR ").join(concerned))

    def _owned(self, field: str, known: Corrections) -> sql.Composable:
        """The condition under which an entry may concern the part by the key in ``field``."""
        key: sql.Composable = sql.Identifier(field) if field in ENVELOPE else sql.SQL("data ->> {}").format(field)
        condition = sql.SQL(
            "(SELECT (get_byte(h.hash, 0) * 256 + get_byte(h.hash, 1)) % {of} = {number}"
            " FROM (SELECT sha256(convert_to(({key})::text, 'UTF8')) AS hash) h)"
        ).format(of=self.of, number=self.number, key=key)
        # What an amendment states anew may be the key itself, and a merged customer's entries count for another.
        others = []
        if field not in ENVELOPE and known.changes:
            others.append(sql.SQL("position = ANY({})").format(sorted(known.changes)))
        if field == "customer_id" and follows_merges(self.model) and known.links:
            others.append(sql.SQL("customer_id = ANY({})").format(known.links.absorbed()))
        return sql.SQL("({})").format(sql.SQL(" OR ").join([condition, *others]))


class Whole(NamedTuple):
    """A build to be filled, up to which cut, and how many rows that holds in memory."""

    build: Build
    cut: Cut
    rows: int


def parts(build: Build, cut: Cut, rows: int, processes: int = 1) -> list[Part]:
    """The parts to fold apart: as many as there are processes, and as keep the rows of each within memory."""
    model = build.declared
    number = max(processes, 1 if model.spec.flows else -(-rows // ROWS_MAX))
    if optional(columns(model)[model.spec.key])[0] not in HASHABLE:
        number = 1
    return [Part(build, n, number, cut) for n in range(min(number, HASHED))]


def rows_held(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> int:
    """How many rows a whole model holds in memory at most, as far as that can be told beforehand.

    In business-time order the entries are held as well, to be sorted.
    """
    if model.spec.flows:
        return 0
    found = connection.execute(CERTIFIED, (model.spec.name,)).fetchone()
    if found and model.spec.order_by == "position":
        rows, position = found
        return int(rows * max(cut.position, position) // position)
    return entries_concerned(connection, model, cut)


def entries_concerned(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> int:
    """How many entries a model folds."""
    row = connection.execute(CONCERNED, (cut.position, [kind.type_name for kind in folds(model)])).fetchone()
    assert row is not None
    return int(row[0])


def shared_out(whole: Sequence[Whole], processes: int) -> list[list[Part]]:
    """The parts of several builds, as lists of what is folded together.

    The ledger is read once for all parts of a list, so where there are several models none is split that need not be.
    """
    if len(whole) == 1:
        return [[part] for part in parts(*whole[0], processes)]
    lists: list[list[Part]] = [[] for _ in range(processes)]
    held, apart = [0] * processes, []
    for build, cut, rows in sorted(whole, key=lambda each: -each.rows):
        least = held.index(min(held))
        if build.declared.spec.flows:
            for its, part in zip(lists, parts(build, cut, rows, processes), strict=True):
                its.append(part)
        elif held[least] + rows <= ROWS_MAX:
            lists[least] += parts(build, cut, rows)
            held[least] += rows
        else:
            apart += [[part] for part in parts(build, cut, rows)]
    return [each for each in lists if each] + apart
