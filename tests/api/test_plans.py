"""Every way to ask for a page is answered from an index, however many rows there are, and however many are alike."""

from collections.abc import Iterator
from enum import Enum
from itertools import product
from typing import Any

import psycopg
import pytest
from graphql import FieldNode, OperationDefinitionNode, parse
from psycopg import Connection, sql

from api.graphql.books import books, fields, relations
from api.graphql.cursors import Order, writer
from api.graphql.names import camel
from api.graphql.paths import Path, filters, is_instant, paths
from api.graphql.plan import Plan, Planner
from api.graphql.schema import executable
from api.graphql.selection import Scope
from domain.event import events, marked
from domain.vocabulary import Role
from projections.engine import builds
from projections.engine.hints import optional
from projections.engine.model import ReadModel, columns, models
from projections.engine.table import postgres_type
from tests.api.asking import Api

ROWS = 20_000
"""Enough that reading the whole table costs far more than an index. Half of them share each value to be filtered by."""
PAGE = 20
TIES = ROWS // 50
"""How many rows have no instant, as a part of the whole."""
COMMON = "(CASE WHEN n % 2 = 0 THEN 0 ELSE n % 400 END)"
MADE = {
    "uuid": "md5('{column} ' || {number})::uuid",
    "bigint": "n",
    "boolean": "n % 2 = 0",
    "timestamptz": "CASE WHEN n % 50 > 0 OR NOT {nullable} THEN timestamptz '2026-01-01' + n * interval '1 minute' END",
    "text": "'value ' || {number}",
    "jsonb": "'[]'::jsonb",
}


def planned(query: str) -> Plan:
    """The plan for the one field of a query."""
    (operation,) = parse(query).definitions
    assert isinstance(operation, OperationDefinitionNode)
    (node,) = operation.selection_set.selections
    assert isinstance(node, FieldNode)
    query_type = executable().query_type
    assert query_type is not None
    planner, name = Planner(Scope({}, {}), Role.ADMIN), node.name.value
    book = next(book for book in books().values() if name in (book.one, book.many))
    planning = planner.many if name == book.many else planner.one
    return planning(book.name, query_type.fields[name], [node])


@pytest.fixture(scope="module")
def full(api: Api) -> Iterator[Connection[Any]]:
    """A connection to read models of some size."""
    with psycopg.connect(api.url, autocommit=True) as admin:
        for name, build in builds.serving(admin).items():
            _fill(admin, models()[name], build.table)
        yield admin


def _fill(admin: Connection[Any], model: type[ReadModel], table: str) -> None:
    made = ", ".join(_made(model, column, hint) for column, hint in columns(model).items())
    admin.execute(f"INSERT INTO books.{table} SELECT {made} FROM generate_series(1, {ROWS}) AS n".encode())
    admin.execute(sql.SQL("ANALYZE {}").format(sql.Identifier("books", table)))


def _made(model: type[ReadModel], column: str, hint: Any) -> str:
    plain, nullable = optional(hint)
    known = [*events()] if marked(hint, "event") else []
    if isinstance(plain, type) and issubclass(plain, Enum):
        known = [member.value for member in plain]
    if known:
        codes = [f"'{code}'" for code in known]
        return f"(ARRAY[{', '.join(codes)}])[1 + {COMMON} % {len(codes)}]"
    number = "n" if column == model.spec.key else COMMON
    return MADE[postgres_type(hint)].format(column=column, number=number, nullable=str(nullable).lower())


def used(connection: Connection[Any], plan: Plan, **parameters: Any) -> tuple[set[str], float]:
    """How the tables of a plan are read, and how many rows are touched on the way."""
    given = plan.parameters({}) | parameters
    row = connection.execute(b"EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) " + plan.statement.encode(), given).fetchone()
    assert row is not None
    found: set[str] = set()
    touched, waiting = 0.0, [row[0][0]["Plan"]]
    while waiting:
        node = waiting.pop()
        waiting += node.get("Plans", [])
        if "Relation Name" in node or "Index Name" in node:
            found.add(node["Node Type"])
            touched += (node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]
    return found, touched


def _called(path: Path) -> str:
    return f"{'-and-'.join(path.filters) or 'all'}-by-{path.order}"


WAYS = [
    (name, path, oldest_first, end)
    for name, book in books().items()
    for path, oldest_first, end in product(paths(book.model), (False, True), ("first", "last"))
]


@pytest.mark.parametrize(
    ("name", "path", "oldest_first", "end"),
    WAYS,
    ids=lambda value: _called(value) if isinstance(value, Path) else str(value).lower(),
)
def test_every_filter_and_order_is_answered_from_an_index(
    full: Connection[Any], name: str, path: Path, oldest_first: bool, end: str
) -> None:
    field, cursor = _asked(full, name, path, oldest_first, end)
    # A page and one row more, once for the rows with a value and once for those without; of rows that tie in the
    # ordering column, all are read to order them by key.
    most = 2 * (PAGE + 1) + (TIES if path.order != books()[name].key else 0)

    for bound in ("", f', after: "{cursor}"', f', before: "{cursor}"'):
        plan = planned(f"{{ {field.replace('BOUND', bound)} {{ nodes {{ __typename }} }} }}")
        found, touched = used(full, plan)

        assert found <= {"Index Scan", "Index Only Scan"}, plan.statement
        assert touched <= most, plan.statement


