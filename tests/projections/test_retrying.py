"""Keys that were set aside are tried again: those that fold go on with all that came meanwhile, in its order."""

import json

import pytest

from projections.engine import quarantine, retrying
from projections.engine.model import ReadModel
from tests.projections.facts import bought, named, touched
from tests.projections.test_commands import daybook
from tests.projections.test_quarantine import spending  # noqa: F401  (a fixture)
from tests.projections.world import World, expected

ANN, BOB, EVE = named("ann"), named("bob"), named("eve")


@pytest.fixture(autouse=True)
def environment(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)


@pytest.fixture
def unlucky(world: World, spending: type[ReadModel]) -> type[ReadModel]:  # noqa: F811
    """Two keys set aside for what luck decides, one for what no luck can mend, and later entries of all."""
    world.given(
        bought("p1", "ann", "2026-01-01", 5),
        bought("p2", "ann", "2026-01-02", 13),
        bought("p3", "bob", "2026-01-03", 13),
        bought("p4", "eve", "2026-01-04", 29),
    )
    world.given(touched("t1", "ann", "2026-01-05", purpose="hello"), bought("p5", "ann", "2026-01-06", 7))
    world.given(bought("p6", "bob", "2026-01-07", 1), bought("p7", "eve", "2026-01-08", 1))
    assert {key for _, key, _, _ in world.quarantine()} == {str(ANN), str(BOB), str(EVE)}
    return spending


def test_what_folds_by_now_goes_on_with_all_that_came_later_in_order(
    world: World, unlucky: type[ReadModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.projections.test_quarantine.UNLUCKY", 0)
    positions = world.positions()

    tried = list(retrying.retry(world.connection, quarantine.listed(world.connection)))

    folded = expected(unlucky, [entry for entry in world.entries() if entry.customer_id != EVE])
    assert world.rows(unlucky) == folded
    assert (folded[ANN].last, folded[ANN].total_minor, folded[BOB].purchases) == ("p5", 25, 2)
    assert [(each.key, each.failing and each.failing.position) for each in tried] == [
        (str(ANN), None),
        (str(BOB), None),
        (str(EVE), 4),
    ]
    assert {(key, position) for _, key, position, _ in world.quarantine()} == {(str(EVE), 4)}
    assert world.positions() == positions
    world.given(bought("p8", "ann", "2026-01-09", 1))
    assert world.rows(unlucky)[ANN].total_minor == 26


def test_what_still_fails_stays_aside_with_its_row_as_it_was(world: World, unlucky: type[ReadModel]) -> None:
    rows, aside = world.rows(unlucky), world.quarantine()

    tried = list(retrying.retry(world.connection, quarantine.listed(world.connection)))

    assert {(each.key, each.failing and each.failing.error[:10]) for each in tried} == {
        (str(ANN), "ValueError"),
        (str(BOB), "ValueError"),
        (str(EVE), "RuntimeErr"),
    }
    assert (world.rows(unlucky), world.quarantine()) == (rows, aside)


def test_a_key_may_fail_later_than_it_did(
    world: World,
    spending: type[ReadModel],  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world.given(bought("p1", "ann", "2026-01-01", 13), bought("p2", "ann", "2026-01-02", 17))
    monkeypatch.setattr("tests.projections.test_quarantine.UNLUCKY", 0)

    [tried] = retrying.retry(world.connection, quarantine.listed(world.connection))

    assert tried.failing and tried.failing.position == 2
    assert world.rows(spending)[ANN].total_minor == 13


def test_retry_tells_what_goes_on_and_what_still_fails(
    world: World, unlucky: type[ReadModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.projections.test_quarantine.UNLUCKY", 0)

    one, other_model = daybook("retry", "--key", str(BOB)), daybook("retry", "sales")
    rest, none = daybook("retry", "test_spending"), daybook("retry", "--json")

    assert (one.exit_code, one.stdout) == (0, "1 of 1 keys go on.\n")
    assert (other_model.exit_code, other_model.stdout) == (0, "0 of 0 keys go on.\n")
    assert rest.exit_code == 1
    assert rest.stdout.startswith(f"1 of 2 keys go on.\ntest_spending {EVE} fails at entry 4: RuntimeError: xxx")
    assert rest.stderr == "daybook: Void the entries that fail, or mend the fold and run: daybook rebuild NAME\n"
    told = json.loads(none.stdout)
    assert told["freed"] == []
    assert [(each["key"], each["position"]) for each in told["failing"]] == [(str(EVE), 4)]
