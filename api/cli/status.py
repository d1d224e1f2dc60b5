"""``daybook status``: where the ledger and its read models stand."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

import typer

from ledger import checkpoints, database
from ledger.checkpoints import Standing
from ledger.database import Duty
from ledger.reading import head
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import alarms, builds, lease, quarantine
from projections.engine.alarms import Alarm
from projections.engine.lease import ProjectorState
from projections.engine.model import ReadModel, definition, fingerprint, models
from projections.engine.quarantine import Aside

from ..settings import load
from ..wiring import ready_url
from .instants import written
from .report import JsonFlag, as_json, counted, fail, grouped, out, rows

SHOWN_MAX = 20
"""Why: a screenful; --json gives them all."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("status")(status)


def status(
    lag_max: Annotated[
        int | None,
        typer.Option(
            min=0,
            help="Exit with 1 when the projector is lost, or a read model not in service or further behind than this.",
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show the ledger's head, whether it is posted, where each read model stands, and what is wrong with its rows."""
    with database.connect(ready_url(load()), Duty.PROJECTOR) as connection:
        last = head(connection)
        standing = builds.serving(connection)
        certificates = builds.certificates(connection)
        aside, alarmed = quarantine.listed(connection), alarms.listed(connection)
        projector = lease.standing(connection)
        seals = checkpoints.standing(connection)
    lines = [_standing(model, standing.get(name), last, aside, alarmed) for name, model in sorted(models().items())]
    if json:
        as_json(
            {
                "head": last,
                "projector": projector._asdict(),
                "seals": seals._asdict(),
                "models": [
                    dict(zip(STANDING, line, strict=True)) | _made_of(standing.get(line[0]), certificates.get(line[0]))
                    for line in lines
                ],
                "quarantine": [key._asdict() for key in aside],
                "alarms": [alarm._asdict() for alarm in alarmed],
            }
        )
    else:
        out.print(f"The ledger's head is at {grouped(last)}.")
        out.print(_told(projector), markup=False)
        _seals(seals, last)
        rows(STANDING, lines, json)
        _advise(lines, standing, aside, projector)
        _warn(alarmed)
    late = [name for name, _, state, _, lag, *_ in lines if state != "serving" or lag > (lag_max or 0)]
    if lag_max is not None and projector.state is ProjectorState.LOST:
        fail(_told(projector))
    if lag_max is not None and late:
        fail(f"Not in step: {', '.join(late)}; is daybook project running?")


def _told(projector: lease.Standing) -> str:
    """Where the projector stands, as one sentence."""
    if projector.state is ProjectorState.LOST:
        return (
            f"The projector ({projector.process}) is lost: last heard of {projector.silent_s:.0f} s ago;"
            " start one with: daybook project"
        )
    if projector.state is ProjectorState.POSTING and projector.since:
        return f"The projector ({projector.process}) has been posting since {written(projector.since)}."
    if projector.last_heard_at is None:
        return "No projector has run yet; start one with: daybook project"
    return (
        f"The projector ({projector.process}) stopped at {written(projector.last_heard_at)};"
        " start one with: daybook project"
    )


def _seals(seals: Standing, head: int) -> None:
    """Tell how far the ledger is sealed, and which places outside it fail."""
    if seals.last is None:
        out.print("Nothing is sealed yet. Run: daybook seal")
    else:
        size, issued_at = seals.last["size"], written(datetime.fromisoformat(seals.last["issued_at"]))
        left = f"; {counted(head - size, 'entry', 'entries')} since" if head > size else ""
        over = counted(size, "entry", "entries")
        out.print(f"The last checkpoint is over {over}, issued {issued_at}{left}.", markup=False)
    for place, error in sorted(seals.troubles.items()):
        out.print(f"The {place} does not answer and is tried again: {error}", markup=False)


STANDING = ("model", "version", "state", "position", "lag", "quarantined", "alarms")


def _standing(
    model: type[ReadModel], build: builds.Build | None, head: int, aside: Sequence[Aside], alarmed: Sequence[Alarm]
) -> tuple[str, int, str, int, int, int, int]:
    name, version = model.spec.name, model.spec.version
    state = "missing" if build is None else "serving" if build.version == version else "outdated"
    position = build.position if build else 0
    quarantined, alarms = (sum(each.model == name for each in listed) for listed in (aside, alarmed))
    return name, version, state, position, head - position, quarantined, alarms


def _made_of(build: builds.Build | None, certificate: builds.Certificate | None) -> dict[str, Any]:
    """What tells one build from another, for programs."""
    return {
        "fingerprint": build and build.fingerprint,
        "checksum": certificate and certificate.checksum,
        "certified_position": certificate and certificate.position,
    }


def _advise(
    lines: Sequence[Sequence[Any]],
    standing: dict[str, builds.Build],
    aside: Sequence[Aside],
    projector: lease.Standing,
) -> None:
    posts = projector.state is ProjectorState.POSTING
    # A projector knows the read models of the code it was started with, and a second one stands by.
    remedy = (
        "The projector builds it if it was started with this code; if not, stop it and run: daybook project"
        if posts
        else "Run: daybook project"
    )
    furthest = max((build.position for build in standing.values()), default=0)
    for name, _, state, *_ in lines:
        model = models()[name]
        if state != "serving":
            out.print(f"{name} is {state} ({definition(model)}) {remedy}")
        elif standing[name].fingerprint != fingerprint(model):
            out.print(f"{name} was built by other code of the same version. Run: daybook rebuild {name}")
        elif posts and standing[name].position < furthest:
            # All that a projector knows moves on together.
            out.print(f"{name} stands behind the others; where that lasts, the projector was started with other code.")
            out.print("Stop it and run: daybook project")
    for key in aside[:SHOWN_MAX]:
        out.print(f"{key.model} {key.key} is set aside at entry {key.position}: {key.error}", markup=False)
    if aside:
        out.print(f"{len(aside)} set aside in all. Void the entry, or mend the fold and run: daybook rebuild NAME")
        out.print("Where the fold was not at fault, try again with: daybook retry")


def _warn(alarmed: Sequence[Alarm]) -> None:
    for alarm in alarmed[:SHOWN_MAX]:
        columns = ", ".join(alarm.columns)
        out.print(
            f"{alarm.model} {alarm.key} is not what its entries up to {alarm.position} fold to ({columns})",
            markup=False,
        )
    if alarmed:
        out.print("Make sure that it was not the entries that were altered, with: daybook verify")
        told = counted(len(alarmed), "alarm")
        out.print(f"{told} in all. Look again with: daybook spot-check; mend with: daybook rebuild NAME")
