"""A ledger and its read models to be filled, posted, rebuilt and emptied again within milliseconds."""

from base64 import urlsafe_b64decode
from collections.abc import Iterable, Sequence
from contextlib import ExitStack
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import msgspec
from msgspec.structs import replace
from psycopg import sql

from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from ledger import bulk, database
from ledger.database import Duty
from ledger.reading import decoded, line
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, metric, posting, projector, rebuilding
from projections.engine.model import ReadModel, folds, models
from tests.conftest import MASTER_KEY

EMPTY = """
    DELETE FROM ledger.entries; DELETE FROM ledger.commands;
    UPDATE ledger.head SET position = 0, recorded_at = '-infinity';
    UPDATE books.lease SET holder = NULL, process = NULL, taken_at = NULL, beat_at = NULL, until = NULL;
    DELETE FROM books.alarms; DELETE FROM books.quarantine;
    DELETE FROM books.builds WHERE model <> ALL (%s) OR state <> 'serving';
    UPDATE books.builds SET position = 0"""


MARKS = ("voided_position", "amended_position")
"""What rows are found by that are marked as corrected, whenever that was told."""


class World:
    """One database with its read models; :meth:`wipe` makes it as new."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._open = ExitStack()
        self.admin = self._open.enter_context(database.connect(url))
        self.connection = self._open.enter_context(database.connect(url, Duty.PROJECTOR))
        self.reader = self._open.enter_context(database.connect(url, Duty.PROJECTOR))
        self.importer = self._open.enter_context(database.connect(url, Duty.IMPORTER))
        pool = self._open.enter_context(database.pool(url, Duty.IMPORTER, size=2))
        self.vault = Vault(pool, MASTER_KEY, "test-1")
        for connection in (self.admin, self.connection, self.importer):
            connection.execute("SET synchronous_commit = off")
        # So that the ledger can be emptied between tests, it is not append-only here.
        self.admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER append_only")
        self.admin.execute("ALTER TABLE ledger.commands DISABLE TRIGGER append_only")
        projector.prepare(url)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def wipe(self) -> None:
        """No entries, and every read model empty and at position 0."""
        with self.admin.transaction():
            every = self.admin.execute("SELECT model, state, table_name FROM books.builds").fetchall()
            for name, state, table in every:
                verb = "DELETE FROM {}" if name in models() and state == "serving" else "DROP TABLE {} CASCADE"
                self.admin.execute(sql.SQL(verb).format(sql.Identifier("books", table)))
            for statement in EMPTY.split(";"):
                self.admin.execute(statement.encode(), (list(models()),) if "%s" in statement else None)

    def enter(self, events: Sequence[Event]) -> None:
        """Enter events as an import does."""
        entered = bulk.enter(self.importer, self.vault, events)
        assert len(entered.fresh) == len(events)

    def post(self, sizes: Iterable[int] = (1_000_000,)) -> int:
        """Post in batches of the given sizes; gives how many entries were read."""
        return sum(posting.catch_up(self.connection, size) for size in sizes)

    def given(self, *events: Event) -> None:
        """Enter events and post them."""
        self.enter(events)
        self.post()

    def rebuild(self, model: type[ReadModel]) -> builds.Build:
        """Build a model anew."""
        return rebuilding.rebuild(self.reader, self.connection, model)

    def rows(self, model: type[ReadModel]) -> dict[Any, Any]:
        """The rows of a model's view, by key and in its order."""
        query = sql.SQL("SELECT row_to_json(r)::text FROM {} r ORDER BY {}").format(
            sql.Identifier("books", model.spec.name), sql.Identifier(model.spec.key)
        )
        rows = [msgspec.json.decode(text, type=model) for (text,) in self.connection.execute(query)]
        return {getattr(row, model.spec.key): row for row in rows}

    def everything(self) -> dict[str, dict[Any, Any]]:
        """The rows of every model."""
        return {name: self.rows(model) for name, model in models().items()}

    def quarantine(self) -> set[tuple[str, str, int, str]]:
        """What is set aside: model, key, position and error."""
        query = (
            "SELECT model, key, q.position, error FROM books.quarantine q JOIN books.builds USING (build_id)"
            " WHERE state = 'serving'"
        )
        return set(self.connection.execute(query).fetchall())

    def positions(self) -> dict[str, int]:
        """Where each model stands."""
        return {name: build.position for name, build in builds.serving(self.connection).items()}

    def entries(self) -> list[Event]:
        """Every entry with its whole envelope, personal text sealed."""
        query = sql.SQL("SELECT {} FROM ledger.entries ORDER BY position").format(line())
        return [decoded(text) for (text,) in self.connection.execute(query).fetchall()]

    def compute(self, name: str, at: datetime, **params: Any) -> list[Any]:
        """The rows of a metric's answer."""
        return metric.compute(self.connection, metric.metric_named(name), params, at).rows


