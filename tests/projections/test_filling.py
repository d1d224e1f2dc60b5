"""Filling builds: however the keys are shared out and whatever stands in a row, the table holds what the folds give."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct
from psycopg import sql

from domain.event import Event
from domain.purchase import Purchase
from projections.engine import builds, copying, filling, mirroring, parts, rebuilding, table
from projections.engine.cut import Cut
from projections.engine.hands import Hands
from projections.engine.model import ReadModel, models, on
from projections.engine.parts import Part, Whole, shared_out
from tests.projections.facts import bought, day, named
from tests.projections.histories import histories
from tests.projections.world import World, expected

NUMBERS = (1, 2, 3, 7)


def bytes_of(world: World, model: type[ReadModel]) -> list[str]:
    """The rows of a model's view as text, by key."""
    query = sql.SQL("SELECT r::text FROM {} r ORDER BY {}").format(
        table.table(model.spec.name), sql.Identifier(model.spec.key)
    )
    return [text for (text,) in world.connection.execute(query)]


@settings(max_examples=4, deadline=None)
@given(history=histories(), number=st.sampled_from(NUMBERS))
def test_all_models_together_are_the_same_to_the_byte_by_however_many_hands(
    shared_world: World, history: list[Event], number: int
) -> None:
    world = shared_world
    world.wipe()
    world.enter(history)
    for model in models().values():
        world.rebuild(model)
    alone = {name: bytes_of(world, model) for name, model in models().items()}

    with ThreadPoolExecutor(number) as executor:
        hands = Hands(executor, number, world.url)
        made = list(rebuilding.make_all(world.reader, world.connection, [*models().values()], hands=hands))

    assert [each.build.position for each in made] == [len(history)] * len(models())
    assert {name: bytes_of(world, model) for name, model in models().items()} == alone
    assert world.quarantine() == set()


@settings(max_examples=6, deadline=None)
@given(history=histories(), number=st.sampled_from(NUMBERS), at_once=st.integers(1, 9))
def test_each_part_holds_its_keys_and_no_others(
    shared_world: World, history: list[Event], number: int, at_once: int
) -> None:
    world = shared_world
    world.wipe()
    world.enter(history)
    entries = world.entries()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(filling, "WRITTEN_AT_ONCE", at_once)
        patched.setattr(mirroring, "AT_ONCE", at_once)
        for name, model in models().items():
            build = builds.begin(world.connection, model)
            cut, left = Cut(len(history)), set[Any]()
            if model.spec.mirrors_entries:
                left |= set(mirroring.fill(world.connection, [(build, cut)])[build.id])
            for each in range(0 if model.spec.mirrors_entries else number):
                part = Part(build, each, number, cut)
                left |= set(filling.fill_by(world.reader, world.connection, [part])[build.id])

            keys = world.connection.execute(f"SELECT {model.spec.key} FROM books.{build.table}").fetchall()
            found = table.rows(model, table.stored(world.connection, model, build.table, [key for (key,) in keys]))
            assert len(keys) == len(found)
            law = expected(model, entries)
            assert {key: row for key, row in found.items() if key not in left} == {
                key: row for key, row in law.items() if key not in left
            }, name
            builds.discard_unfinished(world.connection, model)


class Nested(Struct):
    """Something in a column."""

    text: str
    number: int | None = None


@pytest.fixture
def odd(own_models: None) -> Iterator[type[ReadModel]]:
    class TestOdd(ReadModel, key="customer_id", version=1):
        """Holds whatever it is told."""

        customer_id: UUID
        text: str | None = None
        yes: bool = False
        many: int = 0
        at: datetime | None = None
        nested: list[Nested] = []
        anything: dict[str, Any] = {}

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            """Fold nothing."""

    yield TestOdd


TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12) | st.sampled_from(
    [
        "\\",
        '"',
        '\\"',
        "\\n",
        "\n",
        "\r\n",
        "\t",
        "\\.",
        "\n\\.\n",
        "null",
        "",
        ",",
        "]\n[",
        "\x01\x1f\x7f",
        "\b\f",
        "e\\",
    ]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(TEXTS, min_size=1, max_size=6), number=st.integers(-(2**63), 2**63 - 1))
