"""``daybook project --once``, ``rebuild`` and ``status``: what they do, what they say, and how they end."""

import json
from typing import Any
from uuid import UUID

import pytest
from click.testing import Result
from typer.testing import CliRunner

from api.cli import app
from domain.purchase import Purchase
from domain.rule import Refused
from projections.engine import builds, projector
from projections.engine.lease import Lease
from projections.engine.model import ReadModel, fingerprint, models, on
from projections.sales import Sales
from tests.projections.facts import bought, named, registered
from tests.projections.test_posting import another_version
from tests.projections.world import World, expected


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)
    monkeypatch.setenv("COLUMNS", "200")


def daybook(*arguments: str) -> Result:
    return CliRunner().invoke(app, arguments)


def told(*arguments: str) -> Any:
    done = daybook(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def test_project_once_builds_what_is_outdated_posts_the_rest_and_ends(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01") for n in range(3)))
    world.enter([bought("p9", "ann", "2026-01-02")])

    with another_version(Sales, Sales.spec.version + 1):
        assert told("project", "--once") == {"built": ["sales"], "posted": 1}
        assert told("project", "--once") == {"built": [], "posted": 0}

    assert set(world.rows(Sales)) == {1, 2, 3, 4}
    world.rebuild(Sales)


def test_rebuild_of_one_model_leaves_the_others(world: World) -> None:
    world.rebuild(Sales)
    world.given(bought("p1", "ann", "2026-01-01"))
    before = {name: build.id for name, build in builds.serving(world.connection).items()}

    [made] = told("rebuild", "sales")
    difference = made.pop("difference")
    assert made == {"model": "sales", "version": Sales.spec.version, "position": 1, "in_service": True, "aside": 0}
    assert (difference["rows"], difference["changed"], difference["examples"]) == (1, 0, [])

    after = {name: build.id for name, build in builds.serving(world.connection).items()}
    assert {name for name in after if after[name] != before[name]} == {"sales"}
    assert world.rows(Sales) == expected(Sales, world.entries())


def test_rebuild_all_rebuilds_every_model(world: World) -> None:
    world.enter([bought("p1", "ann", "2026-01-01")])

    assert {(line["model"], line["position"]) for line in told("rebuild", "--all")} == {(name, 1) for name in models()}


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ([], "Name one read model or give --all; there are: "),
        (["sales", "--all"], "Name one read model or give --all; there are: "),
        (["churn"], "There is no read model churn; there are: audit_trail, case_register, "),
    ],
)
def test_rebuild_asks_for_one_model_or_all(arguments: list[str], problem: str) -> None:
    done = daybook("rebuild", *arguments)

    assert done.exit_code == 2
    assert done.stderr.startswith(f"daybook: {problem}")