def expected(model: type[ReadModel], entries: Sequence[Event], until: datetime | None = None) -> dict[Any, ReadModel]:
    """The rows of a model by the law itself: the entries as corrections and merges leave them, folded in order."""
    ordered, rows = model.spec.order_by == "occurred_at", dict[Any, Any]()
    for entry in as_seen(model, entries):
        for handler in folds(model).get(type(entry), ()):
            key = getattr(entry, handler.key)
            late = until and entry.occurred_at > until and handler.key not in MARKS
            if late or key is None or (handler.amends and key not in rows) or not handler.takes(key, entry):
                continue
            row = rows.setdefault(key, model(**{model.spec.key: key}))
            handler.handle(row, entry)
            if ordered:
                row.last_occurred_at = entry.occurred_at
    return {key: as_kept(row) for key, row in rows.items()}


def as_seen(model: type[ReadModel], entries: Sequence[Event]) -> list[Event]:
    """The entries as the folds of a model see them, in its order."""
    marked = {fold.key for kind in (Entry.Voided, Entry.Amended) for fold in folds(model).get(kind, ())}
    seen = list(entries)
    for entry in entries:
        if isinstance(entry, Entry.Amended) and "amended_position" not in marked:
            seen[entry.amended_position - 1] = seen[entry.amended_position - 1].amended([entry.amendment])
    gone = {key for entry in entries if isinstance(entry, Customer.Erased) for key in entry.keys}
    seen = [forgotten(entry, gone) for entry in seen]
    void = set() if "voided_position" in marked else {entry.voids for entry in entries}
    seen = [entry for entry in seen if entry.position not in void]
    into = merges(entries) if model.spec.follows_merges else {}
    for _ in into:
        seen = [replace(entry, customer_id=into.get(entry.customer_id, entry.customer_id)) for entry in seen]
    return sorted(seen, key=lambda entry: entry.occurred_at) if model.spec.order_by == "occurred_at" else seen


def forgotten(entry: Event, gone: set[UUID]) -> Event:
    """An entry without what was sealed of persons who were erased: whose that is stands in the sealed value itself."""
    sealed = {field: text for field, text in entry.payload().items() if isinstance(text, str) and text[:3] == "s1."}
    subjects = {field: UUID(bytes=urlsafe_b64decode(text[3:])[:16]) for field, text in sealed.items()}
    return replace(entry, **{field: None for field, subject in subjects.items() if subject in gone})


def merges(entries: Sequence[Event]) -> dict[Any, Any]:
    """The customers that are merged at the end of the entries, each with the one it was merged into."""
    into: dict[Any, Any] = {}
    for entry in entries:
        if isinstance(entry, Customer.Merged):
            into[entry.stream_id] = entry.survivor_id
        elif isinstance(entry, Customer.Unmerged):
            del into[entry.stream_id]
    return into


def as_kept(row: ReadModel) -> ReadModel:
    """A row as it comes back from its table."""
    return msgspec.json.decode(msgspec.json.encode(row), type=type(row))