def test_whatever_stands_in_a_row_comes_back(
    shared_world: World, odd: type[ReadModel], texts: list[str], number: int
) -> None:
    made: Any = odd
    rows = [
        made(
            customer_id=uuid4(),
            text=text,
            yes=bool(number % 2),
            many=number,
            at=datetime(2026, 1, 1, microsecond=abs(number) % 999_999, tzinfo=UTC),
            nested=[Nested(text=text, number=None if number % 3 else number)],
            anything={text: [text, {"deep": text}, None]},
        )
        for text in texts
    ] + [made(customer_id=uuid4())]
    connection = shared_world.connection
    with connection.transaction(force_rollback=True):
        table.create(connection, odd, "test_odd")

        copying.load(connection, odd, "test_odd", copying.lines(odd, rows))

        stored = table.stored(connection, odd, "test_odd", [row.customer_id for row in rows])
        assert table.rows(odd, stored) == {row.customer_id: row for row in rows}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        *[("text", value) for value in (1, "\0", object())],
        *[("many", value) for value in ("one", 2**63, None)],
        *[("nested", value) for value in ([1], None)],
        *[("anything", value) for value in ([], None)],
        ("yes", None),
        ("at", "soon"),
    ],
)
def test_a_row_that_the_table_cannot_hold_is_given_back_and_the_others_are_kept(
    world: World, odd: type[ReadModel], column: str, value: Any
) -> None:
    made: Any = odd
    rows = [made(customer_id=named(f"c{n}"), many=n) for n in range(9)]
    setattr(rows[4], column, value)
    with world.connection.transaction(force_rollback=True):
        table.create(world.connection, odd, "test_odd")

        assert copying.load_fitting(world.connection, odd, "test_odd", rows) == [rows[4]]

        kept = table.rows(odd, table.stored(world.connection, odd, "test_odd", [row.customer_id for row in rows]))
        assert set(kept) == {row.customer_id for row in rows} - {named("c4")}


@pytest.fixture
def timeless(own_models: None, world: World) -> type[ReadModel]:
    class TestTimeless(ReadModel, key="customer_id", version=1):
        """Counts, and never asks when."""

        customer_id: UUID
        purchases: int = 0

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            """Count it."""
            self.purchases += 1

    return TestTimeless


def test_what_happened_later_is_left_out_by_a_model_that_never_asks_when(
    world: World, timeless: type[ReadModel]
) -> None:
    world.enter([bought(f"p{n}", "ann", f"2026-01-0{n}") for n in range(1, 6)])

    build = rebuilding.make_as_of(world.reader, world.connection, timeless, Cut(5, day("2026-01-03")))

    found = world.connection.execute(f"SELECT purchases FROM books.{build.table}").fetchall()
    assert found == [(3,)]
    world.wipe()


def test_the_ledger_is_read_once_for_all_models_unless_their_rows_are_too_many(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parts, "ROWS_MAX", 100)
    cut = Cut(1_000)

    def shared(processes: int, **rows: int) -> list[list[tuple[str, int, int]]]:
        standing = builds.serving(world.connection)
        whole = [Whole(standing[name], cut, held) for name, held in rows.items()]
        return [[(p.build.model, p.number, p.of) for p in its] for its in shared_out(whole, processes)]

    assert shared(1, sales=0, case_register=60, customer_profile=40) == [
        [("case_register", 0, 1), ("customer_profile", 0, 1), ("sales", 0, 1)]
    ]
    assert shared(1, sales=0, case_register=60, customer_profile=140) == [
        [("case_register", 0, 1), ("sales", 0, 1)],
        [("customer_profile", 0, 2)],
        [("customer_profile", 1, 2)],
    ]
    assert shared(2, sales=0, case_register=60, customer_profile=50) == [
        [("case_register", 0, 1), ("sales", 0, 2)],
        [("customer_profile", 0, 1), ("sales", 1, 2)],
    ]
    assert shared(2, case_register=60) == [[("case_register", 0, 2)], [("case_register", 1, 2)]]
    assert shared(1, sales=0) == [[("sales", 0, 1)]]
    assert shared(2, touchpoints=0) == [[("touchpoints", 0, 2)], [("touchpoints", 1, 2)]]


@pytest.mark.parametrize("model", ["sales", "touchpoints"])
def test_the_positions_of_a_model_that_flows_are_shared_out_without_a_gap(world: World, model: str) -> None:
    build = builds.serving(world.connection)[model]
    for head in (0, 1, 5, 100):
        shares = [Part(build, n, 3, Cut(head)).positions() for n in range(3)]
        assert [position for share in shares for position in share] == [*range(1, head + 1)]
