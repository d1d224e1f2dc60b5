"""Sources: what a statement reads in place of the read models' views when it asks about the past.

A statement names each read model without its schema, and gets a head that says where its rows come from: rows that
were just folded, or the table of an as-of build. The statement itself is the same one that reads the views.
"""

import re
from collections.abc import Collection, Iterable
from functools import cache
from typing import Any, NamedTuple, NoReturn

import msgspec
from psycopg import Connection, errors, sql

from domain.rule import Rule

from .concerned import counted, hanging
from .corrections import CORRECTING
from .cut import Cut
from .forgotten import ERASING
from .links import MERGING, Links
from .model import ReadModel, columns, folds
from .refolding import Refolded, links_for, refold, refold_all
from .table import UNFIT, encode, hold, postgres_type, table

ON_DEMAND_MAX = 20_000
"""Why: so many entries are read and folded in about half a second; more are better folded once, and kept."""
PASSED_MAX = 500_000
"""Why: reading past so many entries, on the way to those that concern a model, takes a tenth of a second."""

NOT_BUILT = Rule(
    "AS_OF_NOT_BUILT",
    "This would fold more than {most} entries while you wait; have {model} built as of then, once, and ask again:"
    " daybook rebuild {model} --as-of {position}{until}",
    field="asOf",
)

BUILDS = """
    SELECT table_name, position FROM books.builds
     WHERE model = %(model)s AND version = %(version)s AND state = 'as_of' AND position <= %(position)s
       AND occurred_until IS NOT DISTINCT FROM %(until)s
     ORDER BY position DESC LIMIT 1"""
TOLD_SINCE = """
    SELECT EXISTS (
        SELECT FROM ledger.entries WHERE position > %(since)s AND position <= %(position)s
           AND (type = ANY(%(types)s) AND occurred_at <= coalesce(%(until)s::timestamptz, 'infinity')
                OR type = ANY(%(correcting)s)
                   AND coalesce(data ->> 'voided_type', data ->> 'amended_type') = ANY(%(types)s)
                OR type = ANY(%(merging)s)))"""


OWN_PARTS = re.compile(r"\s*WITH\s+(RECURSIVE\s+)?", re.IGNORECASE)
"""How a statement begins that has named parts of its own."""


class Head(NamedTuple):
    """What stands for the read models a statement names."""

    parts: str
    parameters: dict[str, Any]
    """The parameters of the parts, by names that no other parameter can have."""

    def before(self, statement: str) -> str:
        """The statement with this head before it."""
        if not self.parts:
            return statement
        own = OWN_PARTS.match(statement)
        if own is None:
            return f"WITH {self.parts} {statement}"
        return f"WITH {own[1] or ''}{self.parts}, {statement[own.end() :]}"


class Allowance:
    """How many entries may still be folded for one statement, whatever moments it asks as of."""

    def __init__(self) -> None:
        """Start with ``ON_DEMAND_MAX``."""
        self.left = ON_DEMAND_MAX


def named(model: str, moment: int = 0) -> str:
    """What a statement calls a model as of one of its moments, by number: as of the first by the bare name."""
    return f"{model} {moment}" if moment else model


def wanted_of(connection: Connection[Any], name: str, column: str, among: Collection[Any], wanted: str) -> list[Any]:
    """What stands in a wanted column of a table of the books, in the rows with one of some values in another."""
    query = sql.SQL("SELECT DISTINCT {w} FROM {t} WHERE {c} = ANY(%s) AND {w} IS NOT NULL").format(
        w=sql.Identifier(wanted), t=table(name), c=sql.Identifier(column)
    )
    return [value for (value,) in connection.execute(query, (list(among),))]


