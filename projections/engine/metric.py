"""Metrics: named, versioned, documented SQL over read models, with typed parameters.

::

    class RepeatPurchaseRate(Metric, version=1, reads=(Sales,)):
        \"\"\"The share of customers with two or more purchases among those with one or more.\"\"\"

        class Params(Struct): ...
        class Row(Struct): ...
        sql = "SELECT …"

``sql`` is static text over the read models' views, with ``%(parameter)s`` placeholders that are cast to the
parameters' types; ``%(at)s`` is the instant the answer is for. A parameter's default is in force when it is not given.
The answer always carries the metric's name, version and definition, the position the read models stood at, and the
instant.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar, NamedTuple, get_type_hints

import msgspec
from msgspec import Struct
from psycopg import Connection, errors, sql

from domain.rule import Rule

from . import builds
from .model import ReadModel
from .table import postgres_type, table

ROWS_MAX = 10_000
"""Why: a metric is a summary; more rows than this are a read model's page."""

UNKNOWN_METRIC = Rule("METRIC_UNKNOWN", "There is no metric {name}; there are: {known}.", field="name")
BAD_PARAMETER = Rule("METRIC_BAD_PARAMETER", "{problem}", field="params")
TOO_MANY_ROWS = Rule("METRIC_TOO_MANY_ROWS", "The answer has more than {most} rows; narrow the parameters.")
NOT_BUILT = Rule("METRIC_NOT_BUILT", "The read model {model} is not built yet; run: daybook project")

_METRICS: dict[str, type[Metric]] = {}


class Answer(NamedTuple):
    """A metric's answer with all that is needed to trust and repeat it."""

    name: str
    version: int
    definition: str
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
        if _METRICS.setdefault(cls.name, cls) is not cls:
            raise TypeError(f"the metric {cls.name} is declared twice")
        # Here, and not in the threads that compute: msgspec 0.22 crashes where two of them meet a type at once.
        msgspec.json.Decoder(cls.Params)
        msgspec.json.Decoder(cls.Row)


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
        BAD_PARAMETER.refuse(problem=f"{metric.name} has no parameter {sorted(unknown)[0]}; it has: {known}.")
    try:
        return msgspec.convert({name: value for name, value in given.items() if value is not None}, metric.Params)
    except msgspec.ValidationError as error:
        BAD_PARAMETER.refuse(problem=str(error))


def compute(connection: Connection[Any], metric: type[Metric], given: Mapping[str, Any], at: datetime) -> Answer:
    """Compute a metric at an instant, with the read models as they stand, all at one moment.

    Refuses ``METRIC_BAD_PARAMETER``, ``METRIC_NOT_BUILT``, ``METRIC_TOO_MANY_ROWS``.
    """
    values = msgspec.structs.asdict(parameters(metric, given))
    with connection.transaction():
        connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        _hold(connection, metric)
        position = _position(connection, metric)
        cursor = connection.execute(_typed(metric), values | {"at": at})
        names = [column.name for column in cursor.description or ()]
        found = cursor.fetchmany(ROWS_MAX + 1)
    TOO_MANY_ROWS.refuse_if(len(found) > ROWS_MAX, most=ROWS_MAX)
    rows = [msgspec.convert(dict(zip(names, row, strict=True)), metric.Row, strict=False) for row in found]
    return Answer(metric.name, metric.version, definition(metric), position, at, rows)


def _typed(metric: type[Metric]) -> bytes:
    """The statement with each placeholder cast to its parameter's type, which a null alone does not tell."""
    hints = get_type_hints(metric.Params, include_extras=True) | {"at": datetime}
    return re.sub(r"%\((\w+)\)s", lambda found: f"{found[0]}::{postgres_type(hints[found[1]])}", metric.sql).encode()


def _hold(connection: Connection[Any], metric: type[Metric]) -> None:
    """Keep the builds that serve in service until the transaction ends.

    The rows of a build that is swapped in after the snapshot was taken would not all be in the snapshot.
    """
    for model in metric.reads:
        try:
            connection.execute(sql.SQL("LOCK TABLE {} IN ACCESS SHARE MODE").format(table(model.spec.name)))
        except errors.UndefinedTable:
            NOT_BUILT.refuse(model=model.spec.name)


def _position(connection: Connection[Any], metric: type[Metric]) -> int:
    """The position of the read model that stands furthest back."""
    standing = builds.serving(connection)
    return min(standing[model.spec.name].position for model in metric.reads)
