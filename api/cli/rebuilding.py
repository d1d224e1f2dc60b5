"""``daybook rebuild``: build read models anew beside the ones in service, and swap them in."""

from typing import Annotated

import typer

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import rebuilding
from projections.engine.model import models

from ..settings import load
from ..wiring import ready_url
from .report import JsonFlag, fail, progress, rows


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("rebuild")(rebuild)


def rebuild(
    name: Annotated[str | None, typer.Argument(help="The read model, such as case_register.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Rebuild every read model.")] = False,
    json: JsonFlag = False,
) -> None:
    """Build a read model anew from the first entry and put it in service; the old one serves until then."""
    if (name is None) != every:
        fail(f"Name one read model or give --all; there are: {', '.join(sorted(models()))}.", code=2)
    if name is not None and name not in models():
        fail(f"There is no read model {name}; there are: {', '.join(sorted(models()))}.", code=2)
    chosen = [models()[name]] if name else [models()[each] for each in sorted(models())]
    url = ready_url(load())
    done = []
    with database.connect(url, Duty.PROJECTOR) as reader, database.connect(url, Duty.PROJECTOR) as writer:
        for model in chosen:
            with progress(f"Rebuilding {model.spec.name}") as advance:
                done.append(rebuilding.rebuild(reader, writer, model, advance))
    rows(("model", "version", "position"), [(build.model, build.version, build.position) for build in done], json)