def _asked(connection: Connection[Any], name: str, path: Path, oldest_first: bool, end: str) -> tuple[str, str]:
    """The field with its arguments, and a cursor from the middle of what it asks for."""
    book, table = books()[name], sql.Identifier("books", name)
    order = Order(book.model, path.order, descending=not oldest_first)
    given = [f"{end}: {PAGE}", f"oldestFirst: {str(oldest_first).lower()}"]
    where, common = sql.SQL(""), ()
    chosen = sql.SQL(", ").join(map(sql.Identifier, path.filters))
    if len({other.order for other in paths(book.model)}) > 1:
        given.append(f"orderBy: {path.order.upper()}")
    if path.filters:
        row = connection.execute(
            sql.SQL("SELECT {c} FROM {t} GROUP BY {c} ORDER BY count(*) DESC LIMIT 1").format(c=chosen, t=table)
        ).fetchone()
        assert row is not None
        tests = [sql.SQL("{} = %s").format(sql.Identifier(column)) for column in path.filters]
        common, where = row, sql.SQL("WHERE {}").format(sql.SQL(" AND ").join(tests))
        given += [_given(book.model, column, value) for column, value in zip(path.filters, row, strict=True)]
    shown = sql.SQL(", ").join(map(sql.Identifier, order.columns))
    query = "SELECT json_build_array({s}) FROM {t} {w} ORDER BY {s} LIMIT 1 OFFSET {middle}"
    found = connection.execute(sql.SQL(query).format(s=shown, t=table, w=where, middle=sql.Literal(ROWS // 5)), common)
    (values,) = found.fetchone() or ()
    return f"{book.many}({', '.join(given)}BOUND)", writer(order)(values if len(values) > 1 else values[0])


def _given(model: type[ReadModel], column: str, value: Any) -> str:
    """A filter as a query gives it."""
    hint = optional(columns(model)[column])[0]
    return f"{camel(column)}: " + (hint(value).name if issubclass(hint, Enum) else f'"{value}"')


TOGETHER = [
    (name, path) for name, path, oldest_first, end in WAYS if path.filters[1:] and oldest_first and end == "first"
]


@pytest.mark.parametrize(("name", "path"), TOGETHER, ids=lambda value: getattr(value, "order", value))
def test_filters_that_many_rows_fulfil_but_none_together_read_no_row(
    full: Connection[Any], name: str, path: Path
) -> None:
    first, second = path.filters
    common = "SELECT {}::text FROM books.{} GROUP BY 1 ORDER BY count(*) DESC LIMIT 1"
    (one,) = full.execute(common.format(first, name).encode()).fetchone() or ()
    another = (
        f"SELECT {second}::text FROM books.{name} GROUP BY 1 HAVING count(*) > 40"
        f" AND count(*) FILTER (WHERE {first}::text = %s) = 0 LIMIT 1"
    )
    (other,) = full.execute(another.encode(), (one,)).fetchone() or ()
    model = books()[name].model
    given = f"{_given(model, first, one)}, {_given(model, second, other)}"

    found, touched = used(full, planned(f"{{ {books()[name].many}({given}) {{ totalCount nodes {{ __typename }} }} }}"))

    assert found <= {"Index Scan", "Index Only Scan", "Bitmap Index Scan", "Bitmap Heap Scan"}
    assert touched == 0


def test_a_filter_below_a_customer_is_answered_from_an_index(full: Connection[Any]) -> None:
    below = (
        "cases(state: OPEN, first: 3) { nodes { __typename } } sales(kind: RETURN, first: 3) { nodes { __typename } }"
    )

    found, touched = used(full, planned(f"{{ customers(first: 5) {{ nodes {{ {below} }} }} }}"))

    assert found <= {"Index Scan", "Index Only Scan"}
    assert touched <= 6 * (1 + 4 + 4) + TIES


def test_a_row_is_found_by_its_key(full: Connection[Any]) -> None:
    for name, book in books().items():
        if book.one:
            key = next(shown for shown, told in fields(name).items() if told.field == book.key)
            (value,) = full.execute(f"SELECT {book.key} FROM books.{name} LIMIT 1".encode()).fetchone() or ()

            found, touched = used(full, planned(f'{{ {book.one}({key}: "{value}") {{ __typename }} }}'), key=value)

            assert found <= {"Index Scan", "Index Only Scan"}
            assert touched == 1


def test_all_relations_of_a_page_are_one_statement_of_index_reads(full: Connection[Any]) -> None:
    checked = 0
    for name, book in books().items():
        pages = [field for field, relation in relations(name).items() if relation.many]
        rows = [field for field, relation in relations(name).items() if not relation.many]
        below = [f"{field}(first: 3) {{ nodes {{ __typename }} }}" for field in pages]
        below += [f"{field} {{ __typename }}" for field in rows]
        if below:
            plan = planned(f"{{ {book.many}(first: 5) {{ nodes {{ {' '.join(below)} }} }} }}")

            found, touched = used(full, plan)

            assert found <= {"Index Scan", "Index Only Scan"}, plan.statement
            # Five rows and one more, each with three rows and one more of every relation.
            assert touched <= 6 * (1 + 4 * len(pages) + len(rows)) + TIES, plan.statement
            checked += len(below)

    assert checked > 15


def test_what_is_filtered_and_ordered_by_is_what_some_index_begins_with() -> None:
    for book in books().values():
        key = book.key
        begins = {(key,)} | {(*tuple(c for c in index if c != key), key) for index in book.model.spec.indexes}
        for path in paths(book.model):
            wanted = tuple(dict.fromkeys((*path.filters, path.order, key)))
            assert wanted in begins, f"{book.name} {wanted}"
        indexed = {index[0] for index in book.model.spec.indexes}
        assert {column for column in indexed if not is_instant(book.model, column)} <= set(filters(book.model))


def test_every_order_ends_in_the_key_so_that_no_two_rows_are_equal_in_it() -> None:
    for book in books().values():
        for path in paths(book.model):
            assert Order(book.model, path.order, descending=True).columns[-1] == book.key
