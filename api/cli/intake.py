"""``daybook import``: facts from a file, as a mapping says."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from msgspec import structs

from ledger.sources.files.opening import Format
from ledger.sources.importing import import_file
from ledger.sources.mapping import read, shipped
from ledger.sources.run import Means, Summary

from ..settings import load
from ..wiring import open_intake
from .report import Counted, JsonFlag, as_json, err, facts, fail, progress

MappingOption = Annotated[
    str, typer.Option("--mapping", "-m", help=f"A shipped mapping ({', '.join(shipped())}) or a TOML file.")
]
FormatOption = Annotated[
    Format | None, typer.Option("--format", help="The file's format, where its name does not tell it.")
]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("import")(import_)


def import_(
    file: Annotated[Path, typer.Argument(help="CSV, NDJSON or Parquet, plain or gzipped.")],
    mapping: MappingOption,
    format: FormatOption = None,
    json: JsonFlag = False,
) -> None:
    """Enter the facts of a file. Again adds nothing; rows that cannot be taken go to a reject file."""
    named, settings = read(mapping), load()
    rejects = settings.home.absolute() / "rejects"
    shown = progress(f"Importing {file.name}", counts=Counted.BYTES)
    with open_intake(settings) as intake, shown as advance:
        means = Means(intake.connection, intake.vault, rejects, advance, lambda sentence: err.print(sentence))
        try:
            summary = import_file(means, file, named, format)
        except KeyboardInterrupt:
            err.print("Stopped; what was entered stays, and the same command goes on from there.")
            raise
    if json:
        as_json(structs.asdict(summary))
    else:
        facts(_told(summary), json=False)
    if summary.nothing_taken:
        fail(f"Every row was rejected; the reasons are in {summary.reject_file}")


def _told(summary: Summary) -> Mapping[str, Any]:
    """The summary without what is not worth a line."""
    told: dict[str, Any] = structs.asdict(summary)
    entered = summary.entered
    told["entered"] = sum(entered.values())
    optional = ("resumed_after_rows", "without_event_rows", "reject_file")
    shown = {name: value for name, value in told.items() if value or name not in optional}
    return shown | entered
