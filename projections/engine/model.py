"""Read models: classes whose instances are rows, and whose handlers fold entries into them.

::

    class PromiseKeeping(ReadModel, key="customer_id", version=1):
        \"\"\"How well we keep what we promise each customer.\"\"\"

        customer_id: UUID
        made: int = 0

        @on(Promise.Made)
        def made_one(self, e: Promise.Made) -> None:
            self.made += 1

``fold(key, entries) → row`` is the one primitive; live posting and rebuilding only differ in where the entries come
from and where the row goes. Folds are pure: they know no clock, and hold personal data only as ciphertext.
"""

from __future__ import annotations

import hashlib
import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from functools import cache
from types import CodeType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple, TypeVar, dataclass_transform, get_type_hints
from uuid import UUID

import msgspec
from psycopg import sql

from domain import catalogue  # noqa: F401  (fills the catalogue of events)
from domain.event import ENVELOPE, Event, events, field_doc
from domain.text import described, first_sentence

from . import mirror, source

F = TypeVar("F", bound=Callable[..., None])

Sealed = Annotated[
    str, msgspec.Meta(description="Personal data, kept as ciphertext and opened at read.", extra={"sealed": True})
]
"""A sealed value as it stands in the entry; the column is named like the event's field it comes from."""

LAST = "last_occurred_at"
"""The column that tells when the last entry folded into a row happened, of models in business-time order."""

_MODELS: dict[str, type[ReadModel]] = {}


def on(*facts: type[Event], amends: str | None = None, own: bool = False) -> Callable[[F], F]:
    """Fold the given events into the row of their key; ``Event`` stands for every event.

    ``amends`` names a field of the event that holds the key of an earlier row: that row is changed if there is one,
    and none is made. With ``own`` only entries of the stream that is the key are folded: of a customer's, not those of
    customers that were merged into it.
    """

    def declare(handler: F) -> F:
        handler.folds = (facts, amends, own)  # type: ignore[attr-defined]
        return handler

    return declare


class Fold(NamedTuple):
    """One handler, the event field its row is found by, and whom it is for."""

    handle: Callable[[Any, Any], None]
    key: str
    amends: bool
    """Whether it only amends a row that is there."""
    own: bool
    """Whether it takes only entries of the stream that is the key."""

    def takes(self, key: Any, entry: Event) -> bool:
        """Whether an entry is folded into the row of a key."""
        return bool(getattr(entry, self.key) == key) and not (self.own and entry.stream_id != key)


class Spec(NamedTuple):
    """The arguments of a read-model class."""

    name: str
    """The model's name and the name of its view in the schema ``books``."""
    key: str
    """The column that is the primary key."""
    by: str
    """The event field the key is read from."""
    version: int
    """Raised whenever a fold, a column or an index changes, so that the model is built anew."""
    indexes: tuple[tuple[str, ...], ...]
    """Further indexes, each a tuple of columns."""
    begins: tuple[type[Event], ...]
    """The events that make a row, where not every one does; the others change a row that is there."""
    order_by: str
    """What entries are folded in the order of: ``position`` or ``occurred_at``."""
    follows_merges: bool
    """Whether the entries of a customer that was merged into another count for that one."""
    mirrors_entries: bool
    """Whether its rows only repeat their entries."""
    passes_over: tuple[type[Event], ...]
    """The events that a mirror does not repeat."""

    @property
    def is_feed(self) -> bool:
        """Whether the model has a row for each entry."""
        return self.by == "position"

    @property
    def flows(self) -> bool:
        """Whether its rows are soon settled: those of single entries, or of streams, which are short."""
        return self.is_feed or (self.by == "stream_id" and bool(self.begins) and self.order_by == "position")


class ModelType(msgspec.StructMeta):
    """Makes each read model a struct whose class arguments name its key, version and indexes."""

    def __new__(
        mcls,
        name: str,
        bases: tuple[type, ...],
        namespace: dict[str, Any],
        *,
        key: str = "",
        by: str = "",
        version: int = 1,
        indexes: Sequence[tuple[str, ...]] = (),
        begins: Sequence[type[Event]] = (),
        order_by: Literal["position", "occurred_at"] = "position",
        follows_merges: bool = True,
        mirrors_entries: bool = False,
        passes_over: Sequence[type[Event]] = (),
    ) -> ModelType:
        """Create the model; ``by`` is the event field the key is read from, where it has another name.

        ``begins`` names the events that make a row, where the others only change one that is there: a case whose
        opening was declared void is no case, whatever else was entered in it. With ``order_by="occurred_at"`` folds see
        entries in the order in which they happened, and one that comes late has its key folded anew; such a model
        has a column ``last_occurred_at``, which is kept for it. With ``mirrors_entries`` the columns alone say what the
        rows are: what the entries have of the same names; those of the events it ``passes_over`` are left out.
        """
        options: dict[str, Any] = {"kw_only": True}
        model: Any = super().__new__(mcls, name, bases, namespace, **options)
        if key:
            title = re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()
            model.spec = Spec(
                title,
                key,
                by or key,
                version,
                tuple(indexes),
                tuple(begins),
                order_by,
                follows_merges,
                mirrors_entries,
                tuple(passes_over),
            )
            if mirrors_entries and (key != "position" or any(hasattr(each, "folds") for each in namespace.values())):
                raise TypeError(f"{name} mirrors entries: its key must be position, and it folds nothing by itself")
            if (order_by == "occurred_at") != (LAST in model.__struct_fields__):
                raise TypeError(f"{name} must have a column {LAST} if, and only if, it is ordered by occurred_at")
            if _MODELS.setdefault(title, model) is not model:
                raise TypeError(f"the read model {title} is declared twice")
            # Here, and not in the threads that fold: msgspec 0.22 crashes where two of them meet a type at once.
            msgspec.json.Decoder(model)
        return model  # type: ignore[no-any-return]


