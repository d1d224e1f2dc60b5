"""``daybook migrate``: give the database its shape."""

import typer

from ledger import database, migrate

from ..settings import load
from .report import JsonFlag, facts


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("migrate")(migrate_)


def migrate_(json: JsonFlag = False) -> None:
    """Apply the migrations the database lacks; it needs the right to create roles and schemas."""
    with database.connect(load(begin=True).url()) as connection:
        applied = migrate.migrate(connection)
    facts({"applied": applied or "nothing was missing"} if not json else {"applied": applied}, json)
