"""``daybook schema``: the GraphQL schema, and whether the committed one is still the same."""

from pathlib import Path
from typing import Annotated

import typer
from graphql import GraphQLError, GraphQLSchema, build_schema
from graphql.utilities import find_schema_changes

from ..graphql.schema import sdl
from .report import err, fail, out

COMMITTED = Path(__file__).parent.parent / "schema.graphql"
SHOWN_MAX = 20
"""Why: more changes than this are not read one by one."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("schema")(schema)


def schema(
    check: Annotated[
        bool, typer.Option("--check", help="Compare with the committed file; fail where it differs.")
    ] = False,
    write: Annotated[bool, typer.Option("--write", help="Write the committed file anew.")] = False,
    against: Annotated[
        Path | None,
        typer.Option(help="Compare with this file instead, such as the last release's; additions are fine."),
    ] = None,
) -> None:
    """Print the GraphQL schema, or compare it with the committed one."""
    if against:
        refuse_breaking(_read(against), sdl())
        out.print(f"No client of {against} is broken.", markup=False)
    elif check:
        refuse_drift(COMMITTED.read_text("utf-8") if COMMITTED.exists() else "", sdl())
        out.print("The committed schema is the current one.")
    elif write:
        COMMITTED.write_text(sdl(), "utf-8")
    else:
        typer.echo(sdl(), nl=False)


def _read(path: Path) -> str:
    try:
        text = path.read_text("utf-8")
        build_schema(text)
    except (UnicodeDecodeError, GraphQLError, TypeError):
        fail(f"{path} is no GraphQL schema; make one with: daybook schema > FILE")
    return text


def refuse_drift(committed: str, current: str) -> None:
    """Exit with what to do where the committed schema is not the current one."""
    if committed == current:
        return
    broken, others = changes(committed, current)
    for change in [*broken, *others][:SHOWN_MAX]:
        err.print(f"  {change}", markup=False)
    if broken:
        fail(
            f"{len(broken)} changes break clients. Keep the old fields beside the new ones, marked deprecated; or, if"
            " no client can depend on them, say so in CHANGELOG.md and run: daybook schema --write"
        )
    fail("The schema is not the committed one; clients are not broken. Run: daybook schema --write")


def refuse_breaking(earlier: str, current: str) -> None:
    """Exit where a client of the earlier schema would break."""
    broken, _ = changes(earlier, current)
    for change in broken[:SHOWN_MAX]:
        err.print(f"  {change}", markup=False)
    if broken:
        fail(f"{len(broken)} changes break clients of that schema; keep what they use, marked deprecated.")


def changes(earlier: str, current: str) -> tuple[list[str], list[str]]:
    """The changes between two schemas, in words: those that break clients, and the others."""
    found = find_schema_changes(_built(earlier), _built(current))
    broken = [change.description for change in found if type(change).__name__ == "BreakingChange"]
    return broken, [change.description for change in found if type(change).__name__ != "BreakingChange"]


def _built(text: str) -> GraphQLSchema:
    return build_schema(text or "type Query { nothing: Boolean }")
