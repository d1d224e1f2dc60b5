"""The consents: what holds at any time, whatever came late, and the legal holds beside them."""

from datetime import datetime

from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from domain.legal_hold import LegalHold
from domain.person import LegalBasis
from projections.consents import ConsentPurpose, Consents
from projections.engine.cut import Cut
from projections.engine.refolding import refold
from projections.legal_holds import LegalHolds
from tests.projections.facts import day, fact, named, registered, voided
from tests.projections.world import World


def granted(purpose: str, at: str, text: str = "v1", customer: str = "ann") -> Event:
    """Consent was given."""
    return fact(Customer.ConsentGranted, customer, at, customer_id=named(customer), purpose=purpose, text_version=text)


def withdrawn(purpose: str, at: str) -> Event:
    """Consent was withdrawn."""
    return fact(Customer.ConsentWithdrawn, "ann", at, customer_id=named("ann"), purpose=purpose)


def holding(world: World) -> set[str]:
    """The purposes that Ann's data may be used for."""
    return {each.purpose for each in world.rows(Consents)[named("ann")].purposes if each.ended_at is None}


def consent(purpose: str, at: str, text: str = "v1", ended: str | None = None) -> ConsentPurpose:
    """A purpose as the model keeps it."""
    until: datetime | None = day(ended) if ended else None
    return ConsentPurpose(
        purpose=purpose, basis=LegalBasis.CONSENT, text_version=text, granted_at=day(at), ended_at=until
    )


def test_a_purpose_holds_until_it_is_withdrawn(world: World) -> None:
    world.given(registered("ann"), granted("news", "2026-01-02"), granted("profiling", "2026-01-03"))
    assert holding(world) == {"news", "profiling"}

    world.given(withdrawn("news", "2026-01-04"))

    row = world.rows(Consents)[named("ann")]
    assert row.purposes == [consent("news", "2026-01-02", ended="2026-01-04"), consent("profiling", "2026-01-03")]
    assert (row.holding, row.last_occurred_at) == (1, day("2026-01-04"))


def test_a_new_text_takes_the_place_of_the_one_before(world: World) -> None:
    world.given(granted("news", "2026-01-02"), withdrawn("news", "2026-01-03"), granted("news", "2026-01-05", "v2"))

    assert world.rows(Consents)[named("ann")].purposes == [consent("news", "2026-01-05", "v2")]


def test_what_was_granted_before_a_withdrawal_does_not_hold_because_it_was_entered_late(world: World) -> None:
    world.given(granted("news", "2026-01-01"), withdrawn("news", "2026-01-10"))

    world.given(granted("news", "2026-01-05", "v2"))

    assert world.rows(Consents)[named("ann")].purposes == [consent("news", "2026-01-05", "v2", ended="2026-01-10")]


def test_as_of_a_day_it_says_what_held_then(world: World) -> None:
    world.given(granted("news", "2026-01-02"), withdrawn("news", "2026-01-10"))
    world.given(voided(granted("news", "2026-01-02"), 2))
    assert holding(world) == {"news"}

    then = refold(world.connection, Consents, [named("ann")], Cut(2, day("2026-01-05")))[named("ann")].row
    known = refold(world.connection, Consents, [named("ann")], Cut(2))[named("ann")].row

    assert (then and then.holding, known and known.holding) == (1, 0)  # type: ignore[attr-defined]


def test_those_merged_say_it_of_one_person(world: World) -> None:
    merged = fact(Customer.Merged, "bob", "2026-01-05", customer_id=named("bob"), survivor_id=named("ann"))
    world.given(granted("news", "2026-01-02"), granted("profiling", "2026-01-03", customer="bob"), merged)

    assert holding(world) == {"news", "profiling"}
    assert world.rows(Consents).keys() == {named("ann")}


def test_there_is_no_row_for_those_who_never_consented(world: World) -> None:
    world.given(registered("ann"), fact(Customer.Erased, "ann", "2026-02-01", customer_id=named("ann"), reason="r"))

    assert world.rows(Consents) == {}


def test_an_erasure_ends_all_that_held(world: World) -> None:
    erased = fact(Customer.Erased, "ann", "2026-02-01", customer_id=named("ann"), reason="r", keys=[named("ann")])
    world.given(granted("news", "2026-01-02"), granted("profiling", "2026-01-03"), withdrawn("news", "2026-01-04"))

    world.given(erased)

    assert world.rows(Consents)[named("ann")].purposes == [
        consent("news", "2026-01-02", ended="2026-01-04"),
        consent("profiling", "2026-01-03", ended="2026-02-01"),
    ]


def test_a_legal_hold_runs_until_it_is_released(world: World) -> None:
    placed = fact(LegalHold.Placed, "h1", "2026-01-02", customer_id=named("ann"), reference="HC-17", reason="A claim.")
    world.given(placed)
    hold = world.rows(LegalHolds)[named("h1")]
    assert (hold.customer_id, hold.reference, hold.placed_at, hold.released_at, hold.version) == (
        named("ann"), "HC-17", day("2026-01-02"), None, 1
    )  # fmt: skip

    world.given(fact(LegalHold.Released, "h1", "2026-01-09", customer_id=named("ann"), reason="over"))
    hold = world.rows(LegalHolds)[named("h1")]
    assert (hold.released_at, hold.release_reason, hold.version) == (day("2026-01-09"), "over", 2)

    world.given(
        fact(Entry.Voided, "h1", "2026-01-10", customer_id=named("ann"), voided_position=2,
             voided_type="LegalHold.Released", reason="the wrong one")
    )  # fmt: skip
    assert world.rows(LegalHolds)[named("h1")].released_at is None
