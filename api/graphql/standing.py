"""Where the ledger and its books stand."""

from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct
from strawberry.types.field import StrawberryField

from ledger import checkpoints
from projections.engine import alarms, lease, quarantine
from projections.engine.lease import ProjectorState
from projections.engine.model import definition, models

from . import access
from .queries import query
from .request import Context, Info, Ready
from .types import outgoing

ALARMS_MAX = 100
"""Why: who has more alarms than fit a screen builds the read model anew rather than reading on."""
STANDING = """
    SELECT json_build_object(
        'ledger', (SELECT json_build_object('head', h.position, 'recorded_at', nullif(h.recorded_at, '-infinity'),
                       'checkpoint', (SELECT json_build_object('size', c.size, 'root', encode(c.root, 'base64'),
                                             'note', c.note, 'issued_at', c.issued_at)
                                        FROM (:latest) c (size, root, note, issued_at)),
                       'vkey', (SELECT p.vkey FROM seals.checkpoints p ORDER BY p.size DESC LIMIT 1))
                     FROM ledger.head h),
        'builds', (SELECT coalesce(json_agg(json_build_object(
                       'model', b.model, 'version', b.version, 'position', b.position, 'posted_at', b.posted_at,
                       'state', b.state, 'quarantined', (SELECT count(*) FROM books.quarantine q
                                                          WHERE q.build_id = b.build_id),
                       'alarms', (SELECT count(*) FROM books.alarms a WHERE a.build_id = b.build_id),
                       'fingerprint', b.fingerprint, 'checksum', b.checksum,
                       'certified_position', b.certified_position)), '[]')
                     FROM books.builds b WHERE b.state IN ('serving', 'building')),
        'projector', (SELECT row_to_json(p) FROM (:projector) p))::text""".replace(
    ":projector", lease.STANDING
).replace(":latest", checkpoints.LATEST)
ASIDE_MAX = 100
"""Why: as for alarms."""
SET_ASIDE = """
    SELECT coalesce(json_agg(json_build_object('model', a.model, 'key', a.key, 'position', a.position,
                                               'since', a.since)), '[]')::text
      FROM (:aside LIMIT %(most)s) a""".replace(":aside", quarantine.ASIDE)
"""Without the error, which may quote what an entry says."""
ALARMS = "SELECT coalesce(json_agg(a), '[]')::text FROM (:alarms LIMIT %(most)s) a".replace(":alarms", alarms.ALARMS)


class ProjectionState(StrEnum):
    """Whether a read model can be asked: serving, of another version than this server's, or not built yet."""

    SERVING = "serving"
    """It can be asked."""
    OUTDATED = "outdated"
    """The build in service is of another version than this server asks for."""
    MISSING = "missing"
    """It is not built yet."""


NO_BUILD: dict[str, Any] = {
    "version": None, "position": 0, "posted_at": None, "quarantined": 0, "alarms": 0, "fingerprint": None,
    "checksum": None, "certified_position": None,
}  # fmt: skip
"""What is told of a read model that has no build in service."""


class Checkpoint(Struct):
    """What was signed of the ledger: the root of the Merkle tree over its first entries."""

    size: int
    """How many entries it covers."""
    root: str
    """The root, in base64."""
    note: str
    """The signed note (C2SP tlog-checkpoint), with the signatures of witnesses where there are any."""
    issued_at: datetime
    """When it was issued."""


class LedgerStanding(Struct):
    """Where the ledger stands."""

    head: int
    """The position of the last entry; 0 while there is none."""
    recorded_at: datetime | None
    """When it was entered."""
    checkpoint: Checkpoint | None
    """The last one that was issued; null while nothing is sealed."""
    vkey: str | None
    """The public key it is signed with. To rely on a proof, take the key from somewhere else than from here."""


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
    alarms: int
    """How many of its rows were found not to be what their entries fold to."""
    fingerprint: str | None
    """A digest of the definition its rows were folded by."""
    checksum: str | None
    """A checksum of all its rows as they were when it was put in service."""
    certified_position: int | None
    """The position its rows stood at then: another build of the same definition has the same checksum there."""
    rebuilding: bool
    """Whether a new build is being made beside the one that serves."""


