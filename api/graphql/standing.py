"""Where the ledger and its books stand."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from strawberry.types.field import StrawberryField

from projections.engine.model import definition, models

from .queries import query
from .request import Context, Info, Ready
from .types import outgoing

STANDING = """
    SELECT json_build_object(
        'ledger', (SELECT json_build_object('head', position, 'recorded_at', nullif(recorded_at, '-infinity'))
                     FROM ledger.head),
        'builds', (SELECT coalesce(json_agg(json_build_object(
                       'model', b.model, 'version', b.version, 'position', b.position, 'posted_at', b.posted_at,
                       'state', b.state, 'quarantined', (SELECT count(*) FROM books.quarantine q
                                                          WHERE q.build_id = b.build_id))), '[]')
                     FROM books.builds b WHERE b.state IN ('serving', 'building')))::text"""


class ProjectionState(StrEnum):
    """Whether a read model can be asked: serving, of another version than this server's, or not built yet."""

    SERVING = "serving"
    OUTDATED = "outdated"
    MISSING = "missing"


class LedgerStanding(Struct):
    """Where the ledger stands."""

    head: int
    """The position of the last entry; 0 while there is none."""
    recorded_at: datetime | None
    """When it was entered."""


class Projection(Struct):
    """Where a read model stands."""

    model: str
    """The read model's name."""
    definition: str
    """What its rows are."""
    version: int
    """The version this server asks for."""
    state: ProjectionState
    position: int
    """The position of the last entry posted to it."""
    lag: int
    """How many entries it is behind the ledger."""
    posted_at: datetime | None
    """When it was last posted to."""
    quarantined: int
    """How many of its keys are set aside because an entry could not be folded."""
    rebuilding: bool
    """Whether a new build is being made beside the one that serves."""


def standing_queries() -> list[StrawberryField]:
    """The queries about ledger and read models."""
    return [
        query("ledger", outgoing(LedgerStanding), "Where the ledger stands.", [], _ledger),
        query("projections", list[outgoing(Projection)], "Where each read model stands.", [], _projections),  # type: ignore[misc]
    ]


async def _ledger(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait([], at_least)
    told = await context.services.reader.json(STANDING, {})
    return context.shaped(info, LedgerStanding, told["ledger"])


async def _projections(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait(models(), at_least)
    return context.shaped(info, Projection, standings(await context.services.reader.json(STANDING, {})))


def standings(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Where each declared read model stands, from what the database told with ``STANDING``."""
    serving = {build["model"]: build for build in told["builds"] if build["state"] == "serving"}
    building = {build["model"] for build in told["builds"] if build["state"] == "building"}
    found = []
    for name, model in sorted(models().items()):
        build = serving.get(name, {"version": None, "position": 0, "posted_at": None, "quarantined": 0})
        current = build["version"] == model.spec.version
        found.append(
            {
                "model": name,
                "definition": definition(model),
                "version": model.spec.version,
                "state": "serving" if current else "missing" if build["version"] is None else "outdated",
                "position": build["position"],
                "lag": told["ledger"]["head"] - build["position"],
                "posted_at": build["posted_at"],
                "quarantined": build["quarantined"],
                "rebuilding": name in building,
            }
        )
    return found