def test_status_tells_head_position_and_lag(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01"))
    world.enter([bought("p2", "ann", "2026-01-02")])

    status = told("status")

    assert (status["head"], status["quarantine"]) == (2, [])
    certificates = builds.certificates(world.connection)
    assert status["models"] == [
        {"model": name, "version": model.spec.version, "state": "serving", "position": 1, "lag": 1, "quarantined": 0}
        | {"alarms": 0, "fingerprint": fingerprint(model)}
        | {"checksum": certificates[name].checksum, "certified_position": certificates[name].position}
        for name, model in sorted(models().items())
    ]
    assert status["alarms"] == []


def test_status_tells_which_models_are_outdated_or_missing_or_of_other_code_and_what_to_do(world: World) -> None:
    with world.admin.transaction():
        world.admin.execute("UPDATE books.builds SET state = 'retired' WHERE model = 'remedies'")
        world.admin.execute("UPDATE books.builds SET fingerprint = 'other' WHERE model = 'touchpoints'")

    with another_version(Sales, Sales.spec.version + 1):
        said = " ".join(daybook("status").stdout.split())
    world.admin.execute("UPDATE books.builds SET state = 'serving' WHERE model = 'remedies'")
    world.rebuild(models()["touchpoints"])

    assert "remedies is missing (One remedy as it stands.) Run: daybook project" in said
    assert "sales is outdated (One purchase or return.) Run: daybook project" in said
    assert "touchpoints was built by other code of the same version. Run: daybook rebuild touchpoints" in said
    assert "set aside" not in said
    told = daybook("status").stdout.split("Run: ")[1:]
    assert [each.split("\n")[0] for each in told] == ["daybook seal"]


@pytest.fixture
def picky(own_models: None, world: World) -> type[ReadModel]:
    class TestPicky(ReadModel, key="customer_id", version=1):
        """Takes nothing."""

        customer_id: UUID

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            raise ValueError("no [bold] purchases")

    projector.prepare(world.url)
    return TestPicky


def test_status_names_the_keys_that_are_set_aside_with_entry_and_error(world: World, picky: type[ReadModel]) -> None:
    world.given(*(bought(f"p{n}", f"c{n}", "2026-01-01") for n in range(25)))

    said, status = daybook("status").stdout, told("status")

    assert f"test_picky {named('c0')} is set aside at entry 1: ValueError: no [bold] purchases\n" in said
    assert said.count("is set aside at entry") == 20
    assert "25 set aside in all. Void the entry, or mend the fold and run: daybook rebuild NAME" in said
    [line] = [line for line in status["models"] if line["model"] == "test_picky"]
    assert (line["quarantined"], line["lag"]) == (25, 0)
    assert [key["position"] for key in status["quarantine"]] == [*range(1, 26)]
    assert set(status["quarantine"][0]) == {"model", "key", "position", "error", "since"}


def test_status_tells_that_a_projector_that_posts_may_be_of_older_code(world: World) -> None:
    lease = Lease()
    lease.keep(world.connection)

    with another_version(Sales, Sales.spec.version + 1):
        said = " ".join(daybook("status").stdout.split())
    lease.give_back(world.connection)

    assert "The projector builds it if it was started with this code; if not, stop it and run: daybook project" in said


def test_status_tells_that_a_model_stands_behind_those_that_the_projector_knows(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01"))
    lease = Lease()
    lease.keep(world.connection)
    fine = daybook("status").stdout

    world.admin.execute("UPDATE books.builds SET position = 0 WHERE model = 'sales'")
    said = " ".join(daybook("status").stdout.split())
    lease.give_back(world.connection)

    told = "sales stands behind the others; where that lasts, the projector was started with other code."
    assert (told in said, "stands behind the others" in fine) == (True, False)
    assert f"{told} Stop it and run: daybook project" in said


def test_a_rebuild_tells_how_many_keys_fail_and_where_to_see_which(world: World, picky: type[ReadModel]) -> None:
    world.given(*(bought(f"p{n}", f"c{n}", "2026-01-01") for n in range(2)))

    tried, built = daybook("rebuild", "test_picky", "--dry-run").stdout, daybook("rebuild", "test_picky").stdout
    [of_the_past] = told("rebuild", "test_picky", "--as-of", "1")

    fail = "2 keys of test_picky fail to fold and have no row; see where with:"
    assert f"{fail} daybook rebuild test_picky --sample 10000\n" in tried
    assert f"{fail} daybook status\n" in built
    assert of_the_past["aside"] == 1


@pytest.mark.parametrize(("lag_max", "code"), [(0, 1), (1, 1), (2, 0)])
def test_status_ends_with_1_when_a_model_is_further_behind_than_asked(world: World, lag_max: int, code: int) -> None:
    world.enter([bought(f"p{n}", "ann", "2026-01-01") for n in range(2)])

    done = daybook("status", "--lag-max", str(lag_max))

    assert done.exit_code == code
    assert ("Not in step: audit_trail, " in done.stderr) is (code == 1)


def test_a_dry_run_tells_what_would_differ_and_changes_nothing(world: World) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1), bought("p2", "ann", "2026-01-02", 2))
    serving = builds.serving(world.connection)["sales"]
    world.admin.execute(f"UPDATE books.{serving.table} SET amount_minor = 99 WHERE position = 2")

    said = " ".join(daybook("rebuild", "sales", "--dry-run").stdout.split())

    assert "sales, both builds at 2: 0 rows only in the new build 0 rows only in the old one 1 row changed" in said
    assert "amount_minor in 1 2 amount_minor: 99 → 2" in said
    assert "The new build serves" not in said
    assert builds.serving(world.connection)["sales"] == serving
    world.rebuild(Sales)


