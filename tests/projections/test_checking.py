"""Rows are folded anew and compared with what is stored: a difference is told, kept, and forgotten once mended."""

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import msgspec
import pytest

from ledger import database
from ledger.database import Duty
from projections.audit_trail import AuditTrail
from projections.case_register import CaseRegister
from projections.engine import alarms, checking, projector, watching
from projections.engine.model import ReadModel, models
from projections.engine.watching import Watch
from projections.purchase_behaviour import PurchaseBehaviour
from projections.sales import Sales
from tests.projections.facts import bought, named, opened, registered, voided
from tests.projections.test_commands import daybook
from tests.projections.test_projector import Running, until
from tests.projections.test_quarantine import spending  # noqa: F401  (a fixture)
from tests.projections.world import World

ANN, BOB = named("ann"), named("bob")


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr(watching, "LOOK_S", 0.0)
    monkeypatch.setattr(projector, "IDLE_S", 0.001)


def every(world: World, model: type[ReadModel]) -> list[tuple[Any, list[str]]]:
    """What differs when everything is checked: keys and columns."""
    checked = checking.every(world.connection, model, lambda _done, _total: None)
    return [(each.key, alarms.differing(each)) for batch in checked for each in batch.differing]


def alarmed(world: World) -> list[tuple[str, str, int, list[str]]]:
    return [alarm[:4] for alarm in alarms.listed(world.connection)]


def corrupt(world: World, statement: str, *values: Any) -> None:
    """Change rows behind the engine's back, as only an administrator can."""
    assert world.admin.execute(statement.encode(), values).rowcount == 1


def looked(world: World, times: int) -> list[str]:
    """What was told while a few rows were looked at so many times."""
    told = list[str]()
    watch = Watch(told.append)
    for _ in range(times):
        watch.look(world.connection)
    return told


def history(world: World) -> None:
    purchase = bought("p2", "ann", "2026-01-02", 7)
    case = opened("k1", "ann", "2026-01-03")
    world.given(registered("ann"), bought("p1", "ann", "2026-01-01", 5), purchase, case, registered("bob"))
    world.given(voided(purchase, 3), opened("k2", "bob", "2026-01-04"), bought("p3", "bob", "2026-01-05", 9))


def test_rows_as_they_were_posted_differ_in_nothing(world: World) -> None:
    history(world)

    assert {name: every(world, model) for name, model in models().items()} == {name: [] for name in models()}
    assert looked(world, 60) == []
    assert alarmed(world) == []


def test_a_row_that_was_changed_is_found_with_both_rows_and_told_once(world: World) -> None:
    history(world)
    corrupt(world, "UPDATE books.purchase_behaviour SET purchases = 40 WHERE customer_id = %s", ANN)

    assert every(world, PurchaseBehaviour) == [(ANN, ["purchases"])]
    told = looked(world, 20)

    assert alarmed(world) == [("purchase_behaviour", str(ANN), 8, ["purchases"])]
    assert told == []
    ((stored, folded),) = world.connection.execute("SELECT stored, folded FROM books.alarms").fetchall()
    assert (stored["purchases"], folded["purchases"]) == (40, 1)
    assert {name for name in stored if stored[name] != folded[name]} == {"purchases"}


@pytest.mark.parametrize(
    ("change", "columns"),
    [
        ("DELETE FROM books.case_register", sorted(CaseRegister.__struct_fields__)),
        ("UPDATE books.case_register SET state = 'nonsense'", ["state"]),
        ("UPDATE books.case_register SET remedies = '[7]'", ["remedies"]),
        ("UPDATE books.case_register SET opened_at = NULL", ["opened_at"]),
    ],
    ids=["missing", "with an unknown code", "of another shape", "empty"],
)
def test_whatever_is_wrong_with_a_row_is_found(world: World, change: str, columns: list[str]) -> None:
    history(world)
    corrupt(world, f"{change} WHERE case_id = %s", named("k1"))

    assert every(world, CaseRegister) == [(named("k1"), columns)]


def test_a_row_that_has_no_entries_is_found_as_well_as_the_one_that_is_missing(world: World) -> None:
    history(world)
    corrupt(world, "UPDATE books.sales SET position = 2000 WHERE position = 2")

    assert every(world, Sales) == [(2000, sorted(Sales.__struct_fields__)), (2, sorted(Sales.__struct_fields__))]


def test_the_projector_finds_a_changed_row_and_a_missing_one_by_itself_and_posts_on(world: World) -> None:
    history(world)
    corrupt(world, "UPDATE books.sales SET amount_minor = 1 WHERE position = 8")
    corrupt(world, "DELETE FROM books.audit_trail WHERE position = 5")

    with Running(world.url) as running:
        until(lambda: len(alarmed(world)) == 2)
        world.enter([bought("p4", "ann", "2026-01-06", 1)])
        until(lambda: set(world.positions().values()) == {9})

    assert sorted((model, key, columns) for model, key, _, columns in alarmed(world)) == [
        ("audit_trail", "5", sorted(AuditTrail.__struct_fields__)),
        ("sales", "8", ["amount_minor"]),
    ]
    assert len(running.notices) == 2
    assert [notice for notice in running.notices if notice.startswith("sales ")] == [
        "sales 8 is not what its entries up to 8 fold to (amount_minor). Run: daybook spot-check sales"
    ]


def test_an_alarm_is_taken_back_when_the_row_is_right_again(world: World) -> None:
    history(world)
    corrupt(world, "UPDATE books.sales SET amount_minor = 1 WHERE position = 8")
    assert every(world, Sales) == [(8, ["amount_minor"])]

    assert looked(world, 1) == []
    assert len(alarmed(world)) == 1
    corrupt(world, "UPDATE books.sales SET amount_minor = 9 WHERE position = 8")
    assert looked(world, 1) == []

    assert alarmed(world) == []


