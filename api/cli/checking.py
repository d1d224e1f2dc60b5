"""``daybook spot-check`` and ``retry``: are rows what their entries fold to, and do keys set aside fold by now."""

from typing import Annotated, Any, NamedTuple

import typer
from psycopg import Connection

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import alarms, builds, checking, posting, projector, quarantine, retrying
from projections.engine.checking import Checked
from projections.engine.model import ReadModel, models

from ..settings import load
from ..wiring import ready_url
from .report import JsonFlag, as_json, counted, fail, grouped, out, progress, rows

KEYS = 100
"""Why: enough to find what is wrong with one row in fifty, in about a second for a model."""

Name = Annotated[str | None, typer.Argument(help="The read model, such as case_register; all of them by default.")]


class Difference(NamedTuple):
    """One row that is not what its entries fold to; what is in it is left where it is."""

    model: str
    key: str
    position: int
    columns: Any


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("spot-check")(spot_check)
    app.command("retry")(retry)


def spot_check(
    name: Name = None,
    keys: Annotated[int, typer.Option(min=1, help="How many entries and rows of each to take at random.")] = KEYS,
    every: Annotated[bool, typer.Option("--all", help="Check every row and every key.")] = False,
    json: JsonFlag = False,
) -> None:
    """Fold rows anew and compare them with what is stored; a difference is entered as an alarm, and exit code is 1."""
    url, compared, found = ready_url(load()), 0, dict[tuple[str, str], Difference]()
    with database.connect(url, Duty.PROJECTOR) as connection:
        for model in _chosen(connection, name):
            with progress(f"Checking {model.spec.name}") as advance:
                some = checking.some(connection, model, keys, advance)
                for checked in checking.every(connection, model, advance) if every else some:
                    compared += len(checked.keys)
                    found |= {(each.model, each.key): each for each in _differences(model, checked)}
    differing = list(found.values())
    if json:
        as_json({"compared": compared, "differing": [each._asdict() for each in differing]})
    else:
        out.print(
            f"{counted(compared, 'row')} compared with what their entries fold to; {grouped(len(differing))} differ."
        )
        if differing:
            rows(Difference._fields, [each._replace(columns=", ".join(each.columns)) for each in differing], json)
    if differing:
        fail(
            "Find out who changed the rows; that it was not the entries is told by: daybook verify."
            f" Then run: daybook rebuild {differing[0].model}"
        )


def retry(
    name: Name = None,
    key: Annotated[str | None, typer.Option(help="Only this key.")] = None,
    json: JsonFlag = False,
) -> None:
    """Fold the keys that are set aside anew, and let those go on that fold by now; exit code 1 when some do not."""
    url, tried = ready_url(load()), []
    with database.connect(url, Duty.PROJECTOR) as connection:
        chosen = {model.spec.name for model in _chosen(connection, name)}
        aside = [each for each in quarantine.listed(connection) if each.model in chosen and key in (None, each.key)]
        if key is not None and not aside:
            fail(f"No key {key} is set aside; see which are with: daybook status", code=2)
        with progress("Folding anew", len(aside)) as advance:
            for each in retrying.retry(connection, aside):
                tried.append(each)
                advance(len(tried), len(aside))
    failing = [each.failing for each in tried if each.failing]
    freed = [{"model": each.model, "key": each.key} for each in tried if not each.failing]
    if json:
        as_json({"freed": freed, "failing": [each._asdict() for each in failing]})
    else:
        out.print(f"{len(freed)} of {len(tried)} keys go on.")
        for still in failing:
            out.print(f"{still.model} {still.key} fails at entry {still.position}: {still.error}", markup=False)
    if failing:
        fail("Void the entries that fail, or mend the fold and run: daybook rebuild NAME")


def _chosen(connection: Connection[Any], name: str | None) -> list[type[ReadModel]]:
    """The model of that name, or all that are in service as this code has them."""
    if name is not None and name not in models():
        fail(f"There is no read model {name}; there are: {', '.join(sorted(models()))}.", code=2)
    projector.refuse_altered(connection)
    ours = posting.ours(builds.serving(connection))
    if name is not None and name not in ours:
        fail(f"{name} is not in service in this version; run: daybook project")
    return [models()[name] for name in ([name] if name else sorted(ours))]


def _differences(model: type[ReadModel], checked: Checked) -> list[Difference]:
    return [
        Difference(model.spec.name, str(each.key), checked.position, alarms.differing(each))
        for each in checked.differing
    ]
