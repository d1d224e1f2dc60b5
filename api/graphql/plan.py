"""Plans a selection over read models as one SQL statement and the shaping of its one answer.

However deep a selection goes, from a page of customers to each one's latest cases and their histories, it is one
statement: relations become subqueries that give JSON. So there is nothing to batch, and no row asks the database again.

A part that asks as of a moment of the past is the same but for the name it reads from, which tells the moment, too:
what stands for such names is gathered first, from the reaches that the plan tells of.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Any, NamedTuple

from graphql import FieldNode, GraphQLField, GraphQLObjectType, get_named_type
from psycopg.sql import SQL, Composable, Identifier, Literal, Placeholder

from domain.vocabulary import Role
from projections.engine.hints import optional
from projections.engine.sources import named
from projections.engine.table import table

from . import access, shape
from .books import Book, Relation, books, fields, key_name, relations
from .names import camel
from .pages import Page
from .paging import Slice, ways
from .paths import choose, filters, names_events, refuse_unknown_event
from .reaches import Reach, of_page
from .selection import Arguments, Later, Scope, Variables, selected
from .shape import Part, Shape
from .types import Leaf

TOTAL_MAX = 10_000
"""Why: beyond it a reader wants to know that there are many, and counting on would cost more than the page."""

KEY = "the key"
"""What holds the key of the row asked for beside the variables, where no argument does; no variable is called so."""

Where = Callable[[Identifier], Composable]


class Plan(NamedTuple):
    """One statement that answers one field, and how its answer is shaped."""

    statement: str
    bindings: Mapping[str, Later]
    shape: Shape
    models: frozenset[str]
    """The read models that it reads as they stand."""
    moments: Sequence[Later] = ()
    """The moments of the past that it reads as of, each as an ``AsOf`` of the request gives it."""
    reaches: Sequence[Reach] = ()
    """Of a plan with moments: what it needs, the rows of the field itself first."""
    turned: str | None = None
    """Of such a plan for a page: the statement for what ``turning`` holds in the rows of that page."""
    turning: Sequence[str] = ()
    """The columns by which all else hangs on the rows of a page."""

    def parameters(self, variables: Variables) -> dict[str, Any]:
        """The statement's parameters for the variables of a request."""
        return {name: value(variables) for name, value in self.bindings.items()}


class Row:
    """What one row of a statement gives: columns and subqueries, each once, by place."""

    def __init__(self, reach: Reach, number: int) -> None:
        """Start a row of a reach, the one of that number."""
        self.reach, self.number = reach, number
        self.alias = Identifier(f"t{number}")
        self._places: dict[object, int] = {}
        self._parts: list[Composable] = []

    @property
    def source(self) -> Composable:
        """What it is read from, and its alias there."""
        model, moment = self.reach.model, self.reach.moment
        read = table(model) if moment is None else Identifier(named(model, moment))
        return SQL("{} {}").format(read, self.alias)

    def place(self, name: object, part: Composable) -> int:
        """The place of a part, known by its name; added when it is new."""
        if name not in self._places:
            self._places[name] = len(self._parts)
            self._parts.append(part)
        return self._places[name]

    def column(self, column: str) -> int:
        """The place of a column."""
        return self.place(column, SQL("{}.{}").format(self.alias, Identifier(column)))

    def json(self) -> Composable:
        """The row as a JSON array."""
        return SQL("json_build_array({})").format(SQL(", ").join(self._parts))


