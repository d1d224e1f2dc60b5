"""Why a row of a read model says what it says, over GraphQL."""

from collections.abc import Collection
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

from msgspec import Meta, Struct
from psycopg import Connection
from strawberry.types.field import StrawberryField

from domain.look import LookPurpose
from projections.engine import as_of as engine
from projections.engine.cut import Cut
from projections.engine.explaining import Explained, explain, key_of
from projections.engine.model import models

from .. import proofs
from . import access
from .books import books
from .past import AsOf, asked
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .selection import selects
from .steps import EntryStep, FieldChange, told
from .types import enum_type, outgoing

EXPLAIN_COST = 200
"""Why: a row of some hundred entries is read and folded."""

ReadModelName: Any = enum_type(
    Enum("ReadModelName", {name.upper(): name for name in books()}),  # type: ignore[arg-type]
    "The read models, by name.",
    {name.upper(): book.doc for name, book in books().items()},
)


class ExplainedStep(EntryStep):
    """One entry that made a row, and what it changed in it."""

    changes: list[FieldChange]
    """What the entry changed in the row: nothing where it is void, and by what it now says where it was amended."""
    entered_for: UUID | None
    """The customer it was entered for, where that one was merged into another since; else null."""
    error: str | None
    """Why the entry could not be folded, so that neither it nor any later one counts; else null."""


class Explanation(Struct):
    """Why a row says what it says. It is explained as it stands at a moment, with all corrections known by then."""

    read_model: ReadModelName
    """The read model."""
    version: Annotated[int, Meta(ge=1, le=2**31 - 1)]
    """The version of the read model."""
    key: str
    """The row's key."""
    position: int
    """The position up to which entries are counted."""
    steps: list[ExplainedStep]
    """The entries that made the row, in the order in which they count."""


def explain_queries() -> list[StrawberryField]:
    """The query that explains a row."""
    offered = [
        argument("read_model", ReadModelName, "The read model."),
        argument("key", str, "The row's key: a customer's id, a case's, or a position, whichever the read model has."),
        argument("as_of", AsOf | None, "The row as of a moment of the past; as it now stands where none is given."),
    ]
    doc = (
        "Why a row says what it says: the entries that made it, each with what it changed. An error NOT_FOUND where"
        " no entry concerns the key. For the roles that may read the row."
    )
    return [query("explain", outgoing(Explanation), doc, offered, _explained, cost=EXPLAIN_COST)]


async def _explained(
    context: Context, info: Info, read_model: Any, key: str, as_of: Any = None, at_least: int | None = None
) -> Ready:
    book = books()[read_model.value]
    access.refuse_unless(context.viewer.role, book.readers, f"explain {book.many}")
    named, moment = key_of(book.model, key), asked(as_of) if as_of else engine.AsOf()
    await context.services.reader.wait([], at_least)

    def explained(connection: Connection[Any]) -> tuple[Cut, list[Explained], list[int]]:
        cut = engine.resolve(connection, moment).cut
        steps = explain(connection, book.model, named, cut)
        wanted = selects(info.field_nodes, context.scope, "steps", "altered")
        return cut, steps, proofs.altered(connection, [step.entry.position for step in steps]) if wanted else []

    cut, steps, altered = await context.fold(explained)
    context.takes(LookPurpose.EXPLANATION, f"{book.name} {named}", [step.entry for step in steps])
    answer = {
        "read_model": book.name,
        "version": models()[book.name].spec.version,
        "key": str(named),
        "position": cut.position,
        "steps": [_told(step, altered) for step in steps],
    }
    return context.shaped(info, Explanation, answer)


def _told(step: Explained, altered: Collection[int]) -> dict[str, Any]:
    more = {name: getattr(step, name) for name in ("voided_by", "amended_by", "entered_for", "error")}
    return told(ExplainedStep, step.entry, step.changes, altered=step.entry.position in altered, **more)
