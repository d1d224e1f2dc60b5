"""``daybook rebuild`` and ``rollback``: build read models anew beside the ones in service, and swap them."""

import random
from typing import Annotated, Any

import typer
from psycopg import Connection

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, quarantine, rebuilding
from projections.engine.as_of import resolve
from projections.engine.cut import Cut
from projections.engine.hands import Hands
from projections.engine.model import ReadModel, models, named
from projections.engine.rebuilding import Rebuilt
from projections.engine.sampling import SAMPLE_MAX, Sample, sample

from ..settings import load
from ..wiring import ready_url
from .instants import parse_moment
from .rebuilt import tell, tell_samples
from .report import JsonFlag, fail, out, progress, rows
from .workers import PROCESSES_MAX, workers

Name = Annotated[str | None, typer.Argument(help="The read model, such as case_register.", show_default=False)]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("rebuild")(rebuild)
    app.command("rollback")(rollback)


def rebuild(
    name: Name = None,
    every: Annotated[bool, typer.Option("--all", help="Rebuild every read model.")] = False,
    processes: Annotated[int, typer.Option(min=1, max=PROCESSES_MAX, help="How many processes fold side by side.")] = 1,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would differ, and leave the build in service.")
    ] = False,
    sample_of: Annotated[
        int | None,
        typer.Option(
            "--sample", min=1, max=SAMPLE_MAX, help="Only fold so many customers drawn by chance, and write nothing."
        ),
    ] = None,
    as_of: Annotated[
        str | None,
        typer.Option(help="Build it as it was known at a position or an instant, for answers about the past."),
    ] = None,
    occurred_until: Annotated[
        str | None, typer.Option(help="Build it of what had happened by an instant, as it is known now.")
    ] = None,
    drop_as_of: Annotated[bool, typer.Option("--drop-as-of", help="Only drop the builds of the past.")] = False,
    json: JsonFlag = False,
) -> None:
    """Build a read model anew from the first entry, say what differs, and put it in service; the old one is kept."""
    of_the_past = as_of is not None or occurred_until is not None
    if sum((dry_run, sample_of is not None, of_the_past, drop_as_of)) > 1:
        fail("Say one of --dry-run, --sample, a past (--as-of, --occurred-until) and --drop-as-of.", code=2)
    chosen, moment = _chosen(name, every), parse_moment(as_of, occurred_until)
    url = ready_url(load())
    if sample_of is not None:
        tell_samples({each.spec.name: _sampled(url, each, sample_of) for each in chosen}, json)
        return
    with (
        database.connect(url, Duty.PROJECTOR) as reader,
        database.connect(url, Duty.PROJECTOR) as writer,
        workers(processes) as executor,
    ):
        hands = Hands(executor, processes, url) if executor else None
        if drop_as_of:
            dropped = [(each.spec.name, builds.drop_as_of(writer, each.spec.name)) for each in chosen]
            rows(("model", "dropped"), dropped, json)
        elif of_the_past:
            cut = resolve(reader, moment).cut
            tell([_of_the_past(reader, writer, each, cut, hands) for each in chosen], json)
        else:
            with progress(f"Rebuilding {named(chosen)}") as advance:
                made = rebuilding.make_all(reader, writer, chosen, advance, hands, compared=True, trial=dry_run)
                done = list(made)
            tell(done, json)


def _of_the_past(
    reader: Connection[Any], writer: Connection[Any], model: type[ReadModel], cut: Cut, hands: Hands | None
) -> Rebuilt:
    with progress(f"Building {model.spec.name} of the past") as advance:
        build = rebuilding.make_as_of(reader, writer, model, cut, advance, hands)
    return Rebuilt(build, None, in_service=False, aside=quarantine.count(writer, build))


def rollback(
    name: Annotated[str, typer.Argument(help="The read model, such as case_register.")], json: JsonFlag = False
) -> None:
    """Put the build that served before the last rebuild back in service; a second rollback returns."""
    (model,) = _chosen(name, every=False)
    with database.connect(ready_url(load()), Duty.PROJECTOR) as writer:
        back = rebuilding.roll_back(writer, model.spec.name)
    if back is None:
        fail(f"There is no earlier build of {name}; one is kept at each rebuild.")
    build, known = back
    rows(("model", "version", "position"), [(build.model, build.version, build.position)], json)
    if not known and not json:
        out.print(
            "This build is of another definition than this code's, so it is not posted to: run the code that made it"
            f" ({name} version {build.version}), or return with: daybook rollback {name}"
        )


def _chosen(name: str | None, every: bool) -> list[type[ReadModel]]:
    known = ", ".join(sorted(models()))
    if (name is None) != every:
        fail(f"Name one read model or give --all; there are: {known}.", code=2)
    if name is not None and name not in models():
        fail(f"There is no read model {name}; there are: {known}.", code=2)
    return [models()[name]] if name else [models()[each] for each in sorted(models())]


def _sampled(url: str, model: type[ReadModel], customers: int) -> Sample:
    with database.connect(url, Duty.PROJECTOR) as connection:
        return sample(connection, model, customers, random.SystemRandom())
