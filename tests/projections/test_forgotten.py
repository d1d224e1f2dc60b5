"""Once a person was erased, no row holds anything that was sealed of them; that it happened stands."""

from typing import Any

import pytest

from domain.case import Case
from domain.customer import Customer
from domain.event import Event
from domain.person import RelationshipPart
from domain.touchpoint import Touchpoint
from domain.vocabulary import ContactKind
from projections.case_register import CaseRegister
from projections.customer_history import CustomerHistory
from projections.customer_profile import CustomerProfile
from projections.engine.checking import every
from projections.engine.cut import Cut
from projections.engine.model import ReadModel, models
from projections.engine.refolding import refold
from projections.touchpoints import Touchpoints
from tests.projections.facts import fact, named, of_case, opened, registered, touched
from tests.projections.world import World, as_kept


def erased(customer: str, at: str = "2026-02-01", *keys: str) -> Event:
    """A customer was erased, with further keys of theirs."""
    return fact(
        Customer.Erased,
        customer,
        at,
        customer_id=named(customer),
        reason="asked",
        keys=[*map(named, (customer, *keys))],
    )


def told_of(customer: str) -> list[Event]:
    """One of each kind of text, in a customer's name."""
    own = {"customer_id": named(customer)}
    home = {"contact": "home", "kind": ContactKind.EMAIL, "value": f"{customer}@b.c"}
    return [
        registered(customer, name=customer, country="FR", reference=f"R-{customer}"),
        fact(Customer.ContactPointAdded, customer, "2026-01-02", **home, **own),
        touched(f"t-{customer}", customer, "2026-01-03", summary="said"),
        opened(f"k-{customer}", customer, "2026-01-03", description="told"),
        of_case(
            Case.FactsConfirmed, f"k-{customer}", customer, "2026-01-04", restatement="again", steps_tried=["glue"]
        ),
    ]


def row(world: World, model: type[ReadModel], name: str) -> Any:
    """A row of a model, by the name of its key."""
    return world.rows(model)[named(name)]


def test_the_profile_says_that_there_was_somebody_and_no_more_who(world: World) -> None:
    world.given(*told_of("ann"))
    before = row(world, CustomerProfile, "ann")

    world.given(erased("ann"))

    after = row(world, CustomerProfile, "ann")
    assert (after.name, after.reference, after.country, after.erased_at is None) == (None, None, "FR", False)
    assert [(point.contact, point.kind, point.value) for point in after.contact_points] == [("home", "email", None)]
    assert (after.touchpoint_count, after.case_count) == (before.touchpoint_count, before.case_count) == (1, 1)
    assert (after.version, after.registered_at) == (3, before.registered_at)


def test_cases_contacts_and_history_keep_what_happened_and_not_what_was_said(world: World) -> None:
    world.given(*told_of("ann"), *told_of("bob"))
    before = world.everything()

    world.given(erased("ann"))

    assert row(world, CaseRegister, "k-ann") == _without(before["case_register"][named("k-ann")], description=None)
    assert row(world, Touchpoints, "t-ann") == _without(before["touchpoints"][named("t-ann")], summary=None)
    history = world.rows(CustomerHistory)
    told = [(history[n].type, history[n].data.get("name"), history[n].data.get("value")) for n in (1, 2)]
    assert told == [("Customer.Registered", None, None), ("Customer.ContactPointAdded", None, None)]
    assert (history[5].data["restatement"], history[5].data["steps_tried"]) == (None, ["glue"])
    assert history[11].data["keys"] == [str(named("ann"))]
    for name, rows in world.everything().items():
        others = {key: each for key, each in rows.items() if key in before[name] and "ann" not in _whose(key)}
        assert others == {key: before[name][key] for key in others}, "nothing of Bob changed"


def _without(row: Any, **fields: None) -> Any:
    return type(row)(**{field: getattr(row, field) for field in row.__struct_fields__} | fields)


def _whose(key: Any) -> str:
    of_ann = {named("ann"), named("k-ann"), named("t-ann"), 1, 2, 3, 4, 5}
    return "ann" if key in of_ann else ""


@pytest.mark.parametrize("sizes", [[1] * 11, [11], [10, 1], [5, 6]])
def test_it_is_the_same_in_whatever_batches_and_rebuilt(world: World, sizes: list[int]) -> None:
    world.enter([*told_of("ann"), *told_of("bob"), erased("ann")])

    world.post(sizes)

    live = world.everything()
    assert "s1." in str(live)
    for name, model in models().items():
        refolded = refold(world.connection, model, live[name], Cut(11))
        assert {key: each and as_kept(each) for key, (each, _) in refolded.items()} == live[name]
        world.rebuild(model)
    assert world.everything() == live
    assert live["customer_profile"][named("ann")].name is None


def test_those_merged_into_the_person_are_forgotten_in_the_row_they_share(world: World) -> None:
    merged = fact(Customer.Merged, "bob", "2026-01-05", customer_id=named("bob"), survivor_id=named("ann"))
    world.given(*told_of("ann"), *told_of("bob"), merged)

    world.given(erased("ann"))
    points = row(world, CustomerProfile, "ann").contact_points
    assert [point.value is None for point in points] == [True, False], "only one key was destroyed"

    world.given(erased("bob"))
    points = row(world, CustomerProfile, "ann").contact_points
    assert [point.value for point in points] == [None, None]


def test_what_has_a_key_of_its_own_is_forgotten_when_that_key_is_named(world: World) -> None:
    unknown = {"channel": "phone", "direction": "inbound", "purpose": "x", "summary": "before we knew who"}
    world.given(registered("ann"), fact(Touchpoint.Recorded, "t9", "2026-01-03", **unknown))
    assert row(world, Touchpoints, "t9").summary.startswith("s1.")

    world.given(erased("ann", "2026-02-01", "t9"))

    assert row(world, Touchpoints, "t9").summary is None


def test_of_two_persons_in_one_entry_each_is_forgotten_by_themselves(world: World) -> None:
    part = {"part": RelationshipPart.PAYER, "person_id": named("bob"), "note": "since May", "position_held": "CFO"}
    world.given(
        registered("ann", name="Acme"), registered("bob", name="Bob"),
        fact(Customer.RelationshipDeclared, "ann", "2026-01-02", customer_id=named("ann"), **part),
    )  # fmt: skip

    world.given(erased("bob"))

    data = world.rows(CustomerHistory)[3].data
    assert (data["note"][:3], data["position_held"], data["person_id"]) == ("s1.", None, str(named("bob")))


def test_as_of_before_the_erasure_a_row_is_as_it_was_known_then(world: World) -> None:
    world.given(*told_of("ann"))
    before = row(world, CustomerProfile, "ann")
    world.given(erased("ann"))

    refolded, _ = refold(world.connection, CustomerProfile, [named("ann")], Cut(5))[named("ann")]

    assert refolded is not None
    assert as_kept(refolded) == before, "it holds ciphertext that nobody can open any more"


def test_a_check_of_every_row_finds_nothing_wrong(world: World) -> None:
    world.given(*told_of("ann"))
    world.given(erased("ann"))

    for model in models().values():
        checked = list(every(world.connection, model, lambda *_: None))
        assert [found.differing for found in checked if found.differing] == []