class Projector(Struct):
    """What keeps the read models in step with the ledger, and when it was last heard of."""

    state: ProjectorState
    process: str | None
    """Which process posts, or was the last that did; null where none has yet."""
    since: datetime | None
    """When it began to."""
    last_heard_at: datetime | None
    """When it was last heard of."""


class Alarm(Struct):
    """One row that is not what its entries fold to, found by folding it anew."""

    model: str
    """The read model's name."""
    key: str
    """The row's key."""
    position: int
    """Where the read model stood when the row was compared last."""
    columns: list[str]
    """The columns that differ: all of them where a row is missing, or there is one too many."""
    seen_at: datetime
    """When the difference was first seen."""


class SetAside(Struct):
    """One key that an entry could not be folded into: its row stands as it was before, and later entries wait."""

    model: str
    """The read model's name."""
    key: str
    """The row's key; there may be no row."""
    position: int
    """The position of the entry that could not be folded."""
    since: datetime
    """Since when."""


def standing_queries() -> list[StrawberryField]:
    """The queries about ledger and read models."""
    return [
        query("ledger", outgoing(LedgerStanding), "Where the ledger stands.", [], _ledger),
        query("projections", list[outgoing(Projection)], "Where each read model stands.", [], _projections),  # type: ignore[misc]
        query("projector", outgoing(Projector), "Whether the read models are being posted to.", [], _projector),
        query("setAside", list[outgoing(SetAside)], _SET_ASIDE, [], _set_aside),  # type: ignore[misc]
        query("alarms", list[outgoing(Alarm)], _ALARMS, [], _alarms),  # type: ignore[misc]
    ]


_ALARMS = (
    f"Rows that are not what their entries fold to, the oldest alarm first, {ALARMS_MAX} at most."
    f" For: {access.listed(access.ALARMS)}."
)


_SET_ASIDE = (
    f"Keys that are set aside because an entry could not be folded, the first such entry first, {ASIDE_MAX} at most;"
    f" what was wrong is told by daybook status. For: {access.listed(access.ALARMS)}."
)


async def _ledger(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait([], at_least)
    told = await context.services.reader.json(STANDING, {})
    return context.shaped(info, LedgerStanding, told["ledger"])


async def _projections(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait(models(), at_least)
    return context.shaped(info, Projection, standings(await context.services.reader.json(STANDING, {})))


async def _projector(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait([], at_least)
    told = await context.services.reader.json(STANDING, {})
    return context.shaped(info, Projector, told["projector"])


async def _alarms(context: Context, info: Info, at_least: int | None = None) -> Ready:
    access.refuse_unless(context.viewer.role, access.ALARMS, "read alarms")
    await context.services.reader.wait(models(), at_least)
    return context.shaped(info, Alarm, await context.services.reader.json(ALARMS, {"most": ALARMS_MAX}))


async def _set_aside(context: Context, info: Info, at_least: int | None = None) -> Ready:
    access.refuse_unless(context.viewer.role, access.ALARMS, "read which keys are set aside")
    await context.services.reader.wait(models(), at_least)
    return context.shaped(info, SetAside, await context.services.reader.json(SET_ASIDE, {"most": ASIDE_MAX}))


def standings(told: dict[str, Any]) -> list[dict[str, Any]]:
    """Where each declared read model stands, from what the database told with ``STANDING``."""
    serving = {build["model"]: build for build in told["builds"] if build["state"] == "serving"}
    building = {build["model"] for build in told["builds"] if build["state"] == "building"}
    found = []
    for name, model in sorted(models().items()):
        build = serving.get(name, NO_BUILD)
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
                "rebuilding": name in building,
            }
            | {part: build[part] for part in ("quarantined", "alarms", "fingerprint", "checksum", "certified_position")}
        )
    return found
