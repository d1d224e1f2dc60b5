"""Metrics: named, versioned, documented SQL over read models, with typed parameters.

::

    class RepeatPurchaseRate(Metric, version=1, reads=(Sales,)):
        \"\"\"The share of customers with two or more purchases among those with one or more.\"\"\"

        class Params(Struct): ...
        class Row(Struct): ...
        sql = "SELECT …"

``sql`` is static text over the read models' views, with ``%(parameter)s`` placeholders that are cast to the
parameters' types; ``%(at)s`` is the instant the answer is for. A parameter's default is in force when it is not given.
The answer always carries the metric's name, version and definition, the read models it reads, the position they stood
at, and the instant.

Each view is called ``books.NAME``, and nothing else in the statement is called ``NAME``: as of a moment of the past,
the rows the view had then take its place.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, NoReturn, get_type_hints

import msgspec
from msgspec import Struct
from psycopg import Connection, errors

from domain.misfit import Misfit
from domain.rule import Rule

from . import builds
from .cut import Cut
from .model import ReadModel
from .sources import Head, Sources
from .table import hold, postgres_type

ROWS_MAX = 10_000
"""Why: a metric is a summary; more rows than this are a read model's page."""

UNKNOWN_METRIC = Rule("METRIC_UNKNOWN", "There is no metric {name}; there are: {known}.", field="name")
BAD_PARAMETER = Rule("METRIC_BAD_PARAMETER", "{problem}", field="params")
TOO_MANY_ROWS = Rule("METRIC_TOO_MANY_ROWS", "The answer has more than {most} rows; narrow the parameters.")
NOT_BUILT = Rule("METRIC_NOT_BUILT", "The read model {model} is not built yet; run: daybook project")

VIEW = re.compile(r"\bbooks\.(\w+)")
"""A view in a metric's statement."""
PART = re.compile(r"\b(\w+)\s+AS\s+(?:(?:NOT\s+)?MATERIALIZED\s+)?\(", re.IGNORECASE)
"""The beginning of a named part of a statement."""

_METRICS: dict[str, type[Metric]] = {}


class Answer(NamedTuple):
    """A metric's answer with all that is needed to trust and repeat it."""

    name: str
    version: int
    definition: str
    reads: list[str]
    """The names of the read models it was computed from."""
    position: int
    at: datetime
    rows: list[Any]
    """Instances of the metric's ``Row``."""


class Metric:
    """The declaration of a metric; see the module's text."""

    name: ClassVar[str]
    """What the metric is called: the class name in snake_case."""
    version: ClassVar[int]
    """Raised whenever the definition changes."""
    reads: ClassVar[Sequence[type[ReadModel]]]
    """The read models the SQL reads."""
    Params: ClassVar[type[Struct]]
    """The parameters, with defaults and descriptions."""
    Row: ClassVar[type[Struct]]
    """A row of the answer; its fields are the columns of the SQL, by name."""
    sql: ClassVar[str]
    """The statement."""

    def __init_subclass__(cls, *, version: int, reads: Sequence[type[ReadModel]]) -> None:
        """Enter the metric into the catalogue."""
        cls.name = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()
        cls.version, cls.reads = version, reads
        if _METRICS.get(cls.name, cls) is not cls:
            raise TypeError(f"the metric {cls.name} is declared twice")
        _refuse_sql(cls)
        _METRICS[cls.name] = cls
        # Here, and not in the threads that compute: msgspec 0.22 crashes where two of them meet a type at once.
        msgspec.json.Decoder(cls.Params)
        msgspec.json.Decoder(cls.Row)


def _refuse_sql(metric: type[Metric]) -> None:
    """Raise ``TypeError`` for a statement that reads other views than it says, or gives their names to parts of it."""
    declared = {model.spec.name for model in metric.reads}
    if undeclared := set(VIEW.findall(metric.sql)) - declared:
        raise TypeError(f"{metric.__name__} reads books.{min(undeclared)} and does not say so in reads")
    if taken := set(PART.findall(metric.sql)) & declared:
        raise TypeError(f"{metric.__name__} calls a part of its statement {min(taken)}, as a read model is called")


