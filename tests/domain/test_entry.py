"""Corrections: an entry is declared void by a further one in the same history, and then no longer counts."""

import pytest
from msgspec.structs import replace

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from domain.look import Look, LookPurpose
from domain.policy import ServiceTargets
from domain.purchase import Line, Purchase
from domain.remedy import Remedy
from domain.rule import Refused
from domain.vocabulary import CaseKind, CaseState, Channel, ClosingBasis, RemedyKind, Role, Tier
from tests.domain.specification import CASE, CUSTOMER, NOON, STREAM, by, given, history

SUPERVISOR = by("sue", Role.SUPERVISOR)
OPENED = Case.Opened(kind=CaseKind.COMPLAINT, channel=Channel.PHONE)
CLOSED = Case.Closed(basis=ClosingBasis.WITHDRAWN)
VOID = Entry.Voided(reason="Entered for the wrong customer.")


def voided(position: int, type_name: str) -> Entry.Voided:
    """The correction as it is recorded."""
    return Entry.Voided(reason=VOID.reason, voided_position=position, voided_type=type_name)


def entry(fact: Event, actor: str = "ann") -> Event:
    """A single entry of that kind, at position 101."""
    return history(fact, case_id=CASE, by=actor)[0]


def test_an_entry_is_declared_void_in_its_own_history() -> None:
    before = given(OPENED, CLOSED, case_id=CASE)

    before.when(Entry.void, before.entries[1], VOID, context=SUPERVISOR).then(voided(102, "Case.Closed"), case_id=CASE)


def test_what_is_void_no_longer_counts() -> None:
    case = Case.replay(history(OPENED, CLOSED, voided(102, "Case.Closed"), case_id=CASE))

    assert case is not None
    assert (case.state, case.version) == (CaseState.OPEN, 3)


def test_commands_go_on_after_a_correction() -> None:
    fact = Case.Assigned(handler="bob")

    given(OPENED, CLOSED, voided(102, "Case.Closed"), case_id=STREAM).when(Case.assign, fact).then(fact, case_id=STREAM)


def test_a_history_whose_beginning_is_void_takes_nothing_more() -> None:
    with pytest.raises(Refused) as refused:
        Case.replay(history(OPENED, CLOSED, voided(101, "Case.Opened"), case_id=CASE))

    assert (refused.value.code, str(refused.value)) == (
        "VOID",
        "The Case was declared void; nothing more can be entered in it.",
    )


def test_an_entry_is_voided_once() -> None:
    before = given(OPENED, CLOSED, voided(102, "Case.Closed"))

    before.when(Entry.void, before.entries[1], VOID, context=SUPERVISOR).then_refused("ENTRY_ALREADY_VOIDED")


def test_a_correction_is_not_corrected() -> None:
    before = given(OPENED, CLOSED, voided(102, "Case.Closed"))

    before.when(Entry.void, before.entries[2], VOID, context=SUPERVISOR).then_refused("ENTRY_NOT_CORRECTABLE")


@pytest.mark.parametrize(
    "money",
    [
        Purchase.Recorded(currency="EUR", lines=[Line(sku="cup", quantity=1, amount_minor=5_00)], total_minor=5_00),
        Remedy.Offered(kind=RemedyKind.REFUND, amount_minor=5_00, currency="EUR"),
    ],
)
def test_money_is_not_voided_by_who_entered_it(money: Event) -> None:
    target = entry(money, actor="sue")

    given(money, case_id=CASE, by="sue").when(Entry.void, target, VOID, context=SUPERVISOR).then_refused(
        "ENTRY_SECOND_PERSON"
    )


def test_money_is_voided_by_another_person() -> None:
    money = Remedy.Offered(kind=RemedyKind.REFUND, amount_minor=5_00, currency="EUR")

    given(money, case_id=CASE).when(Entry.void, entry(money), VOID, context=SUPERVISOR).then(
        voided(101, "Remedy.Offered"), customer_id=CUSTOMER, case_id=CASE
    )