class Sources:
    """Gathers, for one statement, the rows of read models as a cut has them; in a transaction of the caller's.

    Some rows of a model may be more than are asked for, so the statement has to choose among them as it would among
    all. Every way to add rows refuses ``AS_OF_NOT_BUILT`` where it takes too much, and there is no build to read.
    """

    def __init__(
        self, connection: Connection[Any], cut: Cut, moment: int = 0, allowance: Allowance | None = None
    ) -> None:
        """Gather through ``connection``, for the statement's ``moment`` of that number.

        At most what is left of ``allowance`` is folded, which the statement's other moments share.
        """
        self._connection, self._cut, self._moment = connection, cut, moment
        self._allowance = allowance or Allowance()
        self._folded: dict[type[ReadModel], dict[Any, Refolded]] = {}
        self._whole: set[type[ReadModel]] = set()
        self._built: dict[type[ReadModel], str] = {}

    def add_all(self, model: type[ReadModel]) -> None:
        """Add every row of a model."""
        if self._has_all(model):
            return
        if built := self._built_as_of(model):
            self._built[model] = built
        elif self._cut.position <= PASSED_MAX and self._afford(model, None, self._links(model)):
            self._folded[model] = refold_all(self._connection, model, self._cut)
            self._whole.add(model)
        else:
            self._refuse(model)

    def add(self, model: type[ReadModel], column: str, values: Collection[Any]) -> None:
        """Add the rows that have one of the values in a column: the key, or one of ``HUBS``."""
        known = self._folded.setdefault(model, {})
        if self._has_all(model) or not values:
            return
        links, keys = self._links(model), values
        if column != model.spec.key:
            found = hanging(self._connection, model, column, values, self._cut, links, self._allowance.left + 1)
            if found.entries > self._allowance.left:
                self._built[model] = self._built_as_of(model) or self._refuse(model)
                return
            keys = found.keys
        fresh = [key for key in keys if key not in known]
        if not fresh:
            return
        if not self._afford(model, fresh, links):
            self._built[model] = self._built_as_of(model) or self._refuse(model)
            return
        known |= refold(self._connection, model, fresh, self._cut)

    def values(self, model: type[ReadModel], column: str, among: Collection[Any], wanted: str) -> list[Any]:
        """What stands in a wanted column of the rows that have one of some values in another."""
        if model in self._built:
            return wanted_of(self._connection, self._built[model], column, among, wanted)
        some = set(among)
        rows = (row for row in self._rows(model) if getattr(row, column) in some)
        return list({value for row in rows if (value := getattr(row, wanted)) is not None})

    def head(self) -> Head:
        """The head of the statement."""
        parts = [
            sql.SQL("{} AS NOT MATERIALIZED (SELECT * FROM {})").format(self._name(model), table(name))
            for model, name in self._built.items()
        ]
        parameters: dict[str, Any] = {}
        for model in self._folded.keys() - self._built.keys():
            given = f"books.{named(model.spec.name, self._moment)}"
            # Read once, however often the statement asks for it.
            parts.append(sql.SQL("{} AS MATERIALIZED ({})").format(self._name(model), _records(model, given)))
            parameters[given] = self._text(model)
        return Head(sql.SQL(", ").join(parts).as_string(), parameters)

    def _name(self, model: type[ReadModel]) -> sql.Identifier:
        return sql.Identifier(named(model.spec.name, self._moment))

    def _has_all(self, model: type[ReadModel]) -> bool:
        return model in self._built or model in self._whole

    def _links(self, model: type[ReadModel]) -> Links:
        return links_for(self._connection, model, self._cut)

    def _afford(self, model: type[ReadModel], keys: Collection[Any] | None, links: Links) -> bool:
        """Whether the entries of some keys, or of all, may still be folded; they are taken from what is left."""
        many = counted(self._connection, model, keys, self._cut, links, self._allowance.left + 1)
        if many > self._allowance.left:
            return False
        self._allowance.left -= many
        return True

    def _text(self, model: type[ReadModel]) -> str:
        """The rows folded of a model, as JSON that is sure to be read; a row that is not counts as a failed fold."""
        try:
            return self._checked(model, self._rows(model))
        except UNFIT:
            self._folded[model] = refold(self._connection, model, self._folded[model], self._cut, self._check)
            return self._checked(model, self._rows(model))

    def _rows(self, model: type[ReadModel]) -> list[ReadModel]:
        return [row for row, _ in self._folded[model].values() if row is not None]

    def _check(self, row: ReadModel) -> None:
        self._checked(type(row), [row])

    def _checked(self, model: type[ReadModel], rows: Iterable[ReadModel]) -> str:
        text = b"[" + b",".join(map(encode, rows)) + b"]"
        _decoder(model).decode(text)
        with self._connection.transaction():
            self._connection.execute(_records(model, "given"), {"given": text.decode()})
        return text.decode()

    def _built_as_of(self, model: type[ReadModel]) -> str | None:
        """The table of a build that holds the very rows the cut asks for, where there is one."""
        position, until = self._cut
        params = {"model": model.spec.name, "version": model.spec.version, "position": position, "until": until}
        found = self._connection.execute(BUILDS, params).fetchone()
        if found is None or not self._holds(model, found[1]):
            return None
        try:
            with self._connection.transaction():
                hold(self._connection, found[0])
        except errors.UndefinedTable:
            # It was dropped a moment ago.
            return None
        return str(found[0])

    def _refuse(self, model: type[ReadModel]) -> NoReturn:
        position, until = self._cut
        told = f" --occurred-until {until.isoformat()}" if until else ""
        NOT_BUILT.refuse(most=ON_DEMAND_MAX, model=model.spec.name, position=position, until=told)

    def _holds(self, model: type[ReadModel], since: int) -> bool:
        """Whether nothing was told between a position and the cut's that the model's rows would show."""
        position, until = self._cut
        if since == position:
            return True
        if position - since > PASSED_MAX:
            return False
        row = self._connection.execute(
            TOLD_SINCE,
            {
                "since": since,
                "position": position,
                "until": until,
                "types": [kind.type_name for kind in folds(model)],
                "correcting": [kind.type_name for kind in CORRECTING],
                "merging": [kind.type_name for kind in (*MERGING, ERASING)],
            },
        ).fetchone()
        return row is not None and not row[0]


def _records(model: type[ReadModel], parameter: str) -> sql.Composed:
    """The rows of a model, given as a JSON parameter."""
    shown = (
        sql.SQL("{} {}").format(sql.Identifier(column), sql.SQL(postgres_type(hint)))
        for column, hint in columns(model).items()
    )
    return sql.SQL("SELECT * FROM json_to_recordset({}::json) AS row ({})").format(
        sql.Placeholder(parameter), sql.SQL(", ").join(shown)
    )


@cache
def _decoder(model: type[ReadModel]) -> msgspec.json.Decoder[list[ReadModel]]:
    return msgspec.json.Decoder(list[model])  # type: ignore[valid-type]
