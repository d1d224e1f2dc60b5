"""Erasure: what stands against it, what it says of everyone concerned, and what can no longer be recorded after it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import pytest
from hypothesis import given as drawn
from hypothesis import strategies as st

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import NIL, Event
from domain.legal_hold import LegalHold
from domain.obligations import obligations
from domain.person import Hold, LegalBasis, Matter, Person, RelationshipPart, months_after
from domain.policy import RetentionPeriods
from domain.purchase import Line, Purchase
from domain.vocabulary import CaseKind, Channel, ContactKind, Role
from tests.domain.specification import CUSTOMER, NOON, STREAM, a_customer, aggregate, by, given, history

KNOWN = Customer.Registered(name="Ada")
ASKED = Customer.Erased(reason="R-1")
OTHER = uuid5(NIL, "another customer")
CASE = uuid5(NIL, "a complaint")
ADMIN = by("root", Role.ADMIN)
NOTHING = Person()


def told(*keys: UUID, **fields: Any) -> Customer.Erased:
    """The erasure as it is recorded."""
    return Customer.Erased(reason="R-1", keys=list(keys), **fields)


def kept(what: str, since: datetime) -> Person:
    """A person of whom one matter stands in the ledger."""
    return Person(matters=[Matter(what=what, id=CASE, since=since)])


def periods(**months: int) -> RetentionPeriods:
    """Published retention periods."""
    return RetentionPeriods(version=2, effective_from=NOON, **months)


# What is recorded.


def test_a_person_is_erased_with_their_key_and_those_of_what_was_theirs_before_they_were_known() -> None:
    person = Person(streams=[CASE], sealed=["Customer.Registered.name"])

    outcome = given(KNOWN, customer_id=STREAM).when(Customer.erase, person, None, ASKED, context=ADMIN)

    customer = outcome.then(told(STREAM, CASE, sealed=["Customer.Registered.name"]), customer_id=STREAM)
    assert (customer.erased_at, customer.name) == (NOON, None)


def test_those_merged_into_them_are_erased_with_them_each_in_their_own_history() -> None:
    absorbed = a_customer(OTHER)

    outcome = given(KNOWN, customer_id=STREAM).when(
        Customer.erase, Person(absorbed=[absorbed]), None, ASKED, context=ADMIN
    )

    own, others = outcome.aggregate.pending_events
    assert (own.stream_id, own.keys, own.survivor_id) == (STREAM, [STREAM], None)
    assert (others.stream_id, others.stream_version, others.customer_id) == (OTHER, 2, OTHER)
    assert (others.keys, others.survivor_id, others.reason) == ([OTHER], STREAM, "R-1")
    assert (others.command_id, others.occurred_at) == (own.command_id, NOON)
    assert absorbed.erased_at == NOON
    assert absorbed.pending_events == []


# What stands against it.


def test_a_customer_is_erased_once() -> None:
    given(KNOWN, told(STREAM)).when(Customer.erase, NOTHING, None, ASKED, context=ADMIN).then_refused(
        "CUSTOMER_ALREADY_ERASED", at=NOON - timedelta(hours=1)
    )


def test_one_who_was_merged_into_another_is_erased_with_that_one() -> None:
    given(KNOWN, Customer.Merged(survivor_id=OTHER)).when(
        Customer.erase, NOTHING, None, ASKED, context=ADMIN
    ).then_refused("CUSTOMER_ERASE_SURVIVOR", survivor=OTHER)


def test_every_legal_hold_that_runs_is_named() -> None:
    holds = [
        Hold(reference="HC-17", reason="A claim.", since=NOON - timedelta(days=3)),
        Hold(reference="FOS-4", reason="An inquiry.", since=NOON),
    ]

    refused = (
        given(KNOWN)
        .when(Customer.erase, Person(holds=holds), periods(complaint_months=0), ASKED, context=ADMIN)
        .then_refused("ERASURE_HELD", holds="HC-17 since 2024-02-27 (A claim.); FOS-4 since 2024-03-01 (An inquiry.)")
    )

    assert str(refused) == (
        "A legal hold runs: HC-17 since 2024-02-27 (A claim.); FOS-4 since 2024-03-01 (An inquiry.);"
        " it must be released before the person can be forgotten."
    )


@pytest.mark.parametrize(
    ("what", "since", "retention", "until"),
    [
        ("complaint", datetime(2021, 3, 2, tzinfo=UTC), None, "2024-03-02T00:00:00+00:00"),
        ("complaint", datetime(2021, 3, 1, 13, tzinfo=UTC), None, "2024-03-01T13:00:00+00:00"),
        ("complaint", datetime(2019, 3, 2, tzinfo=UTC), {"complaint_months": 60}, "2024-03-02T00:00:00+00:00"),
        ("case", datetime(2024, 2, 29, tzinfo=UTC), {"case_months": 12}, "2025-02-28T00:00:00+00:00"),
        ("purchase", datetime(2014, 4, 30, tzinfo=UTC), {"purchase_months": 120}, "2024-04-30T00:00:00+00:00"),
    ],
)
def test_what_must_be_kept_is_kept_until_the_duty_ends(
    what: str, since: datetime, retention: dict[str, int] | None, until: str
) -> None:
    policy = periods(**retention) if retention is not None else None

    given(KNOWN).when(Customer.erase, kept(what, since), policy, ASKED, context=ADMIN).then_refused(
        "ERASURE_RETAINED", what=what, id=CASE, until=until
    )


@pytest.mark.parametrize(
    ("what", "since", "retention"),
    [
        ("complaint", datetime(2021, 3, 1, 12, tzinfo=UTC), None),
        ("complaint", NOON, {"complaint_months": 0}),
        ("case", NOON, None),
        ("purchase", NOON, None),
        ("purchase", datetime(2014, 3, 1, 12, tzinfo=UTC), {"purchase_months": 120}),
    ],
)
def test_what_need_not_be_kept_stands_against_nothing(
    what: str, since: datetime, retention: dict[str, int] | None
) -> None:
    policy = periods(**retention) if retention is not None else None

    outcome = given(KNOWN, customer_id=STREAM).when(Customer.erase, kept(what, since), policy, ASKED, context=ADMIN)

    outcome.then(told(STREAM), customer_id=STREAM)


def test_the_duty_is_told_and_of_several_matters_the_one_that_is_kept_longest() -> None:
    short, long = (Matter(what="complaint", id=uuid5(NIL, at.isoformat()), since=at) for at in (NOON, NOON + DAY))

    by_default = _refused(Person(matters=[short, long]), None)
    by_policy = _refused(Person(matters=[long, short]), periods(complaint_months=36))

    assert by_default == (
        f"The complaint {long.id} must be kept until 2027-03-02T12:00:00+00:00 by the three years that complaints are"
        " kept where no retention periods are published (DISP 1.9.1R); erase the customer after that."
    )
    assert by_policy == (
        f"The complaint {long.id} must be kept until 2027-03-02T12:00:00+00:00 by version 2 of the retention periods;"
        " erase the customer after that."
    )


DAY = timedelta(days=1)


def _refused(person: Person, retention: RetentionPeriods | None) -> str:
    outcome = given(KNOWN).when(Customer.erase, person, retention, ASKED, context=ADMIN)
    return str(outcome.then_refused("ERASURE_RETAINED"))


@drawn(st.datetimes(timezones=st.just(UTC)).filter(lambda at: at.year < 9_800), st.integers(0, 1200))
def test_months_are_those_of_the_calendar_and_no_day_is_skipped_over(at: datetime, months: int) -> None:
    after = months_after(at, months)

    assert (after.year * 12 + after.month) - (at.year * 12 + at.month) == months
    assert after.time() == at.time()
    assert after.day == at.day or (after.day < at.day and (after + DAY).day == 1)


# What the entries of a person say of it.

PLACED = LegalHold.Placed(reference="HC-17", reason="A claim.")
RELEASED = LegalHold.Released(reason="It was settled.")
OPENED = Case.Opened(kind=CaseKind.COMPLAINT, channel=Channel.PHONE)
BOUGHT = Purchase.Recorded(currency="EUR", lines=[Line(sku="A", quantity=1, amount_minor=5)])


def stream(name: str, *facts: Event) -> tuple[Event, ...]:
    """The entries of one stream; their positions are theirs alone."""
    return history(*facts, stream_id=uuid5(NIL, name))


def test_holds_run_until_they_are_released_each_by_itself() -> None:
    holds, _ = obligations([*stream("one", PLACED, RELEASED), *stream("two", PLACED), *stream("three", PLACED)])

    assert holds == [Hold(reference="HC-17", reason="A claim.", since=NOON - timedelta(hours=1))] * 2


def test_complaints_other_cases_and_purchases_are_told_apart() -> None:
    entries = [
        *stream("complaint", OPENED),
        *stream("request", Case.Opened(kind=CaseKind.REQUEST, channel=Channel.PHONE)),
        *stream("order", BOUGHT),
        *stream("customer", KNOWN),
    ]

    holds, matters = obligations(entries)

    since = NOON - timedelta(hours=1)
    told = {Matter(what=what, id=uuid5(NIL, name), since=since) for what, name in
            (("complaint", "complaint"), ("case", "request"), ("purchase", "order"))}  # fmt: skip
    assert (holds, set(matters)) == ([], told)


def test_what_was_declared_void_counts_for_nothing_and_what_was_amended_as_amended() -> None:
    void = Entry.Voided(voided_position=101, voided_type="-", reason="a mistake")
    amended = Entry.Amended(amended_position=101, amended_type="-", changes={"kind": "request"}, reason="a mistake")

    assert obligations(stream("complaint", OPENED, void)) == ([], [])
    assert obligations(stream("hold", PLACED, void)) == ([], [])
    _, (matter,) = obligations(stream("complaint", OPENED, amended))
    assert matter.what == "case"


# What comes after it.

GONE = (KNOWN, told(STREAM))


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (Customer.change_profile, [Customer.ProfileChanged(name="Ada")]),
        (Customer.add_contact_point, [Customer.ContactPointAdded(contact="a", kind=ContactKind.EMAIL, value="a@b.c")]),
        (Customer.grant_consent, [Customer.ConsentGranted(purpose="news", basis=LegalBasis.CONSENT, text_version="1")]),
        (Customer.merge, [a_customer(OTHER), Customer.Merged()]),
    ],
)
def test_nothing_personal_is_recorded_of_a_person_who_was_erased(command: Any, arguments: list[Any]) -> None:
    given(*GONE).when(command, *arguments).then_refused("PERSON_ERASED")


def test_nobody_is_merged_into_a_person_who_was_erased() -> None:
    gone = aggregate(Customer, *GONE, stream_id=OTHER, customer_id=OTHER)

    given(KNOWN).when(Customer.merge, gone, Customer.Merged()).then_refused("PERSON_ERASED")


def test_what_is_not_personal_can_still_be_corrected() -> None:
    fact = Customer.ProfileChanged(country="FR")

    given(*GONE, customer_id=STREAM).when(Customer.change_profile, fact).then(fact, customer_id=STREAM)


# Two persons in one entry.


def test_a_person_is_declared_to_have_a_part_in_the_business_of_another() -> None:
    fact = Customer.RelationshipDeclared(part=RelationshipPart.PAYER, position_held="head of purchasing")
    declared = Customer.RelationshipDeclared(
        part=RelationshipPart.PAYER, position_held="head of purchasing", person_id=CUSTOMER
    )

    given(KNOWN, customer_id=STREAM).when(Customer.declare_relationship, a_customer(), fact).then(
        declared, customer_id=STREAM
    )
    given(KNOWN, declared).when(Customer.declare_relationship, a_customer(), fact).then_refused(
        "CUSTOMER_ALREADY_RELATED", part=RelationshipPart.PAYER
    )
    given(KNOWN).when(Customer.declare_relationship, a_customer(STREAM), fact).then_refused(
        "CUSTOMER_RELATED_TO_SELF", field="personId"
    )
