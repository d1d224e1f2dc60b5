"""Metrics over GraphQL: a catalogue, each by its name with its parameters, and a typed query for each."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Annotated, Any, cast

import anyio.to_thread
import msgspec
from graphql import GraphQLArgument, GraphQLField, GraphQLObjectType
from msgspec import Meta, Struct
from strawberry.scalars import JSON
from strawberry.types.arguments import StrawberryArgument
from strawberry.types.field import StrawberryField

from domain.rule import Refused
from ledger import database
from ledger.database import Duty
from projections.engine import metric as engine
from projections.engine.as_of import resolve
from projections.engine.metric import BAD_PARAMETER, Metric, metric_named, metrics

from . import access
from .names import camel
from .past import as_of_argument, asked
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .selection import plain
from .types import Given, leaves, outgoing, plain_text, title

METRIC_COST = 500
"""Why: a metric reads whole tables; twenty in one request are enough for a dashboard."""
METRIC_S_MAX = 60
"""Why: the slowest metric over ten million entries takes some ten seconds."""

Name = Annotated[str, Meta(description="What the metric is called.")]
Version = Annotated[int, Meta(ge=1, le=2**31 - 1, description="The version of its definition.")]
Definition = Annotated[str, Meta(description="What exactly is measured.")]
Position = Annotated[
    int,
    Meta(description="The position the read models stood at, or of the past asked for: entries up to it are counted."),
]
Reads = Annotated[list[str], Meta(description="The read models it is computed from.")]
At = Annotated[datetime, Meta(description="The instant the answer is for.")]


class MetricField(Struct):
    """A parameter of a metric, or a figure of its rows."""

    name: str
    """What it is called in JSON; in the typed query the same in camelCase."""
    type: str
    """Its GraphQL type."""
    description: str
    """What it means."""


class MetricDefinition(Struct):
    """A metric as it is defined."""

    name: Name
    version: Version
    definition: Definition
    reads: Reads
    parameters: list[MetricField]
    """What can be given."""
    figures: list[MetricField]
    """What each row of the answer holds."""


class MetricAnswer(Struct):
    """The answer of any metric, with all that is needed to trust and repeat it."""

    name: Name
    version: Version
    definition: Definition
    reads: Reads
    position: Position
    at: At
    rows: Annotated[Any, Meta(description="The rows, each an object of figures by name.")]


def metric_queries() -> list[StrawberryField]:
    """The catalogue of metrics, the query for any of them by name, and a typed one for each."""
    catalogue = query("metrics", list[outgoing(MetricDefinition)], "Every metric with its definition.", [], _catalogue)  # type: ignore[misc]
    return [catalogue, _generic(), *(_typed(metric) for _, metric in sorted(metrics().items()))]


def _typed(metric: type[Metric]) -> StrawberryField:
    rows = Annotated[list[metric.Row], Meta(description="The rows of the answer.")]  # type: ignore[name-defined]
    told = [("name", Name), ("version", Version), ("definition", Definition), ("reads", Reads)]
    answer = msgspec.defstruct(f"{metric.__name__}Answer", [*told, ("position", Position), ("at", At), ("rows", rows)])
    answer.__doc__ = "The answer of a metric, with all that is needed to trust and repeat it."
    offered = [
        argument(leaf.field, given.shown, given.doc, **({} if given.required else {"default": given.default}))
        for leaf in leaves(metric.Params).values()
        for given in [Given.of(metric.Params, leaf)]
    ]

    async def resolve(
        context: Context, info: Info, at: datetime | None = None, as_of: Any = None, **given: Any
    ) -> Ready:
        try:
            return context.shaped(info, answer, await _computed(context, metric, given, at, as_of))
        except Refused as refused:
            raise _as_argument(refused) from None

    said, taken = plain_text(engine.definition(metric)), [*offered, *_moments()]
    return query(camel(metric.name), outgoing(answer), f"{said} {_FOR}", taken, resolve, cost=METRIC_COST)


def _generic() -> StrawberryField:
    async def resolve(
        context: Context,
        info: Info,
        name: str,
        params: Any = None,
        at: datetime | None = None,
        as_of: Any = None,
        at_least: int | None = None,
    ) -> Ready:
        BAD_PARAMETER.refuse_if(not isinstance(params or {}, dict), problem="params must be an object.")
        given = {**(params or {}), "at_least": at_least}
        return context.shaped(info, MetricAnswer, await _computed(context, metric_named(name), given, at, as_of))

    offered = [
        argument("name", str, "What the metric is called, as metrics lists it."),
        argument("params", JSON | None, "Its parameters by the names that metrics lists."),
        *_moments(),
    ]
    return query(
        "metric", outgoing(MetricAnswer), f"Any metric by its name. {_FOR}", offered, resolve, cost=METRIC_COST
    )


def _as_argument(refused: Refused) -> Refused:
    """A refusal that names the parameter as the argument it is in a typed query."""
    if refused.code != BAD_PARAMETER.code:
        return refused
    name, problem = cast(tuple[str, str], refused.values["parameter"])
    return Refused(refused.code, f"{camel(name)} {problem}.", camel(name))


_FOR = f"For: {access.listed(access.METRICS)}."


def _moments() -> list[StrawberryArgument]:
    """The arguments for the instant an answer is for, and for what is to be known of."""
    said = "The instant the answer is for; that of asOf where none is given, and now without either."
    past = "From the read models as of a moment of the past; as they now stand where none is given."
    return [argument("at", datetime | None, said), as_of_argument(past)]


async def _computed(
    context: Context, metric: type[Metric], given: Mapping[str, Any], at: datetime | None, as_of: Any
) -> dict[str, Any]:
    """A metric's answer as the dict its JSON is."""
    access.refuse_unless(context.viewer.role, access.METRICS, f"compute {camel(metric.name)}")
    given = {name: plain(value) for name, value in given.items()}
    read = () if as_of else [model.spec.name for model in metric.reads]
    await context.services.reader.wait(read, given.pop("at_least", None))

    def compute() -> engine.Answer:
        # A connection of its own, since a metric may take longer than any page.
        with database.connect(context.services.desk.url, Duty.API) as connection:
            connection.execute(f"SET statement_timeout = '{METRIC_S_MAX}s'")
            if not as_of:
                return engine.compute(connection, metric, given, at or datetime.now(UTC))
            moment = resolve(connection, asked(as_of))
            return engine.compute(connection, metric, given, at or moment.at, moment.cut)

    answer = await anyio.to_thread.run_sync(compute, limiter=context.services.metrics)
    return cast(dict[str, Any], msgspec.to_builtins(answer._asdict()))


async def _catalogue(context: Context, info: Info, at_least: int | None = None) -> Ready:
    await context.services.reader.wait([], at_least)
    return context.shaped(info, MetricDefinition, [_defined(info, metric) for _, metric in sorted(metrics().items())])


def _defined(info: Info, metric: type[Metric]) -> dict[str, Any]:
    assert info.schema.query_type is not None
    typed = info.schema.query_type.fields[camel(metric.name)]
    row: Any = info.schema.get_type(title(metric.Row))
    return {
        "name": metric.name,
        "version": metric.version,
        "definition": plain_text(engine.definition(metric)),
        "reads": [model.spec.name for model in metric.reads],
        "parameters": _fields(metric.Params, typed.args),
        "figures": _fields(metric.Row, cast(GraphQLObjectType, row).fields),
    }


def _fields(
    struct: type[Struct], typed: Mapping[str, GraphQLArgument] | Mapping[str, GraphQLField]
) -> Iterable[dict[str, Any]]:
    return [
        {"name": leaf.field, "type": str(typed[name].type), "description": typed[name].description}
        for name, leaf in leaves(struct).items()
    ]
