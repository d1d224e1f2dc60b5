"""``daybook project``: post entries to the read models as they are entered."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated

import typer

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import posting, projector
from projections.engine.beside import Beside
from projections.engine.building import Advance
from projections.engine.model import ReadModel, named

from ..settings import load
from ..wiring import ready_url
from .report import JsonFlag, err, facts, progress
from .stopping import told_to_stop


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("project")(project)


def project(
    once: Annotated[bool, typer.Option("--once", help="Stop as soon as the read models stand at the head.")] = False,
    attached: Annotated[
        bool, typer.Option("--attached", help="Say nothing but faults, and stop when standard input closes.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Post entries to the read models as they are entered, until stopped with Ctrl-C."""
    url = ready_url(load())
    built = build_missing(url)
    if once:
        posted = catch_up(url)
        facts({"built": built, "posted": posted} if json else {"built": len(built), "posted": posted}, json)
        return
    stopping = told_to_stop(attached=attached)
    if not attached:
        err.print("Posting to the read models; stop with Ctrl-C.")
    projector.run(url, stopping.is_set, lambda text: err.print(text, markup=False))


def build_missing(url: str) -> list[str]:
    """Build the read models that are missing or outdated, with progress; gives their names."""

    @contextmanager
    def shown(missing: Sequence[type[ReadModel]]) -> Iterator[Advance]:
        with progress(f"Building {named(missing)}") as advance:
            yield advance

    return [build.model for build in projector.prepare(url, shown)]


def catch_up(url: str) -> int:
    """Post until the read models stand at the head, with progress; gives how many entries were posted."""
    posted = 0
    with (
        database.connect(url, Duty.PROJECTOR) as connection,
        Beside.like(connection) as beside,
        progress("Posting") as advance,
    ):
        while count := posting.catch_up(connection, beside=beside):
            posted += count
            advance(posted)
    return posted
