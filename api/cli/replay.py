"""``daybook replay``: a case, step by step, readable in a terminal."""

import re
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
import typer
from rich.text import Text

from ..replay import Change, Step, opened, replay
from ..settings import load
from ..wiring import open_desk
from .report import JsonFlag, as_json, fail, out

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Why: a customer's words must not move the cursor of an auditor's terminal."""
VALUE_MAX = 500
"""Why: a longer text fills the screen; it is in full in the JSON."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("replay")(replay_)


def replay_(
    case: Annotated[str, typer.Argument(help="The case's id.")],
    at_position: Annotated[int | None, typer.Option(min=1, help="As it was known at this position.")] = None,
    json: JsonFlag = False,
) -> None:
    """Show a case step by step: when, who, what, and what it changed."""
    try:
        case_id = UUID(case)
    except ValueError:
        fail(f"A case is named by its id, a UUID, not {case!r}; find it with the query cases.")
    with open_desk(load()) as desk, desk.pool.connection() as connection:
        steps = opened(desk.vault, replay(connection, case_id, at_position))
    if json:
        as_json([_as_object(step) for step in steps])
        return
    out.print(f"Case {case_id}, {len(steps)} entries", style="bold")
    for step in steps:
        _show(step)


def _as_object(step: Step) -> dict[str, Any]:
    entry = step.entry
    return {
        "position": entry.position,
        "type": entry.type_name,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "role": entry.actor_role},
        "data": entry.payload(),
        "before": step.before and step.before["state"],
        "after": step.after and step.after["state"],
        "changes": [change._asdict() for change in step.changes],
        "voided_by": step.voided_by,
    }


def _show(step: Step) -> None:
    entry = step.entry
    actor = f"{entry.actor_id} ({entry.actor_role or entry.actor_kind})"
    head = Text.assemble(
        (f"\n#{entry.position}  ", "dim"),
        (f"{_instant(entry.occurred_at)}  ", ""),
        (entry.type_name, "bold strike" if step.voided_by else "bold"),
        f"  by {actor}",
        (f"  void by #{step.voided_by}" if step.voided_by else "", "red"),
    )
    out.print(head)
    for field, value in entry.payload().items():
        if value not in (None, [], {}):
            out.print(Text.assemble(f"    {_words(field)}: ", (_shown(value), "cyan")))
    told = {field: value for field, value in _plain(entry.payload()).items() if value not in (None, [], {})}
    for change in step.changes:
        if (change.field, _plain(change.after)) not in told.items():
            out.print(_changed(change))


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def _changed(change: Change) -> Text:
    before, after = _shown(change.before), _shown(change.after)
    return Text.assemble((f"    → {_words(change.field)}: ", "green"), (f"{before} → ", "dim"), (after, "green"))


def _shown(value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, datetime):
        return _instant(plain)
    if plain in (None, [], {}):
        return "–"
    if isinstance(plain, list):
        return "; ".join(map(_shown, plain))
    if isinstance(plain, dict):
        return ", ".join(f"{_words(name)} {_shown(part)}" for name, part in plain.items() if part is not None)
    text = {True: "yes", False: "no"}[plain] if isinstance(plain, bool) else str(plain)
    text = CONTROL.sub("�", text)
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _instant(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _words(name: str) -> str:
    return name.replace("_", " ")
