"""Parts of a rebuild: the keys of a model in shares that are folded apart, one after the other or side by side.

Every part reads only the entries that concern its keys, and holds only their rows in memory. A key belongs to one part
by a rule that SQL and Python apply alike, so the rows are the same however many parts there are.
"""

import hashlib
import os
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple
from uuid import UUID

from psycopg import Connection, sql

from domain.event import ENVELOPE
from ledger.database import Duty, connect
from ledger.reading import copy_lines, decoded_lines, line

from . import posting, table
from .builds import Build
from .corrections import Corrections, corrections, follows_merges
from .cut import Cut
from .folding import Step, fold_steps, steps
from .model import ReadModel, envelope_needed, folds, models
from .quarantine import Quarantine

ENTRIES_MAX = 500_000
"""Why: the rows that so many entries make take some hundred megabytes, and reading a part takes seconds."""
HASHED = 65_536
"""How many values the hash of a key may have: two bytes."""

Told = Callable[[int], None]
"""Told how many entries were folded since it was last told."""


class Part(NamedTuple):
    """One share of a model's keys, of a ledger that ends at a cut."""

    number: int
    """Which, from 0."""
    of: int
    cut: Cut

    def owns(self, model: type[ReadModel], key: Any) -> bool:
        """Whether a key belongs to the part."""
        if self.of == 1:
            return True
        if model.spec.key == "position":
            first, last = self.positions()
            return bool(first <= key <= last)
        digest = hashlib.sha256(str(key).encode()).digest()
        return int.from_bytes(digest[:2]) % self.of == self.number

    def positions(self) -> tuple[int, int]:
        """The first and the last position that belong to the part, where positions are the keys."""
        step = self.cut.position // self.of + 1
        return self.number * step + 1, (self.number + 1) * step


def load(url: str, name: str, build: Build, part: Part) -> int:
    """Fold a part of a model into the table of a build, in a process of its own; gives how many entries it took.

    All arguments can be sent to another process or machine.
    """
    from projections import catalogue  # noqa: F401  (fills the catalogue where the process is a new one)

    read = 0

    def told(entries: int) -> None:
        nonlocal read
        read += entries

    with connect(url, Duty.PROJECTOR) as reader, connect(url, Duty.PROJECTOR) as writer:
        fold_part(reader, writer, models()[name], build, part, told)
    return read


def fold_part(
    reader: Connection[Any], writer: Connection[Any], model: type[ReadModel], build: Build, part: Part, told: Told
) -> None:
    """Fold a part of a model into the table of a build; all of it or nothing."""
    rows: dict[Any, ReadModel] = {}
    anew: set[Any] = set()
    known = corrections(reader, part.cut.position)
    with writer.transaction():
        for lines in copy_lines(reader, _entries(model, part, known)):
            entries = decoded_lines(lines)
            fold_steps(model, rows, _own(model, part, known, entries), anew, from_the_first=True)
            told(len(entries))
        posting.keep(writer, model, build, rows, anew, part.cut, Quarantine(writer, build), table.load)


def _own(model: type[ReadModel], part: Part, known: Corrections, entries: list[Any]) -> Iterator[Step]:
    todo = steps(model, known.applied(model, entries), part.cut.occurred_until)
    if part.of == 1:
        return todo
    owned: dict[Any, bool] = {}

    def owns(key: Any) -> bool:
        if key not in owned:
            owned[key] = part.owns(model, key)
        return owned[key]

    return (step for step in todo if owns(step.key))


def _entries(model: type[ReadModel], part: Part, known: Corrections) -> sql.Composed:
    """The statement for the entries of a part, in the order in which the model folds them."""
    kinds: dict[str, list[str]] = {}
    for kind, handlers in folds(model).items():
        for handler in handlers:
            kinds.setdefault(handler.key, []).append(kind.type_name)
    concerned = [
        sql.SQL("(type = ANY({types}) AND {owned})").format(
            types=sorted(set(types)), owned=_owned(model, field, part, known)
        )
        for field, types in sorted(kinds.items())
    ]
    return sql.SQL(
        "SELECT {line} FROM ledger.entries WHERE position <= {to} AND ({concerned}) ORDER BY {order}"
    ).format(
        line=line(envelope_needed(model)),
        to=part.cut.position,
        concerned=sql.SQL(" OR ").join(concerned),
        order=sql.SQL(", ").join(map(sql.Identifier, dict.fromkeys((model.spec.order_by, "position")))),
    )


def _owned(model: type[ReadModel], field: str, part: Part, known: Corrections) -> sql.Composable:
    """The condition under which an entry may concern the part by the key in ``field``."""
    if part.of == 1:
        return sql.SQL("true")
    key: sql.Composable = sql.Identifier(field) if field in ENVELOPE else sql.SQL("data ->> {}").format(field)
    if model.spec.key == "position":
        first, last = part.positions()
        return sql.SQL("({key})::bigint BETWEEN {first} AND {last}").format(key=key, first=first, last=last)
    owned = sql.SQL("get_byte(h.hash, 0) * 256 + get_byte(h.hash, 1)")
    condition = sql.SQL(
        "(SELECT ({owned}) % {of} = {number} FROM (SELECT sha256(convert_to(({key})::text, 'UTF8')) AS hash) h)"
    ).format(owned=owned, of=part.of, number=part.number, key=key)
    merged: list[UUID] = known.links.absorbed() if follows_merges(model) and field == "customer_id" else []
    if not merged:
        return condition
    return sql.SQL("(customer_id = ANY({merged}) OR {condition})").format(merged=merged, condition=condition)


def parts(entries: int, cut: Cut, processes: int) -> list[Part]:
    """The parts to fold apart: as many as there are processes, and as keep the rows of each within memory."""
    number = min(max(processes, -(-entries // ENTRIES_MAX)), HASHED)
    return [Part(n, number, cut) for n in range(number)]


def processes_usual() -> int:
    """How many processes are worth starting: one for each core."""
    return os.cpu_count() or 1
