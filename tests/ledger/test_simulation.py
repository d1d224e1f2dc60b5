"""A simulated world in the ledger: entered once, whole, under the policies there are, and open to go on."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg import Connection, sql

from domain.case import Case
from domain.customer import Customer
from domain.event import EPOCH, Event
from domain.purchase import Purchase
from domain.remedy import Remedy
from domain.vocabulary import CaseState, Role
from ledger import bulk, database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.reading import decoded, line
from ledger.recorder import EntryMapper
from ledger.sources import simulation
from ledger.sources.simulation import Advance, Summary, World, WorldClashes, house_rules, imagine, silent, simulate
from ledger.sources.world import chronicle
from ledger.vault import Vault
from tests.conftest import MASTER_KEY, acting

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
WORLD = World(until=UNTIL, customers=12, months=18, seed=7, complaint_share=0.9, other_cases_per_year=2)


class Interrupted(Exception):
    """Someone pulled the plug."""


@pytest.fixture
def intake(url: str) -> Iterator[tuple[Connection[Any], Vault]]:
    with database.pool(url, Duty.IMPORTER, size=1) as pool, database.connect(url, Duty.IMPORTER) as connection:
        yield connection, Vault(pool, MASTER_KEY, "test-1")


def stored(connection: Connection[Any]) -> list[Event]:
    """Every entry as it is stored, in order of position."""
    query = sql.SQL("SELECT {} FROM ledger.entries ORDER BY position").format(line())
    return [decoded(row[0]) for row in connection.execute(query)]


def opened(connection: Connection[Any], vault: Vault) -> list[Event]:
    """Every entry in clear, without what the ledger added to it."""
    mapper = EntryMapper(vault)
    return [replace(mapper.opened(entry), position=0, recorded_at=EPOCH) for entry in stored(connection)]


def imagined(world: World) -> list[Event]:
    """The world as it should stand in an empty ledger."""
    rules = house_rules(world)
    lived = [entry for life in imagine(world, rules) for entry in life]
    return rules + sorted(lived, key=lambda entry: entry.occurred_at)


def test_what_is_entered_is_what_was_imagined_in_order_of_time(intake: tuple[Connection[Any], Vault]) -> None:
    summary = simulate(*intake, WORLD)

    entries = opened(*intake)
    assert entries == imagined(WORLD)
    assert summary == Summary(
        world=summary.world,
        customers=12,
        entries=len(entries),
        new=len(entries),
        by_type={name: [e.type_name for e in entries].count(name) for name in sorted({e.type_name for e in entries})},
    )
    assert {entry.correlation_id for entry in entries[3:]} == {summary.world}


def test_a_large_world_is_sorted_on_disk_and_entered_the_same(
    intake: tuple[Connection[Any], Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chronicle, "RUN_MAX", 60)
    monkeypatch.setattr(chronicle, "RUNS_MAX", 3)
    monkeypatch.setattr(simulation, "ENTERED_AT_ONCE_MAX", 50)

    simulate(*intake, WORLD)

    assert opened(*intake) == imagined(WORLD)


def test_the_same_world_again_adds_nothing(intake: tuple[Connection[Any], Vault]) -> None:
    first = simulate(*intake, WORLD)
    before = stored(intake[0])

    again = simulate(*intake, WORLD)

    assert stored(intake[0]) == before
    assert (again.world, again.new) == (first.world, 0)
    assert again.entries == first.entries - 3, "only the policies belong to no world"


def test_an_interrupted_simulation_goes_on_where_it_stopped(
    intake: tuple[Connection[Any], Vault], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulation, "ENTERED_AT_ONCE_MAX", 50)

    @contextmanager
    def plug(what: str, _total: int | None) -> Iterator[Advance]:
        def advance(done: int, total: int | None = None, /) -> None:
            if what == "Entering" and done > 120:
                raise Interrupted

        yield advance

    with pytest.raises(Interrupted):
        simulate(*intake, WORLD, plug)
    entered = len(stored(intake[0]))

    rest = simulate(*intake, WORLD, silent)

    assert entered == 3 + 150
    assert rest.new == rest.entries - 150
    assert opened(*intake) == imagined(WORLD)


def test_a_world_of_another_seed_is_added_beside(intake: tuple[Connection[Any], Vault]) -> None:
    first = simulate(*intake, WORLD)
    second = simulate(*intake, replace(WORLD, seed=8))

    assert second.world != first.world
    assert (first.new, second.new) == (first.entries, second.entries)
    assert len({entry.stream_id for entry in stored(intake[0]) if isinstance(entry, Customer.Registered)}) == 24


def test_policies_that_are_published_already_are_the_ones_the_world_lives_under(
    intake: tuple[Connection[Any], Vault], ledger: Ledger
) -> None:
    targets = {
        "effective_from": datetime(2020, 1, 1, tzinfo=UTC),
        "acknowledge_within_s": 3600,
        "resolve_within_s": 2 * 86_400,
    }
    ledger.execute("publish_service_targets", targets, acting(Role.ADMIN))

    summary = simulate(*intake, WORLD)
    again = simulate(*intake, WORLD)

    cases = [entry for entry in stored(intake[0]) if isinstance(entry, Case.Opened)]
    assert len(cases) > 10
    for case in cases:
        assert case.policy_version == 1
        assert case.acknowledge_due_at == case.occurred_at + timedelta(hours=1)
        assert case.resolve_due_at == case.occurred_at + timedelta(days=2)
    policies = {name: many for name, many in summary.by_type.items() if name.startswith("Policy.")}
    assert policies == {"Policy.RemedyAuthorityPublished": 1, "Policy.TierRulePublished": 1}
    assert again.new == 0


def test_before_any_policy_is_in_force_nothing_is_promised_and_nothing_paid(
    intake: tuple[Connection[Any], Vault], ledger: Ledger
) -> None:
    later = {"effective_from": UNTIL}
    limits = [{"role": "agent", "amount_minor": 100}]
    ledger.execute("publish_remedy_authority", later | {"currency": "EUR", "limits": limits}, acting(Role.ADMIN))
    targets = later | {"acknowledge_within_s": 1, "resolve_within_s": 1}
    ledger.execute("publish_service_targets", targets, acting(Role.ADMIN))

    simulate(*intake, replace(WORLD, customers=60))

    entries = stored(intake[0])
    assert {entry.resolve_due_at for entry in entries if isinstance(entry, Case.Opened)} == {None}
    assert {entry.amount_minor for entry in entries if isinstance(entry, Remedy.Offered)} == {0}
    assert [entry for entry in entries if isinstance(entry, Remedy.Approved)] == []


def test_a_world_that_stands_there_with_other_content_is_refused_whole(intake: tuple[Connection[Any], Vault]) -> None:
    simulate(*intake, replace(WORLD, customers=1, seed=99))
    before = stored(intake[0])
    first = next(iter(imagine(WORLD, house_rules(WORLD))))[0]
    bulk.enter(*intake, [replace(first, command_id=before[0].command_id)])

    with pytest.raises(WorldClashes, match=f"under {first.external_id}; choose another seed"):
        simulate(*intake, WORLD)

    assert len(stored(intake[0])) == len(before) + 1


SCRIPTS = {
    "Latin with diacritics": "[À-ÖØ-öø-ÿĀ-ſẠ-ỹ]",
    "Chinese": "[\u4e00-\u9fff]",
    "Arabic": "[\u0621-\u064a]",
    "Greek": "[\u0370-\u03ff]",
    "Cyrillic": "[\u0400-\u04ff]",
    "emoji": "[\U0001f300-\U0001faff]",
}


def test_names_and_texts_in_all_scripts_come_back_unchanged_and_are_sealed_in_between(
    intake: tuple[Connection[Any], Vault],
) -> None:
    world = replace(WORLD, customers=80, touchpoints_per_year=6)

    simulate(*intake, world)

    told = " ".join(str(entry.payload()) for entry in opened(*intake))
    kept = " ".join(str(entry.payload()) for entry in stored(intake[0]))
    assert opened(*intake) == imagined(world)
    assert [script for script, letters in SCRIPTS.items() if not re.search(letters, told)] == []
    # Articles and the like are no secret; what people are called and say is.
    assert [script for script, letters in SCRIPTS.items() if re.search(letters, kept)] == []


@settings(max_examples=5, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32), months=st.integers(1, 36))
def test_every_history_can_be_loaded_and_goes_on(
    intake: tuple[Connection[Any], Vault], ledger: Ledger, seed: int, months: int
) -> None:
    world = replace(WORLD, customers=2, seed=seed, months=months)
    written = simulate(*intake, world)
    # Drawn before, it has gone on already.
    assume(written.new)

    streams = {entry.stream_id: entry for entry in stored(intake[0]) if entry.correlation_id == written.world}
    assert len(streams) > 2
    for last in streams.values():
        loaded = ledger.load(last.aggregate, last.stream_id)
        assert loaded.version == last.stream_version
        if further := _further(loaded):
            name, fact = further
            context = acting(Role.SUPERVISOR, "e.vance", at=last.occurred_at)

            done = ledger.execute(name, {"id": loaded.id} | fact, context, expected_version=loaded.version)

            assert (done.stream_id, done.version) == (loaded.id, loaded.version + 1)


def _further(aggregate: Any) -> tuple[str, dict[str, Any]] | None:
    """A command that the rules allow next, where there is one."""
    match aggregate:
        case Customer():
            return "add_contact_point", {"contact": "new", "kind": "phone", "value": "+999 1"}
        case Case(state=CaseState.RESOLVED | CaseState.CLOSED):
            return "reopen_case", {"reason": "noch etwas"}
        case Case():
            return "assign_case", {"handler": "e.vance"}
        case Purchase() if aggregate.bought:
            sku, quantity = next(iter(aggregate.bought.items()))
            lines = [{"sku": sku, "quantity": quantity, "amount_minor": 0}]
            return ("return_purchase", {"lines": lines}) if quantity else None
    return None
