"""Live posting: every entry once, rows and position together, whatever interrupts it or goes on beside it."""

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
import pytest
from psycopg import sql

from domain.case import Case
from domain.customer import Customer
from domain.purchase import Line, Purchase
from ledger import database
from ledger.database import Duty
from projections.audit_trail import AuditTrail
from projections.engine import builds, posting, projector
from projections.engine.builds import PostedElsewhere
from projections.engine.model import ReadModel, models, on
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.projections.facts import bought, fact, named, opened, registered, voided
from tests.projections.world import World, expected


def test_what_was_posted_is_not_posted_again(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5), bought("p2", "ann", "2026-01-02", 7))
    before = world.everything()

    assert world.post([100]) == 0

    assert world.everything() == before
    assert world.rows(PurchaseBehaviour)[named("ann")].purchases == 2


def test_an_empty_ledger_has_nothing_to_post(world: World) -> None:
    assert world.post([100]) == 0

    assert set(world.positions().values()) == {0}


def test_without_any_build_nothing_is_posted(own_models: None, world: World) -> None:
    world.enter([bought("p1", "ann", "2026-01-01")])
    before = dict(models())
    for name in before:
        del models()[name]

    assert world.post([100]) == 0

    assert set(world.positions().values()) == {0}


def test_an_entry_without_the_key_makes_no_row(world: World) -> None:
    world.given(bought("p1", None, "2026-01-01", 5))

    assert world.rows(PurchaseBehaviour) == {}
    assert world.rows(Sales)[1].amount_minor == 5


def test_an_amendment_changes_the_row_that_is_there_and_makes_none(world: World) -> None:
    purchase, person = bought("p1", "ann", "2026-01-01"), registered("bob")
    world.given(purchase, person)

    world.given(voided(purchase, 1), voided(person, 2))

    assert {key: row.voided for key, row in world.rows(Sales).items()} == {1: True}
    assert {key: row.voided_by for key, row in world.rows(AuditTrail).items()} == {
        1: 3, 2: 4, 3: None, 4: None,
    }  # fmt: skip


class Killed(Exception):
    """Stands in for whatever ends a process between two statements."""


@pytest.mark.parametrize("moment", ["before the position", "before the rows", "after some of the rows"])
def test_rows_and_position_are_kept_together_or_not_at_all(
    world: World, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5))
    world.enter([bought("p2", "ann", "2026-01-02", 7), bought("p3", "bob", "2026-01-03", 9)])
    before, positions = world.everything(), world.positions()

    with monkeypatch.context() as patched:
        _end_at(moment, patched)
        with pytest.raises(Killed):
            world.post([100])

    assert world.everything() == before
    assert world.positions() == positions
    world.post()
    assert world.rows(PurchaseBehaviour) == expected(PurchaseBehaviour, world.entries())