def metrics() -> Mapping[str, type[Metric]]:
    """Every declared metric by name."""
    return _METRICS


def metric_named(name: str) -> type[Metric]:
    """The metric of that name; refuses ``METRIC_UNKNOWN``."""
    if name not in _METRICS:
        UNKNOWN_METRIC.refuse(name=name, known=", ".join(sorted(_METRICS)))
    return _METRICS[name]


def definition(metric: type[Metric]) -> str:
    """The metric's definition: its whole docstring, on one line."""
    return " ".join((metric.__doc__ or "").split())


def parameters(metric: type[Metric], given: Mapping[str, Any]) -> Struct:
    """The parameters as typed values; refuses ``METRIC_BAD_PARAMETER`` for one that is unknown or does not fit."""
    if unknown := set(given) - set(metric.Params.__struct_fields__):
        known = ", ".join(metric.Params.__struct_fields__) or "none"
        refuse_parameter(sorted(unknown)[0], f"is no parameter of {metric.name}; it has: {known}")
    try:
        return msgspec.convert({name: value for name, value in given.items() if value is not None}, metric.Params)
    except msgspec.ValidationError as error:
        refuse_parameter(*Misfit.of(error))


def refuse_parameter(name: str, problem: str) -> NoReturn:
    """Refuse ``METRIC_BAD_PARAMETER`` for the parameter of that name."""
    BAD_PARAMETER.refuse(problem=f"{name} {problem}.", parameter=(name, problem))


def compute(
    connection: Connection[Any], metric: type[Metric], given: Mapping[str, Any], at: datetime, cut: Cut | None = None
) -> Answer:
    """Compute a metric at an instant, with the read models as they stand, or as a cut of the ledger has them.

    Everything is read at one moment. Refuses ``METRIC_BAD_PARAMETER``, ``METRIC_NOT_BUILT``, ``METRIC_TOO_MANY_ROWS``,
    and with a cut ``AS_OF_NOT_BUILT``.
    """
    values = msgspec.structs.asdict(parameters(metric, given)) | {"at": at}
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        if cut is None:
            _hold(connection, metric)
            statement, position = _typed(metric), _position(connection, metric)
        else:
            head, position = _head(connection, metric, cut), cut.position
            statement, values = head.before(_bare(_typed(metric))), values | head.parameters
        cursor = connection.execute(statement.encode(), values)
        names = [column.name for column in cursor.description or ()]
        found = cursor.fetchmany(ROWS_MAX + 1)
    TOO_MANY_ROWS.refuse_if(len(found) > ROWS_MAX, most=ROWS_MAX)
    rows = [msgspec.convert(dict(zip(names, row, strict=True)), metric.Row, strict=False) for row in found]
    reads = [model.spec.name for model in metric.reads]
    return Answer(metric.name, metric.version, definition(metric), reads, position, at, rows)


def _typed(metric: type[Metric]) -> str:
    """The statement with each placeholder cast to its parameter's type, which a null alone does not tell."""
    hints = get_type_hints(metric.Params, include_extras=True) | {"at": datetime}
    return re.sub(r"%\((\w+)\)s", lambda found: f"{found[0]}::{postgres_type(hints[found[1]])}", metric.sql)


def _head(connection: Connection[Any], metric: type[Metric], cut: Cut) -> Head:
    """What stands for the views as a cut has them."""
    sources = Sources(connection, cut)
    for model in metric.reads:
        sources.add_all(model)
    return sources.head()


def _bare(statement: str) -> str:
    """The statement with the views called by their bare names, as a head names what stands for them."""
    return VIEW.sub(r"\1", statement)


def _hold(connection: Connection[Any], metric: type[Metric]) -> None:
    """Keep the builds that serve in service until the transaction ends."""
    for model in metric.reads:
        try:
            hold(connection, model.spec.name)
        except errors.UndefinedTable:
            NOT_BUILT.refuse(model=model.spec.name)


def _position(connection: Connection[Any], metric: type[Metric]) -> int:
    """The position of the read model that stands furthest back."""
    standing = builds.serving(connection)
    return min(standing[model.spec.name].position for model in metric.reads)
