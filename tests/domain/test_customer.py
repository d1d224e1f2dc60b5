"""A customer: who they are, how to reach them, which tier they hold."""

from datetime import UTC, datetime, timedelta
from uuid import uuid5

from domain.customer import CONTACTS_MAX, Customer
from domain.event import NIL
from domain.tier import TierInputs
from domain.vocabulary import ContactKind, CustomerKind, InvalidReason, Role, Tier
from tests.domain.specification import NOON, STREAM, Given, a_customer, aggregate, by, given

REGISTERED = Customer.Registered(name="王小明", country="Taiwan")
HOME = Customer.ContactPointAdded(contact="home", kind=ContactKind.PHONE, value="+886 2 1234 5678")
GONE = Customer.ContactPointInvalidated(contact="home", reason=InvalidReason.DISCONNECTED)
GOLD = Customer.TierAssigned(
    tier=Tier.GOLD,
    policy_version=1,
    reviewed_at=NOON,
    reason="top share, short tenure",
    currency="EUR",
    inputs=TierInputs(
        revenue_minor=100_00,
        remedies_minor=0,
        service_minor=0,
        contribution_minor=100_00,
        rank=1,
        ranked=5,
        tenure_months=3,
        discount_share=0,
        handled_s=0,
    ),
)
OVERRIDDEN = Customer.TierOverridden(
    tier=Tier.PLATINUM, reason="Founder's friend", expires_at=NOON + timedelta(days=30)
)


def registered(*facts: object) -> Given:
    """A customer with these entries after the registration."""
    return given(REGISTERED, *facts, customer_id=STREAM)  # type: ignore[arg-type]


def test_a_customer_is_registered() -> None:
    customer = given().when(Customer.register, REGISTERED).then(REGISTERED, customer_id=STREAM)

    assert (customer.name, customer.kind, customer.country) == ("王小明", CustomerKind.PERSON, "Taiwan")


def test_the_profile_is_corrected_where_it_was_wrong_and_nowhere_else() -> None:
    fact = Customer.ProfileChanged(name="王大明")

    customer = registered().when(Customer.change_profile, fact).then(fact, customer_id=STREAM)

    assert (customer.name, customer.kind, customer.country) == ("王大明", CustomerKind.PERSON, "Taiwan")


def test_a_correction_that_changes_nothing_is_refused() -> None:
    same = Customer.ProfileChanged(name="王小明", kind=CustomerKind.PERSON, country="Taiwan")

    registered().when(Customer.change_profile, same).then_refused("CUSTOMER_NOTHING_CHANGES")
    registered().when(Customer.change_profile, Customer.ProfileChanged()).then_refused("CUSTOMER_NOTHING_CHANGES")


def test_the_country_alone_can_be_corrected() -> None:
    fact = Customer.ProfileChanged(country="Japan")

    customer = registered().when(Customer.change_profile, fact).then(fact, customer_id=STREAM)

    assert customer.country == "Japan"


def test_a_contact_point_is_added() -> None:
    customer = registered().when(Customer.add_contact_point, HOME).then(HOME, customer_id=STREAM)

    assert customer.contacts == {"home"}


def test_two_contact_points_of_one_name_are_refused() -> None:
    registered(HOME).when(Customer.add_contact_point, HOME).then_refused("CUSTOMER_CONTACT_EXISTS", contact="home")


def test_a_customer_has_no_more_contact_points_than_can_be_read_at_a_glance() -> None:
    full = [
        Customer.ContactPointAdded(contact=str(n), kind=ContactKind.EMAIL, value=f"{n}@example.org")
        for n in range(CONTACTS_MAX)
    ]

    registered(*full).when(Customer.add_contact_point, HOME).then_refused("CUSTOMER_CONTACTS_FULL", most=CONTACTS_MAX)


def test_an_invalid_contact_point_gives_its_name_back() -> None:
    customer = registered(HOME).when(Customer.invalidate_contact_point, GONE).then(GONE, customer_id=STREAM)

    assert customer.contacts == set()
    registered(HOME, GONE).when(Customer.add_contact_point, HOME).then(HOME, customer_id=STREAM)


def test_only_a_contact_point_on_record_becomes_invalid() -> None:
    registered(HOME, GONE).when(Customer.invalidate_contact_point, GONE).then_refused(
        "CUSTOMER_CONTACT_UNKNOWN", contact="home"
    )


def test_a_review_assigns_a_tier() -> None:
    customer = registered().when(Customer.assign_tier, GOLD).then(GOLD, customer_id=STREAM)

    assert customer.tier is Tier.GOLD


def test_a_review_that_changes_nothing_records_nothing() -> None:
    registered(GOLD).when(Customer.assign_tier, GOLD).then_refused("CUSTOMER_TIER_UNCHANGED", tier=Tier.GOLD)


