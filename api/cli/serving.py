"""``daybook serve``: answer GraphQL."""

import typer

from ..server import serve as serve_
from ..settings import load
from .report import out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("serve")(serve)


def serve() -> None:
    """Answer GraphQL until Ctrl-C; read models are kept in step by: daybook project."""
    settings = load()
    address = f"http://{settings.host}:{settings.port}/graphql"
    serve_(settings, lambda: out.print(f"Daybook answers at {address}; make a token with: daybook token", markup=False))