class Planner:
    """Plans one field for a viewer's role; refuses ``FORBIDDEN``, ``BAD_FILTER``, ``BAD_PAGE`` and ``BAD_CURSOR``."""

    def __init__(self, scope: Scope, role: Role) -> None:
        """Plan in ``scope`` for ``role``."""
        self._scope, self._role = scope, role
        self._bindings: dict[str, Later] = {}
        self._moments: dict[str, Later] = {}
        self._reaches: list[Reach] = []
        self._turned: str | None = None
        self._turning: Sequence[str] = ()

    def one(self, name: str, field: GraphQLField, nodes: list[FieldNode]) -> Plan:
        """Plan for a row of a book: the one whose key the field's argument gives, else that under ``KEY``."""
        book, arguments = books()[name], Arguments(field, nodes[0], self._scope)
        given = arguments.later(key_name(name)) or itemgetter(KEY)
        key = self._bind(given)
        reach = Reach(book.name, book.key, self._moment(arguments), given)
        statement, shaped = self._row(reach, field, nodes, lambda alias: self._equal(alias, book.key, key))
        return self._plan(statement, shaped)

    def many(self, name: str, field: GraphQLField, nodes: list[FieldNode]) -> Plan:
        """Plan for a page of a book."""
        statement, shaped = self._page(books()[name], field, nodes, None)
        return self._plan(statement, shaped)

    def _plan(self, statement: Composable, shaped: Shape) -> Plan:
        text = SQL("SELECT ({})::text").format(statement).as_string()
        models = frozenset(reach.model for reach in self._reaches if reach.moment is None)
        if not self._moments:
            return Plan(text, self._bindings, shaped, models)
        moments = [*self._moments.values()]
        return Plan(text, self._bindings, shaped, models, moments, self._reaches, self._turned, self._turning)

    def _moment(self, arguments: Arguments, above: Row | None = None) -> int | None:
        """The number of the moment that a field asks as of, or else of that of the row ``above`` it."""
        asked = arguments.later("asOf")
        if asked is None:
            return above.reach.moment if above else None
        written = arguments.written("asOf")
        self._moments.setdefault(written, asked)
        return [*self._moments].index(written)

    def _bind(self, value: Later) -> Composable:
        name = f"p{len(self._bindings)}"
        self._bindings[name] = value
        return Placeholder(name)

    def _equal(self, alias: Identifier, column: str, to: Composable) -> Composable:
        return SQL("{}.{} = {}").format(alias, Identifier(column), to)

    def _enter(self, reach: Reach) -> Row:
        book = books()[reach.model]
        access.refuse_unless(self._role, book.readers, f"read {book.many}")
        self._reaches.append(reach)
        return Row(reach, len(self._reaches) - 1)

    def _row(
        self, reach: Reach, field: GraphQLField, nodes: Iterable[FieldNode], where: Where
    ) -> tuple[Composable, Shape]:
        book, row = books()[reach.model], self._enter(reach)
        shaped = self._object(book, get_named_type(field.type), nodes, row)  # type: ignore[arg-type]
        return SQL("SELECT {} FROM {} WHERE {}").format(row.json(), row.source, where(row.alias)), shaped

    def _object(self, book: Book, type_: GraphQLObjectType, nodes: Iterable[FieldNode], row: Row) -> Shape:
        """Place what is selected of a row into the statement's row, and shape it from there."""
        columns, related = fields(book.name), relations(book.name)
        parts: list[Part] = []
        for chosen in selected(nodes, self._scope):
            if chosen.name == "__typename":
                parts.append(shape.constant(chosen, book.title))
            elif told := columns.get(chosen.name):
                parts.append(Part(chosen.key, _place(row, told), shape.column(told, chosen, self._scope)))
            else:
                relation = related[chosen.name]
                found, shaped = self._related(relation, type_.fields[chosen.name], chosen.nodes, row)
                parts.append(Part(chosen.key, row.place(("relation", chosen.key), SQL("({})").format(found)), shaped))
        return shape.record(parts)

    def _related(
        self, relation: Relation, field: GraphQLField, nodes: list[FieldNode], row: Row
    ) -> tuple[Composable, Shape]:
        book = books()[relation.model]
        local = SQL("{}.{}").format(row.alias, Identifier(relation.local))
        if relation.many:
            return self._page(book, field, nodes, (relation, row))
        moment = self._moment(Arguments(field, nodes[0], self._scope), row)
        reach = Reach(book.name, relation.column, moment, above=_above(relation, row))
        return self._row(reach, field, nodes, lambda alias: self._equal(alias, relation.column, local))

    def _page(
        self, book: Book, field: GraphQLField, nodes: list[FieldNode], of: tuple[Relation, Row] | None
    ) -> tuple[Composable, Shape]:
        """A page of a book, of all its rows or ``of`` those that a relation leads to from another row."""
        arguments = Arguments(field, nodes[0], self._scope)
        offered = filters(book.model, of[0].column if of else None)
        given = {column: value for column in offered if (value := arguments.later(camel(column)))}
        moment = self._moment(arguments, of[1] if of else None)
        reach = Reach(book.name, of[0].column, moment, above=_above(*of)) if of else of_page(book.name, given, moment)
        row = self._enter(reach)
        held = {column: self._bind(_known(book, column, value)) for column, value in given.items()}
        if of:
            relation, upper = of
            held[relation.column] = SQL("{}.{}").format(upper.alias, Identifier(relation.local))
        path = choose(book.model, list(held), arguments.now("orderBy"))
        cut = Slice.of(book.model, path, arguments)
        conditions = [self._equal(row.alias, column, value) for column, value in held.items()]
        conditions += cut.within(row.alias, self._bind)
        page = Page(cut, row, self._scope, lambda type_, places: self._object(book, type_, places, row))
        shaped = page.shape(field, nodes)
        if self._moments and not of:
            self._turn(row, cut, conditions)
        rows = self._rows(row, cut, conditions)
        total = self._total(row, conditions) if page.counted else SQL("NULL")
        return SQL("SELECT json_build_array(({}), {})").format(rows, total), shaped

    def _turn(self, row: Row, cut: Slice, conditions: list[Composable]) -> None:
        """Plan for what all else hangs on, of the rows of a page and not of all there are."""
        below = (reach.above for reach in self._reaches if reach.above)
        self._turning = list(dict.fromkeys(column for number, column in below if number == row.number))
        if self._turning:
            narrow = Row(row.reach, row.number)
            for column in self._turning:
                narrow.column(column)
            statement = self._rows(narrow, cut, conditions)
            self._turned = SQL("SELECT ({})::text").format(statement).as_string()

    def _rows(self, row: Row, cut: Slice, conditions: list[Composable]) -> Composable:
        order, limit = cut.order_by(row.alias), Literal(cut.size + 1)
        tail = SQL("ORDER BY {} LIMIT {}").format(order, limit)
        found = [
            SQL("{} {}").format(row.source, _where([*conditions, *way])) for way in ways(cut, row.alias, self._bind)
        ]
        source = found[0]
        if len(found) > 1:
            # The page may cross from rows with a value to rows without: each side is read by its own index range.
            sides = [SQL("(SELECT {}.* FROM {} {})").format(row.alias, each, tail) for each in found]
            source = SQL("({}) {}").format(SQL(" UNION ALL ").join(sides), row.alias)
        return SQL("SELECT coalesce(json_agg(page.j), '[]') FROM (SELECT {} AS j FROM {} {}) page").format(
            row.json(), source, tail
        )

    def _total(self, row: Row, conditions: list[Composable]) -> Composable:
        return SQL("(SELECT count(*) FROM (SELECT FROM {} {} LIMIT {}) counted)").format(
            row.source, _where(conditions), Literal(TOTAL_MAX)
        )


def _known(book: Book, column: str, value: Later) -> Later:
    """The value of a filter; one that can fit no row is refused rather than answered with nothing."""
    if not names_events(book.model, column):
        return value

    def known(variables: Variables) -> Any:
        name = value(variables)
        refuse_unknown_event(name)
        return name

    return known


def _place(row: Row, told: Leaf) -> int:
    """The place of a column in the form that its shape expects."""
    plain, _ = optional(told.hint)
    if told.field == "data":
        # With the type of the entry, which tells the personal fields among its own.
        return row.place("data", SQL("json_build_array({0}.type, {0}.data)").format(row.alias))
    if shape.is_enum(plain):
        return row.place(("code", told.field), SQL("upper({}.{})").format(row.alias, Identifier(told.field)))
    return row.column(told.field)


def _above(relation: Relation, upper: Row) -> tuple[int, str]:
    """Where the values come from by which a relation's rows are found."""
    return upper.number, relation.local


def _where(conditions: list[Composable]) -> Composable:
    return SQL("WHERE {}").format(SQL(" AND ").join(conditions)) if conditions else SQL("")
