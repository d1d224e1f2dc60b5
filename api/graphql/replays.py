"""The replay of a case over GraphQL."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
import msgspec
from msgspec import Meta, Struct
from strawberry.types.field import StrawberryField

from domain.event import Event, field_doc
from domain.vocabulary import ActorKind, CaseState, Role

from ..replay import Step, replay
from .names import camel
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .scalars import Long
from .types import outgoing

REPLAY_COST = 200
"""Why: a case of some hundred entries is read and folded."""


def _like(envelope: str) -> Meta:
    return Meta(description=field_doc(Event, envelope))


class ReplayChange(Struct):
    """A field of the case that an entry changed."""

    field: str
    """The field, as Case calls it."""
    before: Any
    """Its value before, as it is stored; null where it had none."""
    after: Any
    """Its value after."""


class ReplayStep(Struct):
    """One entry of a case, and what it did."""

    position: Annotated[int, _like("position")]
    type: str
    """What happened, such as Case.Opened."""
    occurred_at: Annotated[datetime, _like("occurred_at")]
    recorded_at: Annotated[datetime, _like("recorded_at")]
    actor_kind: Annotated[ActorKind, _like("actor_kind")]
    actor_id: Annotated[str, _like("actor_id")]
    actor_role: Annotated[Role | None, _like("actor_role")]
    stream_id: Annotated[UUID, _like("stream_id")]
    stream_version: Annotated[int, _like("stream_version")]
    command_id: Annotated[UUID, _like("command_id")]
    data: dict[str, Any]
    """The entry's own fields; personal ones only for roles that may see them."""
    state_before: CaseState | None
    """Where the case stood before; null before it was opened."""
    state_after: CaseState | None
    """Where it stood after."""
    changes: list[ReplayChange]
    """What the entry changed in the case."""
    voided_by: int | None
    """The position of a later entry that declared this one void."""


class CaseReplay(Struct):
    """A case, entry by entry, as it was known at a position."""

    id: Annotated[UUID, Meta(description="The case's id.")]
    steps: list[ReplayStep]
    """Every entry of the case, its remedies and its touchpoints, in order of position."""


def replay_queries() -> list[StrawberryField]:
    """The query that replays a case."""
    offered = [
        argument("id", UUID, "The case's id."),
        argument(
            "at_position", Long | None, "As it was known at this position of the ledger; now where none is given."
        ),
    ]
    doc = "A case, entry by entry: who did what, and what it changed. An error NOT_FOUND where there is no such case."
    return [query("caseReplay", outgoing(CaseReplay), doc, offered, _case_replay, cost=REPLAY_COST)]


async def _case_replay(
    context: Context, info: Info, id: UUID, at_position: int | None = None, at_least: int | None = None
) -> Ready:
    await context.services.reader.wait([], at_least)

    def replayed() -> list[Step]:
        with context.services.desk.pool.connection() as connection:
            return replay(connection, id, at_position)

    steps = await anyio.to_thread.run_sync(replayed)
    return context.shaped(info, CaseReplay, {"id": str(id), "steps": [_told(step) for step in steps]})


def _told(step: Step) -> dict[str, Any]:
    """A step as the dict its JSON is; ``data`` with its type, as its shape expects."""
    entry = step.entry
    fields = {name: getattr(entry, name, None) for name in ReplayStep.__struct_fields__}
    told: dict[str, Any] = msgspec.to_builtins(
        fields
        | {
            "type": entry.type_name,
            "data": (entry.type_name, entry.payload()),
            "state_before": step.before and step.before["state"],
            "state_after": step.after and step.after["state"],
            "voided_by": step.voided_by,
            "changes": [change._asdict() | {"field": camel(change.field)} for change in step.changes],
        }
    )
    return told
