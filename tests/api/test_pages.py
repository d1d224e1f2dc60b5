"""Pages: every row once and in order, whatever comes in between; and an index behind every way to ask."""

from base64 import b64encode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection, sql

from domain.event import events
from projections.engine import builds
from tests.api.asking import Api

START = datetime(2026, 1, 1, tzinfo=UTC)
NUMBERS = count(1)
ALTERED = b64encode(b'["purchase_behaviour last_at desc",1,2]').decode()
PAGE = """query ($first: Int, $last: Int, $after: String, $before: String, $oldestFirst: Boolean!) {
    purchaseBehaviours(first: $first, last: $last, after: $after, before: $before, oldestFirst: $oldestFirst) {
        edges { cursor node { customerId } }
        pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


class Shelf:
    """The table behind a read model, to be filled without entries."""

    def __init__(self, admin: Connection[Any], model: str) -> None:
        self.admin = admin
        self.table = sql.Identifier("books", builds.serving(admin)[model].table)

    def empty(self) -> None:
        self.admin.execute(sql.SQL("DELETE FROM {}").format(self.table))

    def add(self, minute: int | None) -> str:
        """A customer who last bought at a minute, or has bought nothing; gives the id."""
        at = None if minute is None else START + timedelta(minutes=minute)
        # Ids in no order of their own, so that ties are broken by them and not by chance.
        customer = UUID(int=next(NUMBERS) * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128)
        self.admin.execute(
            sql.SQL(
                "INSERT INTO {} (customer_id, last_at, purchases, returns, unmatched_returns, spending, products,"
                " categories) VALUES (%s, %s, 1, 0, 0, '[]', '[]', '[]')"
            ).format(self.table),
            (customer, at),
        )
        return str(customer)

    def in_order(self) -> list[str]:
        """The ids, newest first, those without a purchase before all."""
        query = sql.SQL("SELECT customer_id::text FROM {} ORDER BY last_at DESC NULLS FIRST, customer_id DESC")
        return [row[0] for row in self.admin.execute(query.format(self.table))]


@pytest.fixture(scope="module")
def shelf(api: Api) -> Iterator[Shelf]:
    with psycopg.connect(api.url, autocommit=True) as admin:
        yield Shelf(admin, "purchase_behaviour")


MINUTES = st.lists(st.none() | st.integers(0, 5), max_size=12)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    rows=MINUTES,
    meanwhile=MINUTES,
    sizes=st.lists(st.integers(1, 5), min_size=1, max_size=4),
    backward=st.booleans(),
    oldest_first=st.booleans(),
)
def test_every_row_is_read_once_and_in_order_whatever_comes_in_between(
    api: Api,
    shelf: Shelf,
    rows: list[int | None],
    meanwhile: list[int | None],
    sizes: list[int],
    backward: bool,
    oldest_first: bool,
) -> None:
    shelf.empty()
    there = {shelf.add(minute) for minute in rows}
    waiting = list(meanwhile)

    read: list[str] = []
    cursor, more, page = None, True, 0
    while more:
        size = sizes[page % len(sizes)]
        asked = {"last": size, "before": cursor} if backward else {"first": size, "after": cursor}
        told = api.ask(PAGE, asked | {"oldestFirst": oldest_first})["purchaseBehaviours"]
        found = [edge["node"]["customerId"] for edge in told["edges"]]
        assert len(found) <= size
        assert page <= len(rows) + len(meanwhile), "the pages never end"
        read = found + read if backward else read + found
        info = told["pageInfo"]
        more = info["hasPreviousPage"] if backward else info["hasNextPage"]
        cursor, page = info["startCursor"] if backward else info["endCursor"], page + 1
        if waiting:
            shelf.add(waiting.pop())

    ordered = shelf.in_order()[:: -1 if oldest_first else 1]
    assert len(read) == len(set(read))
    assert there <= set(read)
    assert read == [customer for customer in ordered if customer in set(read)]


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(rows=MINUTES, oldest_first=st.booleans(), data=st.data())
def test_between_two_cursors_are_the_rows_between_them(
    api: Api, shelf: Shelf, rows: list[int | None], oldest_first: bool, data: st.DataObject
) -> None:
    shelf.empty()
    for minute in rows:
        shelf.add(minute)
    edges = api.ask(PAGE, {"oldestFirst": oldest_first})["purchaseBehaviours"]["edges"]
    if len(edges) < 2:
        return
    low = data.draw(st.integers(0, len(edges) - 2))
    high = data.draw(st.integers(low + 1, len(edges) - 1))
    cursors = {"after": edges[low]["cursor"], "before": edges[high]["cursor"], "oldestFirst": oldest_first}

    forward = api.ask(PAGE, cursors)["purchaseBehaviours"]["edges"]
    backward = api.ask(PAGE, cursors | {"last": 100})["purchaseBehaviours"]["edges"]

    assert forward == backward == edges[low + 1 : high]


def test_a_page_tells_where_it_stands(api: Api, shelf: Shelf) -> None:
    shelf.empty()
    ids = [shelf.add(minute) for minute in range(5)][::-1]

    first = api.ask(PAGE, {"first": 2, "oldestFirst": False})["purchaseBehaviours"]
    last = api.ask(PAGE, {"last": 2, "oldestFirst": False})["purchaseBehaviours"]
    middle = api.ask(PAGE, {"first": 2, "after": first["pageInfo"]["endCursor"], "oldestFirst": False})

    assert [edge["node"]["customerId"] for edge in first["edges"]] == ids[:2]
    assert [edge["node"]["customerId"] for edge in last["edges"]] == ids[3:]
    assert first["pageInfo"] == {
        "hasNextPage": True,
        "hasPreviousPage": False,
        "startCursor": first["edges"][0]["cursor"],
        "endCursor": first["edges"][1]["cursor"],
    }
    assert (last["pageInfo"]["hasNextPage"], last["pageInfo"]["hasPreviousPage"]) == (False, True)
    info = middle["purchaseBehaviours"]["pageInfo"]
    assert (info["hasNextPage"], info["hasPreviousPage"]) == (True, True)


def test_an_empty_page_has_no_cursors(api: Api, shelf: Shelf) -> None:
    shelf.empty()

    assert api.ask(PAGE, {"oldestFirst": False})["purchaseBehaviours"] == {
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


def test_a_total_is_counted_where_it_is_asked_for_and_no_further_than_the_limit(
    api: Api, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    shelf.empty()
    for minute in range(7):
        shelf.add(minute)
    monkeypatch.setattr("api.graphql.plan.TOTAL_MAX", 5)

    narrow = '{ purchaseBehaviours(since: "2026-01-01T00:04:00Z") { totalCount } }'
    assert api.ask(narrow)["purchaseBehaviours"] == {"totalCount": 3}
    assert api.ask("{ purchaseBehaviours { totalCount } }")["purchaseBehaviours"] == {"totalCount": 5}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("first: 1, last: 1", "Give first or last, not both."),
        ("first: 0", "first must be 1 to 100, not 0."),
        ("first: -1", "first must be 1 to 100, not -1."),
        ("first: 101", "first must be 1 to 100, not 101."),
        ("last: 101", "last must be 1 to 100, not 101."),
    ],
)
def test_a_page_that_makes_no_sense_is_refused(api: Api, arguments: str, said: str) -> None:
    (error,) = api.errors(f"{{ customers({arguments}) {{ nodes {{ id }} }} }}")

    assert (error["extensions"]["code"], error["message"]) == ("BAD_PAGE", said)


def test_a_cursor_from_elsewhere_is_refused(api: Api, shelf: Shelf) -> None:
    shelf.empty()
    shelf.add(1)
    cursor = api.ask("{ purchaseBehaviours { pageInfo { endCursor } } }")["purchaseBehaviours"]["pageInfo"]["endCursor"]
    query = "query ($after: String) {{ {field} {{ nodes {{ __typename }} }} }}"

    for field in ("customers(after: $after)", "purchaseBehaviours(after: $after, oldestFirst: true)"):
        (error,) = api.errors(query.format(field=field), {"after": cursor})
        assert error["extensions"]["code"] == "BAD_CURSOR"
        assert "belongs to the order 'purchase_behaviour last_at desc'" in error["message"]


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "%%%", "Ä", "WzFd", "W10=", "eyJhIjoxfQ==", ALTERED, "A" * 10_000],
)
@pytest.mark.parametrize("argument", ["after", "before"])
def test_what_is_no_cursor_is_refused(api: Api, cursor: str, argument: str) -> None:
    query = f"query ($cursor: String) {{ purchaseBehaviours({argument}: $cursor) {{ nodes {{ customerId }} }} }}"

    assert api.code(query, {"cursor": cursor}) == "BAD_CURSOR"


def test_filters_are_closed_and_go_together_where_an_index_backs_them(api: Api) -> None:
    given = {"id": str(UUID(int=1))}

    (error,) = api.errors("query ($id: UUID) { touchpoints(customerId: $id, caseId: $id) { totalCount } }", given)
    assert error["extensions"]["code"] == "BAD_FILTER"
    assert (
        error["message"]
        == "No index is there for customerId and caseId together; filter by one of: customerId; caseId."
    )
    (error,) = api.errors(
        "query ($id: UUID) { sales(customerId: $id, kind: RETURN, orderBy: POSITION) { totalCount } }", given
    )
    assert error["extensions"]["code"] == "BAD_FILTER"
    assert (
        error["message"] == "With customerId and kind, rows come in the order OCCURRED_AT only; no index backs another."
    )
    assert (
        api.code("query ($id: UUID) { sales(customerId: $id, orderBy: POSITION) { totalCount } }", given)
        == "BAD_FILTER"
    )
    assert api.code('{ sales(orderBy: POSITION, since: "2026-01-01T00:00:00Z") { totalCount } }') == "BAD_PAGE"
    assert api.code('{ cases(handler: "bob") { totalCount } }') == "GRAPHQL_VALIDATION_FAILED"


def test_a_filter_leaves_the_rows_it_names_in_their_order(fresh_api: Api) -> None:
    api = fresh_api
    ada, bob = api.done("registerCustomer"), api.done("registerCustomer")
    told = {"kind": "COMPLAINT", "channel": "PHONE"}
    first, _, second = (api.done("openCase", customerId=customer, **told) for customer in (ada, bob, ada))
    api.done("acknowledgeCase", id=second, channel="PHONE")

    assert _ids(api, f'cases(customerId: "{ada}")') == [second, first]
    assert _ids(api, f'cases(customerId: "{ada}", oldestFirst: true)') == [first, second]
    assert _ids(api, "cases(state: ACKNOWLEDGED)") == [second]
    assert _ids(api, f'cases(customerId: "{ada}", state: OPEN)') == [first]
    assert _ids(api, f'cases(state: ACKNOWLEDGED, customerId: "{bob}")') == []
    nested = '{{ customer(id: "{}") {{ cases(state: {}) {{ totalCount nodes {{ id }} }} }} }}'
    open_ones = api.ask(nested.format(ada, "OPEN"))["customer"]["cases"]
    assert open_ones == {"totalCount": 1, "nodes": [{"id": first}]}
    assert api.ask(nested.format(ada, "CLOSED"))["customer"]["cases"] == {"totalCount": 0, "nodes": []}
    assert len(_ids(api, "cases")) == 3
    entries = api.ask('{ auditTrail(type: "Case.Opened", fromPosition: 4, untilPosition: 5) { nodes { position } } }')
    assert entries["auditTrail"]["nodes"] == [{"position": 5}, {"position": 4}]
    both = api.ask('{ auditTrail(actorId: "sue", type: "Case.Opened", untilPosition: 4) { nodes { position } } }')
    assert both["auditTrail"]["nodes"] == [{"position": 4}, {"position": 3}]
    assert api.ask('{ auditTrail(actorId: "nobody") { nodes { position } } }') == {"auditTrail": {"nodes": []}}


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Case.Opend", "There is no event 'Case.Opend'. Did you mean Case.Opened or Case.Reopened or Case.Closed?"),
        ("case.opened", "There is no event 'case.opened'. Did you mean Case.Opened or Case.Reopened or Case.Closed?"),
        ("Nope", "There is no event 'Nope'. The description of this argument names them all."),
        ("", "There is no event ''. The description of this argument names them all."),
    ],
)
@pytest.mark.parametrize("as_of", ["", ", asOf: {position: 1}"])
def test_an_event_that_does_not_exist_is_no_filter(api: Api, name: str, said: str, as_of: str) -> None:
    api.done("registerCustomer")
    given = f'{{ auditTrail(type: "{name}"{as_of}) {{ nodes {{ position }} }} }}'
    asked = f"query ($name: String) {{ auditTrail(type: $name{as_of}) {{ nodes {{ position }} }} }}"
    assert api.ask(asked, {"name": "Case.Reopened"}) == {"auditTrail": {"nodes": []}}

    for errors in (api.errors(given), api.errors(asked, {"name": name})):
        (error,) = errors
        assert (error["extensions"]["code"], error["message"]) == ("BAD_FILTER", said)


def test_the_events_to_filter_by_are_named(api: Api) -> None:
    (told,) = [
        argument["description"]
        for field in api.ask("{ __schema { queryType { fields { name args { name description } } } } }")["__schema"][
            "queryType"
        ]["fields"]
        if field["name"] == "auditTrail"
        for argument in field["args"]
        if argument["name"] == "type"
    ]

    assert told.startswith("Only rows with this type; also together with actorId. One of: Case.Acknowledged, ")
    assert told.partition("One of: ")[2].removesuffix(".").split(", ") == sorted(events())


def _ids(api: Api, field: str) -> list[str]:
    (told,) = api.ask(f"{{ {field} {{ nodes {{ id }} }} }}").values()
    return [node["id"] for node in told["nodes"]]


def test_one_field_asked_twice_under_two_names_is_answered_twice(api: Api, shelf: Shelf) -> None:
    shelf.empty()
    newest, oldest = shelf.add(2), shelf.add(1)

    told = api.ask(
        "{ a: purchaseBehaviours(first: 1) { nodes { customerId } }"
        "  b: purchaseBehaviours(last: 1) { x: nodes { y: customerId customerId __typename } __typename } }"
    )

    assert told == {
        "a": {"nodes": [{"customerId": newest}]},
        "b": {
            "x": [{"y": oldest, "customerId": oldest, "__typename": "PurchaseBehaviour"}],
            "__typename": "PurchaseBehaviourConnection",
        },
    }


@pytest.mark.parametrize("shown", [True, False])
def test_fragments_and_directives_are_obeyed(api: Api, shelf: Shelf, shown: bool) -> None:
    shelf.empty()
    customer = shelf.add(1)
    query = """query ($shown: Boolean!) { purchaseBehaviours { ...Page } }
        fragment Page on PurchaseBehaviourConnection {
            edges @skip(if: $shown) { cursor }
            nodes @include(if: $shown) { ... on PurchaseBehaviour { customerId } ...Counts } }
        fragment Counts on PurchaseBehaviour { purchases returns @include(if: $shown) }"""

    told = api.ask(query, {"shown": shown})["purchaseBehaviours"]

    if shown:
        assert told == {"nodes": [{"customerId": customer, "purchases": 1, "returns": 0}]}
    else:
        assert list(told) == ["edges"]
