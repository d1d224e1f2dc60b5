"""The ``daybook`` command. Each file of this package holds one command or a few that belong together."""

from importlib.metadata import version as installed
from typing import Annotated

import psycopg
import typer

from domain.event import UnknownSchema
from domain.rule import INVALID_INPUT, Refused
from ledger.database import DatabaseUnavailable
from ledger.evidence import EvidenceError
from ledger.merkle import TreeBroken
from ledger.migrate import MigrationError
from ledger.notes import SignerError
from ledger.sources.faults import SourceError
from ledger.vault import VaultError
from projections.engine.as_of import BEFORE_FIRST
from projections.engine.explaining import BAD_KEY

from ..settings import SettingsError
from . import (
    checking,
    database,
    explain,
    intake,
    master_key,
    persons,
    projecting,
    proving,
    rebuilding,
    replay,
    running,
    schema,
    sealing,
    serving,
    simulation,
    status,
    tiers,
    tokens,
    verifying,
)
from .report import fail, problem

app = typer.Typer(
    name="daybook",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _tell_version(asked: bool) -> None:
    if asked:
        typer.echo(f"daybook {installed('daybook')}")
        raise typer.Exit


@app.callback()
def daybook(
    version: Annotated[
        bool, typer.Option("--version", callback=_tell_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Daybook, an event-sourced customer-interaction ledger."""


PARTS = (
    running,
    serving,
    projecting,
    rebuilding,
    status,
    checking,
    sealing,
    verifying,
    tiers,
    database,
    intake,
    simulation,
    tokens,
    replay,
    persons,
    master_key,
    proving,
    explain,
    schema,
)
for part in PARTS:
    part.add_to(app)

EXPECTED = (
    SettingsError,
    DatabaseUnavailable,
    MigrationError,
    VaultError,
    SourceError,
    UnknownSchema,
    EvidenceError,
    Refused,
    TreeBroken,
    SignerError,
    OSError,
)
"""Errors whose own message says what to do; anything else is a fault of ours and keeps its traceback."""

MISTYPED = {rule.code for rule in (INVALID_INPUT, BAD_KEY, BEFORE_FIRST)}
"""The rules that say of a command line that it can never be right, whatever stands in the ledger."""


def main() -> None:
    """Run the command line; an expected error is one sentence on stderr and exit code 1, and 2 for a wrong call."""
    try:
        app()
    except EXPECTED as error:
        mistyped = isinstance(error, Refused) and error.code in MISTYPED
        fail(problem(error), code=2 if mistyped else 1)
    except psycopg.OperationalError as error:
        fail(f"The database went away ({str(error).splitlines()[0]}); start it and try again.")
