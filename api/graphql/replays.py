"""The replay of a case over GraphQL."""

from collections.abc import Collection, Mapping
from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
from msgspec import Meta, Struct
from strawberry.types.field import StrawberryField

from domain.look import LookPurpose
from domain.vocabulary import CaseState

from .. import proofs
from ..replay import Step, replay
from .entries import Proof, as_told
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .scalars import Long
from .selection import selects
from .steps import EntryStep, FieldChange, told
from .types import outgoing

REPLAY_COST = 200
"""Why: a case of some hundred entries is read and folded."""


class ReplayChange(FieldChange):
    """A field of the case that an entry changed."""

    field: str
    """The field, as Case calls it."""


class ReplayStep(EntryStep):
    """One entry of a case, and what it did."""

    state_before: CaseState | None
    """Where the case stood before; null before it was opened."""
    state_after: CaseState | None
    """Where it stood after."""
    changes: list[ReplayChange]
    """What the entry changed in the case."""
    proof: Proof
    """That the entry stands in the ledger as it was sealed."""


class CaseReplay(Struct):
    """A case, entry by entry, as it was known at a position."""

    id: Annotated[UUID, Meta(description="The case's id.")]
    steps: list[ReplayStep]
    """Every entry of the case, its remedies and its touchpoints, and the merges of its customer, by position."""


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

    def wanted(field: str) -> bool:
        return selects(info.field_nodes, context.scope, "steps", field)

    def replayed() -> tuple[list[Step], dict[int, proofs.Proof], list[int]]:
        with context.services.desk.pool.connection() as connection:
            steps = replay(connection, id, at_position)
            positions = [step.entry.position for step in steps]
            proven = proofs.proofs(connection, positions) if wanted("proof") else {}
            return steps, proven, proofs.altered(connection, positions) if wanted("altered") else []

    steps, proven, altered = await anyio.to_thread.run_sync(replayed)
    context.takes(LookPurpose.REPLAY, f"case {id}", [step.entry for step in steps])
    return context.shaped(info, CaseReplay, {"id": str(id), "steps": [_told(step, proven, altered) for step in steps]})


def _told(step: Step, proven: Mapping[int, proofs.Proof], altered: Collection[int]) -> dict[str, Any]:
    return told(
        ReplayStep,
        step.entry,
        step.changes,
        state_before=step.before and step.before["state"],
        state_after=step.after and step.after["state"],
        voided_by=step.voided_by,
        amended_by=step.amended_by,
        altered=step.entry.position in altered,
        proof=as_told(proven.get(step.entry.position)),
    )
