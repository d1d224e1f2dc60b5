"""``daybook replay``: a case, step by step, readable in a terminal."""

from collections.abc import Sequence
from typing import Annotated, Any
from uuid import UUID

import typer

from .. import proofs
from ..replay import Step, opened, replay
from ..settings import load
from ..wiring import open_desk
from . import steps as telling
from .operator import operator
from .report import JsonFlag, as_json, counted, fail, out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("replay")(replay_)


def replay_(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    at_position: Annotated[int | None, typer.Option(min=1, help="As it was known at this position.")] = None,
    json: JsonFlag = False,
) -> None:
    """Show a case step by step: when, who, what, and what it changed; exit code 1 when an entry of it was altered."""
    try:
        case_id = UUID(case)
    except ValueError:
        fail(f"A case is named by its id, a UUID, not {case!r}; find it with the query cases.", code=2)
    with open_desk(load()) as desk, desk.pool.connection() as connection:
        found = replay(connection, case_id, at_position)
        steps = opened(desk, found, operator(), case_id)
        altered = proofs.altered(connection, [step.entry.position for step in found])
    gone = [telling.erased(before.entry, step.entry) for before, step in zip(found, steps, strict=True)]
    if json:
        as_json([_as_object(step, erased) for step, erased in zip(steps, gone, strict=True)])
        _refuse_altered(altered)
        return
    out.print(f"Case {case_id}, {counted(len(steps), 'entry', 'entries')}", style="bold")
    for step, erased in zip(steps, gone, strict=True):
        _show(step, erased)
    _refuse_altered(altered)


def _as_object(step: Step, gone: Sequence[str] = ()) -> dict[str, Any]:
    return telling.as_object(step, gone) | {
        "before": step.before and step.before["state"],
        "after": step.after and step.after["state"],
    }


def _show(step: Step, gone: Sequence[str] = ()) -> None:
    for line in telling.lines(step, gone):
        out.print(line)


def _refuse_altered(positions: Sequence[int]) -> None:
    """What was altered is shown, since it is what stands there, and not passed over."""
    if positions:
        which = ", ".join(map(str, positions))
        fail(f"Altered in the database: entry {which} of this case; find out more with: daybook verify")