def test_a_supervisor_overrides_the_tier_for_a_time() -> None:
    expected = Customer.TierOverridden(
        tier=Tier.PLATINUM, reason="Founder's friend", expires_at=OVERRIDDEN.expires_at, previous=Tier.GOLD
    )

    customer = (
        registered(GOLD)
        .when(Customer.override_tier, OVERRIDDEN, context=by("sue", Role.SUPERVISOR))
        .then(expected, customer_id=STREAM)
    )

    assert customer.tier is Tier.PLATINUM


def test_an_override_to_the_tier_that_stands_is_refused() -> None:
    registered(OVERRIDDEN).when(Customer.override_tier, OVERRIDDEN).then_refused(
        "CUSTOMER_TIER_UNCHANGED", tier=Tier.PLATINUM
    )


def test_an_override_that_ends_as_it_begins_is_refused() -> None:
    at_its_end = by("sue", Role.SUPERVISOR, at=OVERRIDDEN.expires_at)

    registered(GOLD).when(Customer.override_tier, OVERRIDDEN, context=at_its_end).then_refused(
        "CUSTOMER_OVERRIDE_EXPIRED", field="expiresAt"
    )


def test_a_review_leaves_a_tier_that_was_set_by_hand() -> None:
    registered(OVERRIDDEN).when(Customer.assign_tier, GOLD).then_refused(
        "CUSTOMER_OVERRIDE_HOLDS", until=OVERRIDDEN.expires_at
    )


def test_a_review_takes_over_when_the_override_has_ended() -> None:
    after = by("sue", Role.SUPERVISOR, at=OVERRIDDEN.expires_at)

    registered(OVERRIDDEN).when(Customer.assign_tier, GOLD, context=after).then(GOLD, customer_id=STREAM)


def test_nothing_happens_before_the_customer_was_registered() -> None:
    earlier = by(at=datetime(2001, 1, 1, tzinfo=UTC))

    registered().when(Customer.add_contact_point, HOME, context=earlier).then_refused(
        "OCCURRED_BEFORE_BEGINNING", field="occurredAt"
    )


SURVIVOR, OTHER = uuid5(NIL, "the survivor"), uuid5(NIL, "another customer")
SUPERVISOR = by("sue", Role.SUPERVISOR)
MERGED = Customer.Merged(survivor_id=SURVIVOR, reason="the same passport")
UNMERGED = Customer.Unmerged(survivor_id=SURVIVOR, reason="father and son")


def test_a_customer_is_merged_into_the_one_that_is_chosen_to_survive() -> None:
    fact = Customer.Merged(reason="the same passport")

    merged = registered().when(Customer.merge, a_customer(SURVIVOR), fact, context=SUPERVISOR)

    assert merged.then(MERGED, customer_id=STREAM).merged_into == SURVIVOR


def test_a_merge_is_undone_and_can_be_done_again() -> None:
    undone = registered(MERGED).when(Customer.unmerge, Customer.Unmerged(reason="father and son"), context=SUPERVISOR)
    assert undone.then(UNMERGED, customer_id=STREAM).merged_into is None

    again = registered(MERGED, UNMERGED).when(Customer.merge, a_customer(OTHER), Customer.Merged(), context=SUPERVISOR)
    assert again.then(Customer.Merged(survivor_id=OTHER), customer_id=STREAM).merged_into == OTHER


def test_a_customer_is_not_merged_into_itself() -> None:
    registered().when(Customer.merge, a_customer(STREAM), Customer.Merged(), context=SUPERVISOR).then_refused(
        "CUSTOMER_MERGED_WITH_SELF", field="survivorId"
    )


def test_a_customer_is_merged_into_one_at_a_time() -> None:
    registered(MERGED).when(Customer.merge, a_customer(OTHER), Customer.Merged(), context=SUPERVISOR).then_refused(
        "CUSTOMER_ALREADY_MERGED", survivor=SURVIVOR
    )


def test_no_circle_comes_about() -> None:
    """Whoever survives stands alone, so who follows it never leads back."""
    follower = aggregate(
        Customer, REGISTERED, Customer.Merged(survivor_id=STREAM), stream_id=SURVIVOR, customer_id=SURVIVOR
    )

    registered().when(Customer.merge, follower, Customer.Merged(), context=SUPERVISOR).then_refused(
        "CUSTOMER_SURVIVOR_MERGED", field="survivorId", survivor=STREAM
    )


def test_only_a_merge_is_undone() -> None:
    registered().when(Customer.unmerge, Customer.Unmerged(reason="x"), context=SUPERVISOR).then_refused(
        "CUSTOMER_NOT_MERGED"
    )