@dataclass_transform(kw_only_default=True, field_specifiers=(msgspec.field,))
class ReadModel(msgspec.Struct, metaclass=ModelType):
    """A row of a read model; see the module's text for how one is declared."""

    spec: ClassVar[Spec]
    """What the class arguments said."""


def models() -> Mapping[str, type[ReadModel]]:
    """Every declared read model by name."""
    return _MODELS


def named(some: Sequence[type[ReadModel]]) -> str:
    """Some models for people to read: the name of one, or how many."""
    return some[0].spec.name if len(some) == 1 else f"{len(some)} read models"


@cache
def folds(model: type[ReadModel]) -> dict[type[Event], list[Fold]]:
    """The handlers of a model by event class, in order of declaration."""
    found: dict[type[Event], list[Fold]] = {}
    for handler, (facts, amends, own) in _handlers(model):
        every = (fact for fact in events().values() if fact not in model.spec.passes_over)
        for fact in every if facts == (Event,) else facts:
            only_amends = amends is not None or (model.spec.begins != () and fact not in model.spec.begins)
            found.setdefault(fact, []).append(Fold(handler, amends or model.spec.by, only_amends, own))
    return found


def _handlers(model: type[ReadModel]) -> list[tuple[mirror.Handler, mirror.Folds]]:
    """The handlers of a model with what is declared of them: its own, or those that make it a mirror."""
    if model.spec.mirrors_entries:
        return mirror.handlers(columns(model))
    return [(each, each.folds) for each in vars(model).values() if hasattr(each, "folds")]


def columns(model: type[ReadModel]) -> dict[str, Any]:
    """The columns of a model with their types, in order."""
    hints = get_type_hints(model, include_extras=True)
    return {field: hints[field] for field in model.__struct_fields__}


def column_doc(model: type[ReadModel], column: str) -> str:
    """One sentence for a column: its own docstring, its type's, or that of the envelope field of its name."""
    return described(model, column) or (field_doc(Event, column) if column in ENVELOPE else "")


def definition(model: type[ReadModel]) -> str:
    """What the model says of itself, in one sentence."""
    return first_sentence(model.__doc__)


def fingerprint(model: type[ReadModel]) -> str:
    """A digest of what decides the model's rows: its version, its class, and what of its own module that uses."""
    return hashlib.sha256(f"{model.spec.version}\n{source.digest(model)}".encode()).hexdigest()[:16]


@cache
def envelope_needed(model: type[ReadModel]) -> frozenset[str]:
    """The envelope fields a model's own methods read; no others need be fetched for it.

    They are found as attribute names in the compiled methods, so a fold must not reach into the envelope through a
    function outside its class.
    """
    handlers = [fold for each in folds(model).values() for fold in each]
    keys = {fold.key for fold in handlers} | {"stream_id" for fold in handlers if fold.own} | {model.spec.order_by}
    if model.spec.order_by == "occurred_at":
        keys |= {"stream_id", "stream_version"}
    return frozenset((names(model) | keys | {"position"}) & set(ENVELOPE))


@cache
def names(model: type[ReadModel]) -> frozenset[str]:
    """The attribute names in a model's own compiled methods."""
    methods = (method for method in vars(model).values() if inspect.isfunction(method))
    named = {name for method in methods for name in _names(method.__code__)}
    return frozenset(named | set(model.__struct_fields__ if model.spec.mirrors_entries else ()))


def of_types(types: Iterable[str]) -> sql.Composed:
    """The condition that an entry is of one of the types."""
    return sql.SQL("type = ANY({})").format(sorted(types))


def _names(code: CodeType) -> Iterator[str]:
    """The attribute names in compiled code and in the comprehensions and functions inside it."""
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)


def fold(model: type[ReadModel], key: Any, entries: Iterable[Event], row: ReadModel | None = None) -> ReadModel | None:
    """Fold entries of one key, in the order given, into a new row or the given one.

    Gives ``None`` when none of them concerns the key.
    """
    handlers = folds(model)
    for entry in entries:
        for handler in handlers.get(type(entry), ()):
            if handler.takes(key, entry) and (row is not None or not handler.amends):
                row = row if row is not None else model(**{model.spec.key: key})
                handler.handle(row, entry)
    return row


POSTGRES_TYPES: dict[Any, str] = {
    UUID: "uuid",
    int: "bigint",
    str: "text",
    bool: "boolean",
    datetime: "timestamptz",
}
"""The column types; enumerations are text, everything nested is jsonb."""
