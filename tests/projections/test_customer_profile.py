"""The customer profile: who a customer is, as last stated."""

from domain.case import Case
from domain.customer import Customer
from domain.vocabulary import ContactKind, CustomerKind, InvalidReason
from projections.customer_profile import CustomerProfile
from tests.projections.facts import day, fact, named, opened, registered, touched, voided
from tests.projections.world import World

ANN = named("ann")
OF_ANN = {"customer_id": ANN}


def profile(world: World) -> CustomerProfile:
    [row] = world.rows(CustomerProfile).values()
    return row


def test_what_is_stated_at_first_is_taken_over(world: World) -> None:
    world.given(registered("ann", "2026-01-01", kind=CustomerKind.BUSINESS, name="某公司", country="CN", reference="7"))

    row = profile(world)
    assert world.vault.open("name", row.name) == "某公司"
    assert row == CustomerProfile(
        customer_id=ANN, kind=CustomerKind.BUSINESS, name=row.name, country="CN", reference="7",
        registered_at=day("2026-01-01"), version=1,
    )  # fmt: skip


def test_a_correction_changes_what_it_states_and_leaves_the_rest(world: World) -> None:
    world.given(registered("ann", name="Anna", country="CN"))

    world.given(fact(Customer.ProfileChanged, "ann", "2026-01-02", country="DE", **OF_ANN))
    world.given(fact(Customer.ProfileChanged, "ann", "2026-01-03", kind=CustomerKind.INTERNAL, name="Ann", **OF_ANN))

    row = profile(world)
    assert (row.kind, row.country, world.vault.open("name", row.name)) == (CustomerKind.INTERNAL, "DE", "Ann")


def test_contact_points_are_listed_in_order_and_invalidated_by_name(world: World) -> None:
    def added(contact: str, value: str) -> object:
        kind = ContactKind.PHONE if value.isdigit() else ContactKind.EMAIL
        return fact(Customer.ContactPointAdded, "ann", "2026-01-02", contact=contact, kind=kind, value=value, **OF_ANN)

    def lost(contact: str, reason: InvalidReason) -> object:
        told = {"contact": contact, "reason": reason}
        return fact(Customer.ContactPointInvalidated, "ann", "2026-01-03", **told, **OF_ANN)

    world.given(registered("ann"), added("home", "123"), added("work", "a@b.example"))
    world.given(lost("home", InvalidReason.BOUNCED), added("home", "456"), lost("home", InvalidReason.RETURNED))

    points = profile(world).contact_points
    assert [(point.contact, point.kind, point.invalid) for point in points] == [
        ("home", ContactKind.PHONE, InvalidReason.BOUNCED),
        ("work", ContactKind.EMAIL, None),
        ("home", ContactKind.PHONE, InvalidReason.RETURNED),
    ]
    assert [world.vault.open("value", point.value) for point in points] == ["123", "a@b.example", "456"]


def test_contacts_and_cases_are_counted_and_the_last_contact_is_the_latest_not_the_last_told(world: World) -> None:
    world.given(
        registered("ann"),
        touched("t1", "ann", "2026-03-01"),
        touched("t2", "ann", "2026-02-01"),
        opened("c1", "ann", "2026-03-02"),
    )

    row = profile(world)
    assert (row.touchpoint_count, row.case_count, row.last_touch_at) == (2, 1, day("2026-03-01"))


def test_what_is_void_is_neither_counted_nor_stated(world: World) -> None:
    renamed = fact(Customer.ProfileChanged, "ann", "2026-01-02", country="DE", **OF_ANN)
    contact, case = touched("t1", "ann", "2026-03-01"), opened("c1", "ann", "2026-03-02")
    world.given(registered("ann", country="CN"), renamed, contact, case)

    world.given(voided(renamed, 2), voided(contact, 3), voided(case, 4))

    row = profile(world)
    assert (row.country, row.touchpoint_count, row.case_count, row.last_touch_at) == ("CN", 0, 0, None)
    assert row.version == 3, "the void of the change stands in the customer's own history, the others do not"


def test_a_customer_whose_registration_is_void_is_none(world: World) -> None:
    mistake = registered("ann")
    world.given(mistake, touched("t1", "ann", "2026-03-01"), voided(mistake, 1))

    assert world.rows(CustomerProfile) == {}


def test_what_happens_later_in_a_case_is_not_counted_again(world: World) -> None:
    world.given(
        registered("ann"),
        opened("c1", "ann", "2026-03-02"),
        fact(Case.Reopened, "c1", "2026-03-03", reason="again", case_id=named("c1"), **OF_ANN),
    )

    assert profile(world).case_count == 1
