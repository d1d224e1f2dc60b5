"""``daybook serve``: answer GraphQL."""

import typer

from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine.projector import refuse_altered

from ..settings import load
from ..wiring import ready_url
from .report import out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("serve")(serve)


def serve() -> None:
    """Answer GraphQL until Ctrl-C; read models are kept in step by: daybook project."""
    from ..server import serve as serve_  # here, as it takes half a second that no other command should wait

    settings = load()
    with database.connect(ready_url(settings), Duty.API) as connection:
        refuse_altered(connection)
    told = f"Daybook answers at {settings.address}; make a token with: daybook token"
    serve_(settings, lambda: out.print(told, markup=False))
