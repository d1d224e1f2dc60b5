"""``daybook rebuild`` and ``rollback``: build read models anew beside the ones in service, and swap them."""

import random
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from typing import Annotated, Any

import msgspec
import typer
from psycopg import Connection

from domain.event import marked
from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import rebuilding
from projections.engine.as_of import AsOf, resolve
from projections.engine.cut import Cut
from projections.engine.model import ReadModel, columns, models
from projections.engine.rebuilding import Hands, Rebuilt
from projections.engine.sampling import SAMPLE_MAX, Sample, sample

from ..settings import load
from ..wiring import ready_url
from .instants import parse_instant
from .report import JsonFlag, as_json, fail, out, progress, rows

PROCESSES_MAX = 64
"""Why: each holds two connections, and PostgreSQL allows a hundred unless told otherwise."""
ROWS_SHOWN_MAX = 5
"""Why: a screenful of a sample; --json gives them all."""

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
    json: JsonFlag = False,
) -> None:
    """Build a read model anew from the first entry, say what differs, and put it in service; the old one is kept."""
    chosen = _chosen(name, every)
    url = ready_url(load())
    if sample_of is not None:
        _tell_samples({each.spec.name: _sampled(url, each, sample_of) for each in chosen}, json)
        return
    past = as_of is not None or occurred_until is not None
    done: list[Rebuilt] = []
    with (
        database.connect(url, Duty.PROJECTOR) as reader,
        database.connect(url, Duty.PROJECTOR) as writer,
        _hands(url, processes) as hands,
    ):
        for model in chosen:
            with progress(f"Rebuilding {model.spec.name}") as advance:
                if past:
                    cut = _cut(reader, as_of, occurred_until)
                    build = rebuilding.make_as_of(reader, writer, model, cut, advance, hands)
                    done.append(Rebuilt(build, None, in_service=False))
                else:
                    done.append(rebuilding.make(reader, writer, model, advance, hands, compared=True, trial=dry_run))
    _tell(done, json)


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


@contextmanager
def _hands(url: str, processes: int) -> Iterator[Hands | None]:
    if processes == 1:
        yield None
        return
    # Not forked: a copy of this process would share its connections.
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as executor:
        yield Hands(executor, processes, url)


def _cut(connection: Connection[Any], as_of: str | None, occurred_until: str | None) -> Cut:
    position = int(as_of) if as_of and as_of.isdecimal() else None
    recorded_at = parse_instant(as_of) if as_of and position is None else None
    occurred_at = parse_instant(occurred_until) if occurred_until else None
    return resolve(connection, AsOf(position, recorded_at, occurred_at)).cut


def _tell(done: list[Rebuilt], json: bool) -> None:
    if json:
        as_json([_as_told(each) for each in done])
        return
    rows(
        ("model", "version", "position", "rows", "differing"),
        [(each.build.model, each.build.version, each.build.position, *_figures(each)) for each in done],
        json,
    )
    for each in done:
        if each.difference is not None and not each.difference.is_empty:
            _tell_difference(each)


def _as_told(rebuilt: Rebuilt) -> dict[str, Any]:
    build, found = rebuilt.build, rebuilt.difference
    told = {"model": build.model, "version": build.version, "position": build.position}
    differing = found and found._asdict() | {"examples": [example._asdict() for example in found.examples]}
    return told | {"in_service": rebuilt.in_service, "difference": differing}


def _figures(rebuilt: Rebuilt) -> tuple[int | None, int | None]:
    found = rebuilt.difference
    return (found.rows, found.only_before + found.only_after + found.changed) if found else (None, None)


def _tell_difference(rebuilt: Rebuilt) -> None:
    found, name = rebuilt.difference, rebuilt.build.model
    assert found is not None
    out.print(f"\n[bold]{name}[/bold] at {found.position}: {found.only_after} rows only in the new build,"
              f" {found.only_before} only in the old one, {found.changed} changed.")  # fmt: skip
    for told, named in (("New columns", found.columns_added), ("Columns that are gone", found.columns_removed)):
        if named:
            out.print(f"  {told}: {', '.join(named)}", markup=False)
    for column, count in found.changed_columns.items():
        out.print(f"  {column} differs in {count}", markup=False)
    for example in found.examples:
        changed = "; ".join(f"{column}: {before} → {after}" for column, (before, after) in example.columns.items())
        out.print(f"  {example.key}  {changed or 'in one build only'}", markup=False)
    if rebuilt.in_service:
        out.print(f"  The new build serves; take it back with: daybook rollback {name}", markup=False)


def _sampled(url: str, model: type[ReadModel], customers: int) -> Sample:
    with database.connect(url, Duty.PROJECTOR) as connection:
        return sample(connection, model, customers, random.SystemRandom())


def _tell_samples(samples: dict[str, Sample], json: bool) -> None:
    if json:
        as_json({name: _plain(models()[name], each) for name, each in samples.items()})
        return
    for name, each in samples.items():
        out.print(
            f"[bold]{name}[/bold]: {each.customers} customers, {each.entries} entries, {len(each.rows)} rows,"
            f" {len(each.failing)} failing; {each.rate:.0f} entries/s, so a rebuild of {each.entries_in_all} entries"
            f" takes {each.seconds_in_all:.0f} s at most."
        )
        for row in each.rows[:ROWS_SHOWN_MAX]:
            out.print(f"  {msgspec.json.encode(_row(models()[name], row)).decode()}", markup=False)
        for key, position, error in each.failing[:ROWS_SHOWN_MAX]:
            out.print(f"  {key} fails at entry {position}: {error}", markup=False)


def _plain(model: type[ReadModel], found: Sample) -> dict[str, Any]:
    told = {"customers": found.customers, "entries": found.entries, "seconds": found.seconds}
    told |= {"entries_in_all": found.entries_in_all, "seconds_in_all": found.seconds_in_all}
    return told | {"failing": found.failing, "rows": [_row(model, row) for row in found.rows]}


def _row(model: type[ReadModel], row: ReadModel) -> dict[str, Any]:
    """A row for people to read: what is sealed is not shown."""
    plain: dict[str, Any] = msgspec.to_builtins(row)
    hidden = {column for column, hint in columns(model).items() if marked(hint, "sealed") and plain[column] is not None}
    return plain | dict.fromkeys(hidden, "sealed")