def test_a_rebuild_by_several_processes_is_taken_back(world: World) -> None:
    world.given(*(bought(f"p{n}", f"c{n}", "2026-01-01", n + 1) for n in range(20)))
    before = builds.serving(world.connection)["sales"]

    [made] = told("rebuild", "sales", "--processes", "2")
    assert (made["position"], made["difference"]["rows"], made["difference"]["changed"]) == (20, 20, 0)
    assert world.rows(Sales) == expected(Sales, world.entries())

    assert told("rollback", "sales") == [{"model": "sales", "version": Sales.spec.version, "position": 20}]
    assert builds.serving(world.connection)["sales"] == before


def test_rows_that_only_one_build_has_are_told_by_their_keys(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", "2026-01-01", n) for n in range(1, 10)))
    serving = builds.serving(world.connection)["sales"]
    world.admin.execute(f"DELETE FROM books.{serving.table} WHERE position <= 7")
    world.admin.execute(f"UPDATE books.{serving.table} SET position = 99 WHERE position = 9")

    said = " ".join(daybook("rebuild", "sales").stdout.split())

    assert "8 rows only in the new build: 1, 2, 3, 4, 5 … 1 row only in the old one: 99 0 rows changed" in said
    assert "The new build serves; take it back with: daybook rollback sales" in said


def test_builds_of_the_past_are_made_and_dropped(world: World) -> None:
    world.given(*(bought(f"p{n}", "ann", f"2026-01-0{n}", n) for n in range(1, 5)))

    [made] = told("rebuild", "sales", "--as-of", "3", "--occurred-until", "2026-01-02T00:00:00Z")

    assert made == {
        "model": "sales",
        "version": Sales.spec.version,
        "position": 3,
        "in_service": False,
        "aside": 0,
        "difference": None,
    }
    assert told("rebuild", "sales", "--drop-as-of") == [{"model": "sales", "dropped": 1}]
    assert told("rebuild", "sales", "--drop-as-of") == [{"model": "sales", "dropped": 0}]


def test_without_an_earlier_build_a_rollback_says_so(world: World) -> None:
    done = daybook("rollback", "sales")

    assert done.exit_code == 1
    assert done.stderr == "daybook: There is no earlier build of sales; one is kept at each rebuild.\n"


def test_a_sample_hides_what_is_sealed(world: World) -> None:
    world.given(registered("ann", name="王小明"), registered("eve", name="Eve"))

    found = told("rebuild", "customer_profile", "--sample", "5")["customer_profile"]
    said = daybook("rebuild", "customer_profile", "--sample", "5").stdout

    assert (found["customers"], found["entries"], found["entries_in_all"], found["failing"]) == (2, 2, 2, [])
    assert [row["name"] for row in found["rows"]] == ["sealed", "sealed"]
    assert "customer_profile: 2 customers, 2 entries, 2 rows, 0 failing; " in said


@pytest.mark.parametrize("asked", [("--as-of", "1"), ("--occurred-until", "2026-01-01T12:00:00Z")])
def test_a_build_of_the_past_is_made(world: World, asked: tuple[str, str]) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1), bought("p2", "ann", "2026-01-02", 2))

    [made] = told("rebuild", "sales", *asked)

    assert (made["in_service"], made["difference"]) == (False, None)
    kept = world.connection.execute("SELECT table_name FROM books.builds WHERE state = 'as_of'").fetchall()
    assert [world.connection.execute(f"SELECT position FROM books.{name}").fetchall() for (name,) in kept] == [[(1,)]]


@pytest.mark.parametrize(
    ("asked", "problem"),
    [
        ("9", "Position 9 is still to come, the ledger stands at position 1; ask as of a position or instant that has"),
        ("0", "Positions begin at 1; ask as of one from 1 on, not of 0."),
        ("yesterday", "'yesterday' is no instant; write it like 2026-06-30T00:00:00Z."),
    ],
)
def test_a_past_that_never_was_is_refused(world: World, asked: str, problem: str) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 1))

    refused = daybook("rebuild", "sales", "--as-of", asked).exception

    assert isinstance(refused, Refused)
    assert str(refused).startswith(problem)
