"""``daybook simulate``: a lifelike world, written into the ledger."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from inspect import Parameter, signature
from typing import Annotated, Any, get_args, get_type_hints

import msgspec
import typer

from domain.text import described
from ledger.sources.simulation import WorldClashes, simulate
from ledger.sources.world.parameters import World

from ..settings import load
from ..wiring import open_intake
from .report import JsonFlag, facts, fail, progress

Until = Annotated[
    datetime | None,
    typer.Option(
        formats=["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"],
        help="The instant, in UTC, at which the world ends; the start of the current day unless told.",
        show_default=False,
    ),
]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("simulate")(_with_parameters_of_the_world(simulate_))


def simulate_(until: Until = None, json: JsonFlag = False, **parameters: Any) -> None:
    """Write a lifelike world of customers: contacts, purchases, cases handled well, badly and not at all, remedies.

    The same parameters give the same world; a second time adds nothing, after an interruption it adds the rest.
    """
    now = datetime.now(UTC)
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(until=until.replace(tzinfo=UTC) if until else midnight, **parameters)
    if world.until > now:
        fail(
            "The world would end in the future, and a ledger takes only what has happened; give an earlier --until.",
            code=2,
        )
    began = time.monotonic()
    with open_intake(load()) as intake:
        try:
            summary = simulate(intake.connection, intake.vault, world, progress)
        except WorldClashes as error:
            fail(str(error))
    told = {"world": summary.world, "until": world.until, "customers": summary.customers}
    told |= {"entries": summary.entries, "new": summary.new, "seconds": round(time.monotonic() - began, 1)}
    facts(told | ({"by_type": summary.by_type} if json else summary.by_type), json)


def _with_parameters_of_the_world(command: Callable[..., None]) -> Callable[..., None]:
    """Give the command an option for each parameter of :class:`World`, as it is declared and described there."""
    hints = get_type_hints(World, include_extras=True)
    options = [
        Parameter(field.name, Parameter.KEYWORD_ONLY, default=field.default, annotation=_option(field.name, hints))
        for field in msgspec.structs.fields(World)
        if field.name != "until"
    ]
    own = [given for given in signature(command).parameters.values() if given.kind is not Parameter.VAR_KEYWORD]
    parameters = [*options, *(given.replace(kind=Parameter.KEYWORD_ONLY) for given in own)]
    command.__signature__ = signature(command).replace(parameters=parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {given.name: given.annotation for given in parameters}
    return command


def _option(name: str, hints: dict[str, Any]) -> Any:
    plain = get_args(hints[name])[0]
    return Annotated[plain, typer.Option(help=described(World, name))]