def test_a_voided_tier_gives_way_to_the_one_before() -> None:
    def override(tier: Tier) -> Event:
        return Customer.TierOverridden(tier=tier, reason="x", expires_at=SUPERVISOR.at)

    entries = history(
        Customer.Registered(), override(Tier.GOLD), override(Tier.LEAD), voided(103, "Customer.TierOverridden")
    )

    customer = Customer.replay(entries)

    assert customer is not None
    assert customer.tier is Tier.GOLD


def test_a_correction_changes_nothing_else_in_the_history_it_stands_in() -> None:
    entries = history(OPENED, CLOSED, case_id=CASE)
    case = Case.replay(entries)
    correction = replace(voided(7, "Case.Opened"), stream_id=STREAM, stream_version=3)

    evolved = correction.mutate(case)

    assert (evolved.state, evolved.version) == (CaseState.CLOSED, 3)


def test_a_policy_is_superseded_and_never_voided() -> None:
    published = ServiceTargets(version=1, effective_from=NOON, acknowledge_within_s=1, resolve_within_s=1)
    before = given(published, customer_id=None)

    before.when(Entry.void, before.entries[0], VOID, context=by("adam", Role.ADMIN)).then_refused("ENTRY_POLICY_STAYS")


BOUGHT = Purchase.Recorded(
    currency="EUR", lines=[Line(sku="cup", quantity=1, amount_minor=5_00)], total_minor=5_00, reference="R-1"
)
AMENDMENT = Entry.Amended(changes={"reference": "R-2"}, reason="Mistyped.")


def amended(position: int, type_name: str, **changes: object) -> Entry.Amended:
    """The amendment as it is recorded."""
    return Entry.Amended(
        changes=dict(changes), reason=AMENDMENT.reason, amended_position=position, amended_type=type_name
    )


def asked(**changes: object) -> Entry.Amended:
    """An amendment as a caller asks for it."""
    return replace(AMENDMENT, changes=dict(changes))


def test_some_fields_of_an_entry_are_stated_anew_in_its_own_history() -> None:
    before = given(OPENED, CLOSED, case_id=CASE)

    before.when(Entry.amend, before.entries[1], asked(basis="out_of_scope"), context=SUPERVISOR).then(
        amended(102, "Case.Closed", basis="out_of_scope"), case_id=CASE
    )


def test_what_was_amended_counts_as_amended() -> None:
    later = amended(103, "Case.Assigned", handler="eve")
    entries = history(OPENED, Case.Acknowledged(channel=Channel.PHONE), Case.Assigned(handler="bob"), later)

    case = Case.replay(entries)

    assert case is not None
    assert (case.handler, case.version) == ("eve", 4)


def test_amendments_add_up_and_the_last_one_counts() -> None:
    before = given(
        BOUGHT,
        amended(101, "Purchase.Recorded", reference="R-2", country="FR"),
        amended(101, "Purchase.Recorded", country="DE"),
    )

    again = before.when(Entry.amend, before.entries[0], asked(reference="R-1"), context=SUPERVISOR)

    again.then(amended(101, "Purchase.Recorded", reference="R-1"))
    before.when(Entry.amend, before.entries[0], asked(country="DE"), context=SUPERVISOR).then_refused(
        "ENTRY_NOTHING_AMENDED", field="changes"
    )


def test_a_value_is_kept_as_the_entry_holds_it() -> None:
    confirmed = Case.FactsConfirmed(restatement="The cup broke.")
    before = given(OPENED, confirmed, case_id=CASE)

    before.when(Entry.amend, before.entries[1], asked(steps_tried=("glue",)), context=SUPERVISOR).then(
        amended(102, "Case.FactsConfirmed", steps_tried=["glue"]), case_id=CASE
    )


