"""Consent: granted for a purpose on a basis and to a text, withdrawn at any time."""

from domain.customer import Customer
from domain.person import LegalBasis
from tests.domain.specification import given

KNOWN = Customer.Registered()
GRANTED = Customer.ConsentGranted(purpose="newsletter", text_version="2024-01")
WITHDRAWN = Customer.ConsentWithdrawn(purpose="newsletter")


def test_consent_is_granted_and_withdrawn() -> None:
    known = given(KNOWN).when(Customer.grant_consent, GRANTED)
    assert known.aggregate.consents == {"newsletter": (LegalBasis.CONSENT, "2024-01")}

    gone = given(KNOWN, GRANTED).when(Customer.withdraw_consent, WITHDRAWN)
    assert gone.aggregate.consents == {}


def test_the_same_consent_is_recorded_once_and_another_text_or_basis_anew() -> None:
    again = Customer.ConsentGranted(purpose="newsletter", text_version="2024-02")
    other = Customer.ConsentGranted(purpose="newsletter", text_version="2024-01", basis=LegalBasis.CONTRACT)

    given(KNOWN, GRANTED).when(Customer.grant_consent, GRANTED).then_refused("CONSENT_HOLDS", purpose="newsletter")
    for fact in (again, other):
        outcome = given(KNOWN, GRANTED).when(Customer.grant_consent, fact)
        assert outcome.refused is None
        assert outcome.aggregate.consents == {"newsletter": (fact.basis, fact.text_version)}


def test_what_was_withdrawn_can_be_granted_again_but_not_withdrawn_twice() -> None:
    before = given(KNOWN, GRANTED, WITHDRAWN)

    before.when(Customer.withdraw_consent, WITHDRAWN).then_refused("CONSENT_NOT_GRANTED", field="purpose")
    assert before.when(Customer.grant_consent, GRANTED).refused is None


def test_only_the_purpose_named_is_withdrawn() -> None:
    other = Customer.ConsentGranted(purpose="profiling", text_version="1")

    outcome = given(KNOWN, GRANTED, other).when(Customer.withdraw_consent, WITHDRAWN)

    assert outcome.aggregate.consents == {"profiling": (LegalBasis.CONSENT, "1")}