def test_no_more_alarms_are_kept_than_are_of_use(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alarms, "KEPT_MAX", 3)
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", 5) for n in range(10)))
    world.admin.execute("UPDATE books.sales SET amount_minor = 1")

    assert len(every(world, Sales)) == 10
    assert [key for _, key, _, _ in alarmed(world)] == ["1", "2", "3"]


def test_a_rebuild_mends_the_row_and_leaves_no_alarm(world: World) -> None:
    history(world)
    corrupt(world, "UPDATE books.sales SET amount_minor = 1 WHERE position = 8")
    assert every(world, Sales) == [(8, ["amount_minor"])]

    world.rebuild(Sales)

    assert alarmed(world) == []
    assert every(world, Sales) == []


def test_a_key_that_is_set_aside_is_passed_over(world: World, spending: type[ReadModel]) -> None:  # noqa: F811
    world.given(bought("p1", "ann", "2026-01-01", 5), bought("p2", "ann", "2026-01-02", 13))
    world.given(bought("p3", "ann", "2026-01-03", 5), bought("p4", "bob", "2026-01-03", 6))
    assert len(world.quarantine()) == 1
    corrupt(world, "UPDATE books.test_spending SET total_minor = 1 WHERE customer_id = %s", ANN)

    assert every(world, spending) == []
    world.connection.execute("DELETE FROM books.quarantine")
    assert every(world, spending) == [(ANN, ["total_minor"])]


def test_live_posting_and_rebuilds_beside_it_are_no_difference(world: World) -> None:
    purchases = [bought(f"p{n}", f"c{n % 5}", "2026-01-01", n) for n in range(300)]
    told, ended = list[str](), threading.Event()

    def look() -> None:
        watch = Watch(told.append)
        with database.connect(world.url, Duty.PROJECTOR) as connection:
            while not ended.is_set():
                watch.look(connection)

    with ThreadPoolExecutor() as threads:
        looking = threads.submit(look)
        for n in range(30):
            world.enter([*purchases[10 * n : 10 * n + 10], voided(purchases[n], n + n // 10 + 1)])
            world.post([4, 7])
            if n % 5 == 0:
                world.rebuild(Sales)
        ended.set()
        looking.result()

    assert told == []
    assert alarmed(world) == []
    assert set(world.positions().values()) == {330}


def test_a_look_that_would_take_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    history(world)
    monkeypatch.setattr(watching, "LOOK_MS_MAX", 50)

    with database.connect(world.url) as other, other.transaction():
        other.execute("LOCK TABLE books.sales, books.audit_trail, books.purchase_behaviour IN ACCESS EXCLUSIVE MODE")
        assert looked(world, 20) == []
    assert alarmed(world) == []


def test_check_compares_some_or_all_and_ends_with_1_on_a_difference(world: World) -> None:
    history(world)
    some, one = daybook("spot-check", "--keys", "5"), daybook("spot-check", "sales", "--all", "--json")
    corrupt(world, "UPDATE books.sales SET amount_minor = 1 WHERE position = 8")

    found, told = daybook("spot-check", "sales", "--all"), daybook("spot-check", "--all", "--json")

    assert (some.exit_code, one.exit_code) == (0, 0)
    assert some.stdout.endswith(" rows compared with what their entries fold to; 0 differ.\n")
    assert json.loads(one.stdout) == {"compared": 3, "differing": []}
    assert (found.exit_code, told.exit_code) == (1, 1)
    assert "3 rows compared with what their entries fold to; 1 differ.\n" in found.stdout
    assert found.stdout.split()[-4:] == ["sales", "8", "8", "amount_minor"]
    assert found.stderr == (
        "daybook: Find out who changed the rows; that it was not the entries is told by: daybook verify."
        " Then run: daybook rebuild sales\n"
    )
    assert json.loads(told.stdout)["differing"] == [
        {"model": "sales", "key": "8", "position": 8, "columns": ["amount_minor"]}
    ]


def test_status_tells_of_the_alarms_and_what_each_build_is_made_of(world: World) -> None:
    history(world)
    world.rebuild(Sales)
    corrupt(world, "UPDATE books.sales SET amount_minor = 1 WHERE position = 8")
    every(world, Sales)

    said, told = daybook("status").stdout, json.loads(daybook("status", "--json").stdout)

    assert "sales 8 is not what its entries up to 8 fold to (amount_minor)\n" in said
    assert "1 alarm in all. Look again with: daybook spot-check; mend with: daybook rebuild NAME\n" in said
    assert [(alarm["model"], alarm["key"], alarm["columns"]) for alarm in told["alarms"]] == [
        ("sales", "8", ["amount_minor"])
    ]
    [line] = [line for line in told["models"] if line["model"] == "sales"]
    assert (line["alarms"], line["certified_position"], len(line["checksum"])) == (1, 8, 16)


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["spot-check", "churn"], "There is no read model churn; there are: audit_trail, "),
        (["retry", "churn"], "There is no read model churn; there are: audit_trail, "),
        (["retry", "--key", "x"], "No key x is set aside; see which are with: daybook status"),
    ],
)
def test_what_is_not_there_cannot_be_checked_or_retried(arguments: list[str], problem: str) -> None:
    done = daybook(*arguments)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"daybook: {problem}")


def test_a_key_is_found_by_its_text() -> None:
    assert checking.key_of(Sales, "8") == 8
    assert checking.key_of(PurchaseBehaviour, str(ANN)) == ANN
    with pytest.raises(msgspec.ValidationError):
        checking.key_of(Sales, "eight")
