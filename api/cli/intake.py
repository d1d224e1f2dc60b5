"""``daybook import`` and ``daybook simulate``: facts that come in bulk."""

import typer


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