@pytest.mark.parametrize("field", ["colour", "acknowledge_due_at", "customer_id"])
def test_only_what_a_caller_stated_is_amended(field: str) -> None:
    before = given(OPENED, case_id=CASE)

    before.when(Entry.amend, before.entries[0], asked(**{field: None}), context=SUPERVISOR).then_refused(
        "ENTRY_FIELD_NOT_AMENDABLE", field="changes", name=field
    )


@pytest.mark.parametrize(
    ("fact", "field"),
    [
        (OPENED, "description"),
        (BOUGHT, "lines"),
        (BOUGHT, "currency"),
        (Remedy.Offered(kind=RemedyKind.REFUND, amount_minor=5_00, currency="EUR"), "amount_minor"),
    ],
)
def test_personal_text_and_what_amounts_rest_on_stay_as_they_were_entered(fact: Event, field: str) -> None:
    before = given(fact, case_id=CASE)

    before.when(Entry.amend, before.entries[0], asked(**{field: None}), context=SUPERVISOR).then_refused(
        "ENTRY_FIELD_FIXED", field="changes", name=field
    )


@pytest.mark.parametrize("changes", [{"channel": "pigeon"}, {"kind": None}])
def test_an_amended_entry_must_still_be_readable(changes: dict[str, object]) -> None:
    before = given(OPENED, case_id=CASE)

    before.when(Entry.amend, before.entries[0], asked(**changes), context=SUPERVISOR).then_refused(
        "ENTRY_AMENDED_UNFIT", field="changes"
    )


@pytest.mark.parametrize("changes", [{"kind": "complaint"}, {}])
def test_an_amendment_must_change_something(changes: dict[str, object]) -> None:
    before = given(OPENED, case_id=CASE)

    before.when(Entry.amend, before.entries[0], asked(**changes), context=SUPERVISOR).then_refused(
        "ENTRY_NOTHING_AMENDED", field="changes"
    )


def test_the_fields_that_can_be_amended_are_named() -> None:
    before = given(CLOSED, case_id=CASE)

    refused = before.when(Entry.amend, before.entries[0], asked(base="x"), context=SUPERVISOR).then_refused(
        "ENTRY_FIELD_NOT_AMENDABLE", field="changes"
    )

    assert str(refused) == "base cannot be amended in Case.Closed; what can be: basis."


def test_what_is_void_is_not_amended() -> None:
    before = given(OPENED, CLOSED, voided(102, "Case.Closed"))

    before.when(Entry.amend, before.entries[1], asked(basis="withdrawn"), context=SUPERVISOR).then_refused(
        "ENTRY_ALREADY_VOIDED"
    )


def test_money_is_not_amended_by_who_entered_it() -> None:
    before = given(BOUGHT, by="sue")

    before.when(Entry.amend, before.entries[0], AMENDMENT, context=SUPERVISOR).then_refused("ENTRY_SECOND_PERSON")


def test_a_merge_is_undone_and_not_corrected() -> None:
    before = given(Customer.Registered(), Customer.Merged(survivor_id=CUSTOMER))

    for command, fact in ((Entry.void, VOID), (Entry.amend, AMENDMENT)):
        before.when(command, before.entries[1], fact, context=SUPERVISOR).then_refused("ENTRY_MERGE_STAYS")


def test_who_looked_is_not_corrected() -> None:
    before = given(Look.Recorded(purpose=LookPurpose.REPLAY, subject_id=CUSTOMER))

    for command, correction in ((Entry.void, VOID), (Entry.amend, AMENDMENT)):
        before.when(command, before.entries[0], correction, context=SUPERVISOR).then_refused("ENTRY_LOOK_STAYS")


def test_an_erasure_stays() -> None:
    before = given(Customer.Registered(), Customer.Erased(reason="R-1", keys=[CUSTOMER]))

    for command, fact in ((Entry.void, VOID), (Entry.amend, AMENDMENT)):
        before.when(command, before.entries[1], fact, context=SUPERVISOR).then_refused("ENTRY_ERASURE_STAYS")
