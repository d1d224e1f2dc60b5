"""Of a whole simulated world a third is forgotten: every metric, tier figure and count is what it was."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
from psycopg import sql

import ledger.sources.simulation as simulation
from domain.customer import Customer
from domain.event import Event
from domain.policy import TierRule
from ledger.sources.simulation import World as Imagined
from ledger.sources.simulation import silent
from projections.engine.metric import metrics
from projections.engine.model import columns, models
from projections.tier_figures import tier_figures
from tests.projections.facts import fact
from tests.projections.world import World

UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
IMAGINED = Imagined(until=UNTIL, customers=90, seed=7, complaint_share=0.8, other_cases_per_year=1)
ASKED = {
    "currency": "EUR",
    "since": "2025-01-01T00:00:00Z",
    "middle": "2025-07-01T00:00:00Z",
    "until": "2026-01-01T00:00:00Z",
}
"""What metrics must be given, by name."""
WHO_IS_GONE = {"customer_profile", "consents"}
"""Read models that say of a person that they were erased."""


def computed(world: World) -> dict[str, Any]:
    """The answer of every metric."""
    answers = {}
    for name, found in metrics().items():
        required = [field.name for field in msgspec.structs.fields(found.Params) if field.required]
        answers[name] = world.compute(name, UNTIL, **{each: ASKED[each] for each in required})
    return answers


def figures(world: World) -> Any:
    """The tier figures of every customer, by the rule of the world."""
    (rule,) = (entry for entry in world.entries() if isinstance(entry, TierRule))
    return tier_figures(world.connection, rule, UNTIL)


def counts(world: World) -> dict[str, int]:
    """How many rows every read model has, but for those of the erasures themselves."""
    found = {}
    for name, model in models().items():
        erasures = " WHERE type <> 'Customer.Erased'" if model.spec.is_feed and "type" in columns(model) else ""
        query = sql.SQL("SELECT count(*) FROM {}" + erasures).format(sql.Identifier("books", name))  # type: ignore[arg-type]
        found[name] = world.connection.execute(query).fetchall()[0][0]
    return found


def unsealed(value: Any) -> Any:
    """A value of a row without what is sealed in it."""
    if isinstance(value, dict):
        return {field: unsealed(each) for field, each in value.items()}
    if isinstance(value, list):
        return list(map(unsealed, value))
    return None if isinstance(value, str) and value.startswith("s1.") else value


def test_all_figures_are_what_they_were_and_no_row_says_who_it_was(world: World) -> None:
    simulation.simulate(world.importer, world.vault, IMAGINED, silent)
    while world.post():
        pass
    before = computed(world), figures(world), counts(world), world.everything()
    customers = sorted(before[3]["customer_profile"])
    gone = customers[::3]
    assert len([answer for answer in before[0].values() if answer]) > 8

    for customer in gone:
        world.given(_erased(customer))

    assert computed(world) == before[0]
    assert figures(world) == before[1]
    assert counts(world) == before[2]
    after = world.everything()
    for name in models().keys() - WHO_IS_GONE:
        rows = {key: unsealed(msgspec.to_builtins(row)) for key, row in before[3][name].items()}
        now = {key: unsealed(msgspec.to_builtins(after[name][key])) for key in rows}
        assert now == rows, f"{name} says otherwise what happened"
    sealed = [key for key, row in after["customer_profile"].items() if (row.name or "").startswith("s1.")]
    assert sorted(sealed) == sorted(set(customers) - set(gone))
    assert world.quarantine() == set()


def _erased(customer: UUID) -> Event:
    return fact(
        Customer.Erased, "-", "2026-01-01", stream_id=customer, customer_id=customer, reason="asked", keys=[customer]
    )
