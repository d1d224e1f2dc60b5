"""``daybook explain``: why a row of a read model says what it says."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.text import Text

from domain.look import LookPurpose
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine.as_of import resolve
from projections.engine.explaining import Explained, explain, key_of
from projections.engine.model import models

from ..opening import looked_at
from ..settings import load
from ..wiring import open_desk
from . import steps as telling
from .instants import parse_moment, written
from .operator import operator
from .report import JsonFlag, as_json, counted, fail, out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("explain")(explain_)


def explain_(
    model: Annotated[str, typer.Argument(help="The read model, such as tier_status.")],
    key: Annotated[str, typer.Argument(help="The row's key, such as a customer's id.")],
    as_of: Annotated[
        str | None,
        typer.Option(help="As it was known at this position, or at an instant such as 2026-06-30T00:00:00Z."),
    ] = None,
    occurred_until: Annotated[str | None, typer.Option(help="Only what had happened by this instant.")] = None,
    json: JsonFlag = False,
) -> None:
    """Show why a row says what it says: the entries that made it, in order, and what each one changed."""
    if model not in models():
        fail(f"There is no read model {model}; there are: {', '.join(sorted(models()))}.", code=2)
    chosen = models()[model]
    named, asked = key_of(chosen, key), parse_moment(as_of, occurred_until)
    with open_desk(load()) as desk, desk.pool.connection() as connection:
        cut = resolve(connection, asked).cut
        found = explain(connection, chosen, named, cut)
        told = [step.entry for step in found]
        entries = looked_at(desk, told, operator(), LookPurpose.EXPLANATION, f"{model} {named}")
    shown = [step._replace(entry=entry) for step, entry in zip(found, entries, strict=True)]
    gone = [telling.erased(sealed, entry) for sealed, entry in zip(told, entries, strict=True)]
    if json:
        as_json([_as_object(step, erased) for step, erased in zip(shown, gone, strict=True)])
        return
    until = f", of what had happened by {written(cut.occurred_until)}" if cut.occurred_until else ""
    out.print(
        f"{model} {named}, {counted(len(shown), 'entry', 'entries')}, as known at position {cut.position}{until}",
        style="bold",
    )
    for step, erased in zip(shown, gone, strict=True):
        _show(step, erased)


def _as_object(step: Explained, gone: Sequence[str] = ()) -> dict[str, Any]:
    return telling.as_object(step, gone) | {"entered_for": step.entered_for, "error": step.error}


def _show(step: Explained, gone: Sequence[str] = ()) -> None:
    for line in telling.lines(step, gone, f"entered for {step.entered_for}" if step.entered_for else ""):
        out.print(line)
    if step.error:
        out.print(Text.assemble((f"    could not be folded: {step.error}", "red")))
