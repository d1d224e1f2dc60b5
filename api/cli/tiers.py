"""``daybook review-tiers``: apply the published tier rule."""

from datetime import UTC, datetime
from typing import Annotated

import typer

from domain.rule import INVALID_INPUT
from ledger import database
from ledger.database import Duty

from ..settings import load
from ..tier_review import review
from ..wiring import open_desk
from .projecting import build_missing, catch_up
from .report import JsonFlag, facts, progress


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("review-tiers")(review_tiers)


def review_tiers(
    at: Annotated[str | None, typer.Option(help="The instant to judge from, such as 2026-06-30T00:00:00Z.")] = None,
    json: JsonFlag = False,
) -> None:
    """Apply the published tier rule and enter the tiers that change; the same review again enters nothing."""
    instant = parse_instant(at)
    settings = load()
    with open_desk(settings) as desk:
        build_missing(desk.url)
        with database.connect(desk.url, Duty.PROJECTOR) as connection:
            catch_up(connection)
            with desk.pool.connection() as reader, progress("Assigning tiers") as advance:
                found = review(desk.ledger, reader, instant, advance)
            catch_up(connection)
    facts(found._asdict(), json)


def parse_instant(text: str | None) -> datetime:
    """An instant given on the command line, by default now; refuses one without an offset or in the future."""
    now = datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text) if text else now
    except (ValueError, OverflowError):
        INVALID_INPUT.refuse(problem=f"{text!r} is no instant; write it like 2026-06-30T00:00:00Z.")
    INVALID_INPUT.refuse_if(instant.tzinfo is None, problem=f"{text!r} needs an offset, such as Z for UTC.")
    INVALID_INPUT.refuse_if(instant > now, problem=f"{text} lies in the future.")
    return instant.astimezone(UTC)
