"""``daybook review-tiers``: apply the published tier rule."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from ..settings import load
from ..tier_review import review
from ..wiring import open_desk
from .instants import parse_instant
from .projecting import build_missing, catch_up
from .report import JsonFlag, facts, progress


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("review-tiers")(review_tiers)


def review_tiers(
    at: Annotated[
        str | None, typer.Option(help="The instant to judge from, such as 2026-06-30T00:00:00Z; now unless told.")
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Apply the published tier rule and enter the tiers that change; the same review again enters nothing."""
    instant = datetime.now(UTC) if at is None else parse_instant(at)
    settings = load()
    with open_desk(settings) as desk:
        build_missing(desk.url)
        catch_up(desk.url)
        with desk.pool.connection() as reader, progress("Assigning tiers") as advance:
            found = review(desk.ledger, reader, instant, advance)
        catch_up(desk.url)
    facts(found._asdict(), json)
