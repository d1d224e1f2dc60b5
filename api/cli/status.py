"""``daybook status``: where the ledger and its read models stand."""

from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, quarantine
from projections.engine.model import ReadModel, definition, fingerprint, models
from projections.engine.quarantine import Aside

from ..settings import load
from ..wiring import ready_url
from .report import JsonFlag, as_json, fail, out, rows

ASIDE_SHOWN_MAX = 20
"""Why: a screenful; --json gives them all."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("status")(status)


def status(
    lag_max: Annotated[
        int | None,
        typer.Option(min=0, help="Exit with 1 when a read model is not in service, or is further behind than this."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show the ledger's head, where each read model stands, and which keys are set aside."""
    with database.connect(ready_url(load()), Duty.PROJECTOR) as connection:
        head = connection.execute("SELECT position FROM ledger.head").fetchone()
        standing = builds.serving(connection)
        aside = quarantine.listed(connection)
    assert head is not None
    lines = [_standing(model, standing.get(name), head[0], aside) for name, model in sorted(models().items())]
    if json:
        as_json(
            {
                "head": head[0],
                "models": [dict(zip(STANDING, line, strict=True)) for line in lines],
                "quarantine": [key._asdict() for key in aside],
            }
        )
    else:
        out.print(f"The ledger's head is at {head[0]:,}.".replace(",", " "))
        rows(STANDING, lines, json)
        _advise(lines, standing, aside)
    late = [name for name, _, state, _, lag, _ in lines if state != "serving" or lag > (lag_max or 0)]
    if lag_max is not None and late:
        fail(f"Not in step: {', '.join(late)}; is daybook project running?")


STANDING = ("model", "version", "state", "position", "lag", "quarantined")


def _standing(
    model: type[ReadModel], build: builds.Build | None, head: int, aside: Sequence[Aside]
) -> tuple[str, int, str, int, int, int]:
    name, version = model.spec.name, model.spec.version
    state = "missing" if build is None else "serving" if build.version == version else "outdated"
    position = build.position if build else 0
    return name, version, state, position, head - position, sum(key.model == name for key in aside)


def _advise(lines: Sequence[Sequence[Any]], standing: dict[str, builds.Build], aside: Sequence[Aside]) -> None:
    for name, _, state, *_ in lines:
        model = models()[name]
        if state != "serving":
            out.print(f"{name} is {state} ({definition(model)}) Run: daybook project")
        elif standing[name].fingerprint != fingerprint(model):
            out.print(f"{name} was built by other code of the same version. Run: daybook rebuild {name}")
    for key in aside[:ASIDE_SHOWN_MAX]:
        out.print(f"{key.model} {key.key} is set aside at entry {key.position}: {key.error}", markup=False)
    if aside:
        out.print(f"{len(aside)} set aside in all. Void the entry, or mend the fold and run: daybook rebuild NAME")
