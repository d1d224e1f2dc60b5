"""``daybook token``: let someone in."""

from typing import Annotated

import typer

from domain.vocabulary import Role

from ..auth import TokenError, issue
from ..settings import load
from .report import as_json, fail, out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("token")(token)


def token(
    role: Annotated[Role, typer.Option(help="What its bearer may do.")],
    subject: Annotated[str, typer.Option(help="Who its bearer is, as entries will name them.")],
    hours: Annotated[float, typer.Option(help="How long it is good for.")] = 12,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """Print a token to send as the header Authorization: Bearer …."""
    try:
        made = issue(load(), subject=subject, role=role, hours=hours)
    except TokenError as error:
        fail(str(error), code=2)
    if json:
        as_json({"token": made, "role": role, "subject": subject, "hours": hours})
    else:
        out.print(made, markup=False)
