"""The figures of a tier review: each computed by hand once."""

from typing import Any

from domain.event import Event
from domain.policy import TierRule
from domain.purchase import Line
from domain.remedy import Remedy
from domain.tier import TierInputs
from domain.vocabulary import RemedyKind
from projections.tier_figures import tier_figures
from tests.projections.facts import bought, day, fact, named, touched, unmatched, voided
from tests.projections.world import World

AT = day("2026-07-01")
ANN, BOB = named("ann"), named("bob")


def figures(world: World, at: Any = AT, **rule: Any) -> dict[Any, TierInputs]:
    return tier_figures(world.connection, TierRule(effective_from=day("2020-01-01"), currency="EUR", **rule), at)


def sale(purchase: str, customer: str, at: str, amount: int, listed: int | None = None, **fields: Any) -> Event:
    lines = [Line(sku="A", quantity=1, amount_minor=amount, list_amount_minor=listed)]
    return bought(purchase, customer, at, lines=lines, **fields)


def remedy(name: str, customer: str, at: str, amount: int, *kinds: type[Event], **fields: Any) -> list[Event]:
    ids = {"customer_id": named(customer), "case_id": named("case")}
    offer = {"kind": RemedyKind.REFUND, "amount_minor": amount, "currency": "EUR"} | fields
    return [
        fact(Remedy.Offered, name, "2026-01-01", **ids, **offer),
        *(fact(kind, name, at, **ids, **({"reason": "r"} if kind is Remedy.Reversed else {})) for kind in kinds),
    ]


def test_nobody_bought_nobody_is_ranked(world: World) -> None:
    world.given(unmatched("r1", "ann", "2026-03-01"), touched("t1", "ann", "2026-03-01", duration_s=60))

    assert figures(world) == {}


def test_every_figure_of_a_customer_is_computed_from_the_window(world: World) -> None:
    world.given(
        sale("a0", "ann", "2023-06-15", 5, 10),
        sale("a1", "ann", "2026-01-01", 900, 1000),
        sale("a2", "ann", "2026-02-01", 600),
        unmatched("a3", "ann", "2026-03-01", 100),
        *remedy("r1", "ann", "2026-03-02", 50, Remedy.Accepted, Remedy.Fulfilled),
        touched("t1", "ann", "2026-03-03", duration_s=1800),
        touched("t2", "ann", "2026-03-04", duration_s=900),
        sale("b1", "bob", "2026-05-01", 400),
        touched("t3", "bob", "2026-05-02", duration_s=300),
    )

    # ann: 900 + 600 - 100 paid; 100 of 1600 listed were discounts; 2700 s at 20.00 an hour cost 15.00.
    assert figures(world, service_cost_per_hour_minor=2000) == {
        ANN: TierInputs(
            revenue_minor=1400, remedies_minor=50, service_minor=1500, contribution_minor=-150, rank=2, ranked=2,
            tenure_months=36, discount_share=625, handled_s=2700, intensity_percent=144,
        ),
        BOB: TierInputs(
            revenue_minor=400, remedies_minor=0, service_minor=167, contribution_minor=233, rank=1, ranked=2,
            tenure_months=2, discount_share=0, handled_s=300, intensity_percent=55,
        ),
    }  # fmt: skip


def test_the_window_leaves_its_start_out_and_takes_the_instant_in(world: World) -> None:
    world.given(
        sale("a1", "ann", "2026-06-01", 1),
        sale("a2", "ann", "2026-06-01T00:00:00.000001", 10),
        sale("a3", "ann", "2026-07-01", 100),
        sale("a4", "ann", "2026-07-01T00:00:00.000001", 1000),
    )

    assert figures(world, window_months=1)[ANN].revenue_minor == 110


def test_who_bought_nothing_in_the_window_is_not_ranked_however_old_a_customer(world: World) -> None:
    world.given(sale("a1", "ann", "2025-01-01", 100), sale("b1", "bob", "2026-06-15", 100))

    assert set(figures(world)) == {BOB}


def test_only_remedies_that_were_given_and_kept_cost_something(world: World) -> None:
    world.given(
        sale("a1", "ann", "2026-06-15", 1000),
        *remedy("r1", "ann", "2026-06-16", 1, Remedy.Accepted),
        *remedy("r2", "ann", "2026-06-16", 10, Remedy.Accepted, Remedy.Fulfilled, Remedy.Reversed),
        *remedy("r3", "ann", "2026-06-16", 100, Remedy.Accepted, Remedy.Fulfilled, currency="GBP"),
        *remedy("r4", "ann", "2026-06-16", 1000, Remedy.Accepted, Remedy.Fulfilled),
        *remedy("r5", "ann", "2024-06-16", 10000, Remedy.Accepted, Remedy.Fulfilled),
    )

    assert figures(world)[ANN].remedies_minor == 1000
    assert figures(world, day("2026-06-15T12:00"))[ANN].remedies_minor == 0


def test_a_remedy_taken_back_later_still_cost_then(world: World) -> None:
    given = remedy("r1", "ann", "2026-06-16", 10, Remedy.Accepted, Remedy.Fulfilled)
    back = fact(Remedy.Reversed, "r1", "2026-06-20", customer_id=ANN, case_id=named("case"), reason="r")
    world.given(sale("a1", "ann", "2026-06-15", 1000), *given, back)

    assert figures(world, day("2026-06-19"))[ANN].remedies_minor == 10
    assert figures(world, day("2026-06-20"))[ANN].remedies_minor == 0


def test_other_currencies_bots_and_voided_entries_do_not_count(world: World) -> None:
    purchase, contact = sale("a2", "ann", "2026-06-15", 500), touched("t2", "ann", "2026-06-15", duration_s=50)
    world.given(
        sale("a1", "ann", "2026-06-15", 100), purchase, contact, sale("a3", "ann", "2026-06-15", 7, currency="GBP"),
        touched("t1", "ann", "2026-06-15", duration_s=5, automated=True), touched("t3", "ann", "2026-06-15"),
        voided(purchase, 2), voided(contact, 3),
    )  # fmt: skip

    assert (figures(world)[ANN].revenue_minor, figures(world)[ANN].handled_s) == (100, 0)


def test_ties_are_broken_by_the_customers_id_and_everyone_has_a_rank_of_their_own(world: World) -> None:
    names = ["ann", "bob", "cyd", "dan"]
    world.given(*(sale(f"p {name}", name, "2026-06-15", 100) for name in names))

    ranks = {customer: inputs.rank for customer, inputs in figures(world).items()}
    assert ranks == {customer: rank for rank, customer in enumerate(sorted(map(named, names)), 1)}


def test_there_is_no_intensity_without_revenue_or_without_any_handling(world: World) -> None:
    world.given(sale("a1", "ann", "2026-06-15", 0), sale("b1", "bob", "2026-06-15", 100))
    assert {inputs.intensity_percent for inputs in figures(world).values()} == {None}

    world.given(touched("t1", "bob", "2026-06-15", duration_s=50))
    assert {c: inputs.intensity_percent for c, inputs in figures(world).items()} == {ANN: None, BOB: 100}


def test_a_price_above_the_list_is_no_negative_discount(world: World) -> None:
    world.given(sale("a1", "ann", "2026-06-15", 120, 100), sale("b1", "bob", "2026-06-15", 1, 100))

    assert (figures(world)[ANN].discount_share, figures(world)[BOB].discount_share) == (0, 9900)