def _end_at(moment: str, patched: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise Killed

    keep = posting.keep

    def kept(connection: Any, build: builds.Build, *rest: Any) -> None:
        keep(connection, build, *rest)
        if build.model == "purchase_behaviour":
            raise Killed

    match moment:
        case "before the position":
            patched.setattr(builds, "advance", killed)
        case "before the rows":
            patched.setattr(posting, "keep", killed)
        case "after some of the rows":
            patched.setattr(posting, "keep", kept)


def test_a_connection_lost_in_the_middle_leaves_nothing_half_done(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    keep = posting.keep

    def cut_off(connection: psycopg.Connection[Any], build: builds.Build, *rest: Any) -> None:
        keep(connection, build, *rest)
        if build.model == "sales":
            world.admin.execute("SELECT pg_terminate_backend(%s)", (connection.info.backend_pid,))

    with database.connect(world.url, Duty.PROJECTOR) as doomed, monkeypatch.context() as patched:
        patched.setattr(posting, "keep", cut_off)
        with pytest.raises(psycopg.OperationalError):
            posting.catch_up(doomed)

    assert world.rows(Sales) == {}
    assert set(world.positions().values()) == {0}
    world.post()
    assert len(world.rows(Sales)) == 1


def test_a_build_that_another_projector_moved_on_is_not_posted_to(world: World) -> None:
    world.enter([bought("p1", "ann", "2026-01-01", 5)])
    stale = builds.serving(world.connection)["sales"]
    world.post()

    with pytest.raises(PostedElsewhere), world.connection.transaction():
        entries, last = posting.read(world.connection, 0)
        posting.post(world.connection, stale, entries, last)

    assert len(world.rows(Sales)) == 1


def test_a_model_that_stands_further_back_is_brought_on_first(world: World) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01", 1) for n in range(6)])
    world.post([4])
    with world.connection.transaction():
        world.connection.execute("UPDATE books.builds SET position = 0 WHERE model = 'sales'")
        world.connection.execute("DELETE FROM books.sales")

    world.post([3, 2, 9])

    assert set(world.positions().values()) == {6}
    assert set(world.rows(Sales)) == {1, 2, 3, 4, 5, 6}
    assert world.rows(PurchaseBehaviour) == expected(PurchaseBehaviour, world.entries())


@contextmanager
def another_version(model: type[ReadModel], version: int) -> Iterator[None]:
    spec = model.spec
    model.spec = spec._replace(version=version)
    try:
        yield
    finally:
        model.spec = spec


def test_a_build_of_another_version_is_left_as_it_is_until_it_is_built_anew(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 5))
    another = Sales.spec.version + 1
    with another_version(Sales, another):
        world.given(bought("p2", "ann", "2026-01-02", 7))

        assert set(world.rows(Sales)) == {1}
        assert world.positions()["sales"] == 1
        assert world.positions()["purchase_behaviour"] == 2

        assert [build.model for build in projector.prepare(world.url)] == ["sales"]
        assert set(world.rows(Sales)) == {1, 2}
        assert builds.serving(world.connection)["sales"].version == another
        assert projector.prepare(world.url) == []
    assert [build.model for build in projector.prepare(world.url)] == ["sales"]


def test_a_row_may_stand_before_the_stream_it_is_named_by_where_several_aggregates_begin_rows(
    own_models: None, world: World
) -> None:
    class TestHeardOf(ReadModel, key="customer_id", version=1, begins=(Customer.Registered, Case.Opened)):
        """Whom a case or a registration told of first; either may be entered late."""

        customer_id: UUID
        cases: int = 0
        registered: bool = False

        @on(Case.Opened)
        def opened(self, e: Case.Opened) -> None:
            """Count it."""
            self.cases += 1

        @on(Customer.Registered)
        def known(self, e: Customer.Registered) -> None:
            """They are known."""
            self.registered = True

    projector.prepare(world.url)
    world.given(opened("c1", "ann", "2026-01-01"))

    world.given(registered("ann"), registered("bob"))

    assert world.rows(TestHeardOf) == {
        named("ann"): TestHeardOf(customer_id=named("ann"), cases=1, registered=True),
        named("bob"): TestHeardOf(customer_id=named("bob"), registered=True),
    }


def test_the_build_of_a_model_that_is_no_more_does_not_hold_up_the_others(own_models: None, world: World) -> None:
    class TestForgotten(ReadModel, key="customer_id", version=1):
        """A model that the next version of the code no longer has."""

        customer_id: UUID

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            """Only the row counts."""

    projector.prepare(world.url)
    del models()["test_forgotten"]
    world.enter([bought(f"p{n}", "ann", "2026-01-01", 1) for n in range(9)])

    for _ in range(3):
        world.post([3])

    assert world.post([3]) == 0
    assert world.positions() == dict.fromkeys(models(), 9) | {"test_forgotten": 0}


@pytest.mark.parametrize("model", [AuditTrail, PurchaseBehaviour, Sales])
def test_where_one_model_cannot_be_posted_none_is_and_all_are_once_it_can(world: World, model: type[ReadModel]) -> None:
    """Others are looked up, folded and written at that moment, by a thread of its own; nothing of it is kept."""
    world.given(registered("ann"), bought("p1", "ann", "2026-01-01", 5))
    before, positions = world.everything(), world.positions()
    world.enter([bought("p2", "ann", "2026-01-02", 7), voided(bought("p1", "ann", "2026-01-01", 5), 2)])
    (table,) = world.connection.execute(
        "SELECT table_name FROM books.builds WHERE model = %s AND state = 'serving'", (model.spec.name,)
    ).fetchall()[0]
    rename = "ALTER TABLE books.{} RENAME TO {}"

    world.admin.execute(sql.SQL(rename).format(sql.Identifier(table), sql.Identifier("away")))
    for _ in range(2):
        with pytest.raises(psycopg.errors.UndefinedTable):
            world.post()
    world.admin.execute(sql.SQL(rename).format(sql.Identifier("away"), sql.Identifier(table)))

    assert (world.everything(), world.positions()) == (before, positions)
    world.post()
    assert world.everything() == {name: expected(each, world.entries()) for name, each in models().items()}
    assert world.quarantine() == set()


def test_a_batch_ends_before_it_grows_too_large(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [Line(sku=f"A{n}", quantity=1, amount_minor=1) for n in range(100)]
    world.enter([bought(f"p{n}", "ann", "2026-01-01", lines=lines) for n in range(250)])
    monkeypatch.setattr(posting, "BATCH_BYTES_MAX", 700_000)

    sizes = [posting.catch_up(world.connection) for _ in range(4)]

    assert sizes == [200, 50, 0, 0]
    assert world.rows(PurchaseBehaviour) == expected(PurchaseBehaviour, world.entries())


def test_two_projectors_at_once_post_nothing_twice_and_leave_nothing_out(world: World) -> None:
    entered = threading.Event()

    def project() -> None:
        with database.connect(world.url, Duty.PROJECTOR) as connection:
            while not (entered.is_set() and not posting.catch_up(connection, 4)):
                posting.catch_up(connection, 3)

    purchases = [bought(f"p{n}", f"c{n % 5}", "2026-01-01", n) for n in range(60)]
    with ThreadPoolExecutor() as threads:
        projectors = [threads.submit(project) for _ in range(2)]
        for n in range(0, 60, 6):
            world.enter(purchases[n : n + 6])
        world.enter([voided(purchases[n], n + 1) for n in (0, 5, 17)])
        entered.set()
        for each in projectors:
            each.result()

    assert world.everything() == {name: expected(model, world.entries()) for name, model in models().items()}
    assert set(world.positions().values()) == {63}


def test_a_model_takes_only_what_its_handlers_name(world: World) -> None:
    world.given(registered("ann"), fact(Purchase.Recorded, "p1", "2026-01-01", currency="EUR", lines=[]))

    assert world.rows(PurchaseBehaviour) == {}
    assert [row.type for row in world.rows(AuditTrail).values()] == [
        "Customer.Registered",
        "Purchase.Recorded",
    ]
