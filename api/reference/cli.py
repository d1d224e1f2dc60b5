"""``cli.md``: every command of the command line."""

from typing import Any

from typer.core import TyperArgument, TyperGroup
from typer.main import get_command

from ..cli import app
from . import markdown
from .markdown import code, table

INTRODUCTION = """
What `daybook` can do. An expected error is one sentence on stderr and exit code 1; a wrong call exits with 2. Progress
goes to stderr, answers to stdout.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    for name, command in sorted(subcommands().items()):
        rows = [(code(_written(parameter)), getattr(parameter, "help", None) or "") for parameter in command.params]
        parts += [f"## daybook {name}", command.help or "", table(("", "meaning"), rows)]
    return markdown.page("Command line", *parts)


def subcommands() -> dict[str, Any]:
    """The commands of the command line by name."""
    group = get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(group.commands)


def _written(parameter: Any) -> str:
    """A parameter as one types it: options by their names, an argument as what stands for it."""
    if isinstance(parameter, TyperArgument):
        return str(parameter.name).upper()
    return ", ".join([*parameter.opts, *parameter.secondary_opts])
