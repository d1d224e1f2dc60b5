"""Whatever is asked of a case and its remedies, in whatever order: a model foretells every answer.

The model is a handful of flags, written without a look at the aggregates. After every step the history is replayed
and must give the very aggregate that decided, and what must never stand in any history is looked for.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, multiple, rule

from domain.case import Case
from domain.command import Context
from domain.event import Event
from domain.policy import AuthorityLimit, RemedyAuthority, ServiceTargets
from domain.remedy import Remedy
from domain.rule import Refused
from domain.vocabulary import (
    CaseKind,
    Category,
    Channel,
    ClosingBasis,
    RemedyKind,
    Response,
    Role,
    SolutionKind,
)
from tests.domain.specification import CASE, NOON, a_customer, by

TARGETS = ServiceTargets(
    version=1, effective_from=NOON, acknowledge_within_s=60, resolve_within_s=120, reopen_within_days=1
)
LIMITS = {Role.AGENT: 100, Role.SUPERVISOR: 1_000}
AUTHORITY = RemedyAuthority(
    version=1,
    effective_from=NOON,
    currency="EUR",
    limits=[AuthorityLimit(role=role, amount_minor=limit) for role, limit in LIMITS.items()],
)
PEOPLE = st.sampled_from([("ann", Role.AGENT), ("sue", Role.SUPERVISOR), ("ann", Role.SUPERVISOR)])


@dataclass
class Flags:
    """What is to be known of a case to foretell its answers."""

    acknowledged: bool = False
    classified: bool = False
    referred: bool = False
    confirmed_facts: bool = False
    proposals: int = 0
    waiting: bool = False
    ended: str = ""
    confirmed: bool = False
    until: datetime | None = None


class Promise:
    """What is to be known of a remedy to foretell its answers."""

    def __init__(self, remedy: Remedy, amount: int, asked_by: str, state: str) -> None:
        self.history: list[Event] = list(remedy.collect_events())  # type: ignore[arg-type]
        self.id, self.amount, self.asked_by, self.state = remedy.id, amount, asked_by, state


class CaseLife(RuleBasedStateMachine):
    """One case, its remedies, and time going on."""

    promises = Bundle("promises")

    @initialize()
    def opens(self) -> None:
        """A case is opened."""
        self.now, self.flags, self.remedies = NOON, Flags(), list[Promise]()
        fact = Case.Opened(kind=CaseKind.COMPLAINT, channel=Channel.PHONE)
        self.case = Case.open(by(at=self.now), CASE, a_customer(), fact, TARGETS)
        self.history: list[Event] = list(self.case.collect_events())  # type: ignore[arg-type]

    def ask(self, foretold: str | None, method: Any, *arguments: Any) -> bool:
        """Give the case a command; whether it was recorded, which must be as foretold."""
        code = answer(lambda: method(self.case, by(at=self.now), *arguments))
        assert code == foretold
        recorded = self.case.collect_events()
        assert len(recorded) == (code is None)
        self.history.extend(recorded)  # type: ignore[arg-type]
        return code is None

    def unless_ended(self, *more: tuple[bool, str]) -> str | None:
        """The first rule that is broken, an end before all others."""
        return first_broken((bool(self.flags.ended), "CASE_SETTLED"), *more)

    @rule(hours=st.integers(0, 30))
    def time_passes(self, hours: int) -> None:
        """Time goes on."""
        self.now += timedelta(hours=hours)

    @rule()
    def acknowledge(self) -> None:
        """The customer is told that the case is heard."""
        foretold = first_broken(
            (self.flags.acknowledged, "CASE_ALREADY_ACKNOWLEDGED"), (bool(self.flags.ended), "CASE_SETTLED")
        )
        self.flags.acknowledged |= self.ask(foretold, Case.acknowledge, Case.Acknowledged(channel=Channel.PHONE))

    @rule()
    def classify(self) -> None:
        """The case is put in a category."""
        foretold = first_broken(
            (self.flags.classified, "CASE_ALREADY_CLASSIFIED"), (bool(self.flags.ended), "CASE_SETTLED")
        )
        self.flags.classified |= self.ask(foretold, Case.classify, Case.Classified(category=Category.PRODUCT))

    @rule()
    def reclassify(self) -> None:
        """The case is moved to another category."""
        foretold = first_broken(
            (not self.flags.classified, "CASE_NOT_CLASSIFIED"), (bool(self.flags.ended), "CASE_SETTLED")
        )
        self.ask(foretold, Case.reclassify, Case.Reclassified(category=Category.SERVICE, reason="x"))

    @rule()
    def assign(self) -> None:
        """Somebody becomes responsible."""
        self.ask(self.unless_ended(), Case.assign, Case.Assigned(handler="bob"))

    @rule()
    def refer(self) -> None:
        """The case is passed on."""
        self.flags.referred |= self.ask(self.unless_ended(), Case.refer, Case.Referred(to="the carrier"))

    @rule(response=st.sampled_from(Response))
    def respond(self, response: Response) -> None:
        """The other body answers."""
        foretold = self.unless_ended((not self.flags.referred, "CASE_NOT_REFERRED"))
        self.ask(foretold, Case.record_response, Case.Responded(response=response))

    @rule()
    def confirm_facts(self) -> None:
        """The customer confirms the facts."""
        foretold = self.unless_ended((not self.flags.acknowledged, "CASE_NOT_ACKNOWLEDGED"))
        self.flags.confirmed_facts |= self.ask(foretold, Case.confirm_facts, Case.FactsConfirmed(restatement="x"))

    @rule()
    def propose(self) -> None:
        """A solution is put to the customer."""
        foretold = self.unless_ended(
            (not self.flags.confirmed_facts, "CASE_FACTS_NOT_CONFIRMED"), (self.flags.waiting, "CASE_PROPOSAL_OPEN")
        )
        if self.ask(foretold, Case.propose, Case.SolutionProposed(kind=SolutionKind.FIX)):
            self.flags.waiting, self.flags.proposals = True, self.flags.proposals + 1
            assert self.case.proposals == self.flags.proposals

    @rule(accept=st.booleans())
    def answer_proposal(self, accept: bool) -> None:
        """The customer takes the solution, or does not."""
        method, fact = (Case.accept, Case.SolutionAccepted()) if accept else (Case.reject, Case.SolutionRejected())
        if self.ask(None if self.flags.waiting else "CASE_NO_OPEN_PROPOSAL", method, fact):
            self.flags.waiting = False

    @rule(policy=st.sampled_from([TARGETS, None]))
    def resolve(self, policy: ServiceTargets | None) -> None:
        """We hold the matter settled."""
        foretold = self.unless_ended(
            (not self.flags.acknowledged, "CASE_NOT_ACKNOWLEDGED"), (self.flags.waiting, "CASE_PROPOSAL_OPEN")
        )
        if self.ask(foretold, Case.resolve, Case.Resolved(resolution="done"), policy):
            self.end("resolved", policy)

    @rule()
    def confirm_closure(self) -> None:
        """The customer confirms it."""
        foretold = None if self.flags.ended == "resolved" else "CASE_NOT_RESOLVED"
        self.flags.confirmed |= self.ask(foretold, Case.confirm_closure, Case.ClosureConfirmed(channel=Channel.CHAT))

    @rule(basis=st.sampled_from(ClosingBasis), policy=st.sampled_from([TARGETS, None]))
    def close(self, basis: ClosingBasis, policy: ServiceTargets | None) -> None:
        """The case is closed."""
        at_once = basis in (ClosingBasis.WITHDRAWN, ClosingBasis.OUT_OF_SCOPE)
        foretold = first_broken(
            (self.flags.ended == "closed", "CASE_ALREADY_CLOSED"),
            (basis is ClosingBasis.CUSTOMER_CONFIRMED and not self.flags.confirmed, "CASE_CLOSED_WITHOUT_BASIS"),
            (self.flags.ended != "resolved" and not at_once, "CASE_CLOSED_UNRESOLVED"),
        )
        if self.ask(foretold, Case.close, Case.Closed(basis=basis), policy):
            self.end("closed", policy)

    @rule()
    def reopen(self) -> None:
        """The case is taken up again."""
        late = self.flags.until is not None and self.now > self.flags.until
        foretold = first_broken((not self.flags.ended, "CASE_NOT_SETTLED"), (late, "CASE_REOPEN_WINDOW_PASSED"))
        if self.ask(foretold, Case.reopen, Case.Reopened(reason="x")):
            self.flags.ended, self.flags.until, self.flags.confirmed = "", None, False

    def end(self, how: str, targets: ServiceTargets | None) -> None:
        """The case is settled, and can be reopened for a day where targets say so."""
        self.flags.ended, self.flags.waiting = how, False
        self.flags.until = targets and self.now + timedelta(days=1)

    @rule(target=promises, who=PEOPLE, amount=st.sampled_from([0, 100, 101, 1_000, 1_001]), ask=st.booleans())
    def begin_remedy(self, who: tuple[str, Role], amount: int, ask: bool) -> Any:
        """A remedy is offered, or leave is asked to."""
        context, stream_id = by(*who, at=self.now), by().command_id
        made: list[Remedy] = []
        if ask:
            wish = Remedy.ApprovalRequested(kind=RemedyKind.REFUND, amount_minor=amount, currency="EUR", reason="x")
            made.append(Remedy.request_approval(context, stream_id, self.case, wish))
        else:
            offer = Remedy.Offered(kind=RemedyKind.REFUND, amount_minor=amount, currency="EUR")
            code = answer(lambda: made.append(Remedy.offer(context, stream_id, self.case, offer, AUTHORITY)))
            assert code == ("REMEDY_ABOVE_AUTHORITY" if amount > LIMITS[who[1]] else None)
        begun = [Promise(remedy, amount, who[0], "asked" if ask else "offered") for remedy in made]
        self.remedies.extend(begun)
        return multiple(*begun)

    @rule(promise=promises, who=PEOPLE, allow=st.booleans())
    def decide(self, promise: Promise, who: tuple[str, Role], allow: bool) -> None:
        """Somebody decides on a request."""
        foretold = first_broken(
            (promise.state != "asked", "REMEDY_WRONG_STATE"),
            (promise.asked_by == who[0], "REMEDY_OWN_REQUEST"),
            (allow and promise.amount > LIMITS[who[1]], "REMEDY_ABOVE_AUTHORITY"),
        )
        method, *arguments = (
            (Remedy.approve, Remedy.Approved(), AUTHORITY) if allow else (Remedy.refuse, Remedy.Refused(reason="x"))
        )
        self.step(promise, foretold, "approved" if allow else "refused", by(*who, at=self.now), method, *arguments)

    @rule(
        promise=promises,
        move=st.sampled_from(
            [
                (("approved",), Remedy.offer_approved, None, "offered"),
                (("offered",), Remedy.accept, Remedy.Accepted(), "accepted"),
                (("offered",), Remedy.decline, Remedy.Declined(), "declined"),
                (("accepted", "failed"), Remedy.fulfil, Remedy.Fulfilled(), "fulfilled"),
                (("accepted",), Remedy.fail, Remedy.Failed(reason="x"), "failed"),
                (("fulfilled",), Remedy.reverse, Remedy.Reversed(reason="x"), "reversed"),
            ]
        ),
    )
    def move_on(self, promise: Promise, move: tuple[tuple[str, ...], Any, Event | None, str]) -> None:
        """The remedy goes its way."""
        needed, method, fact, after = move
        twice = after == "fulfilled" == promise.state
        foretold = first_broken(
            (twice, "REMEDY_ALREADY_FULFILLED"), (promise.state not in needed, "REMEDY_WRONG_STATE")
        )
        self.step(promise, foretold, after, by(at=self.now), method, *([fact] if fact else []))

    def step(
        self, promise: Promise, foretold: str | None, after: str, context: Context, method: Any, *arguments: Any
    ) -> None:
        """Give the remedy a command; it answers as foretold, and replaying its history makes the very remedy."""
        remedy = Remedy.replay(promise.history)
        assert remedy is not None
        assert answer(lambda: method(remedy, context, *arguments)) == foretold
        recorded = remedy.collect_events()
        assert len(recorded) == (foretold is None)
        promise.history.extend(recorded)  # type: ignore[arg-type]
        promise.state = promise.state if foretold else after
        assert Remedy.replay(promise.history) == remedy

    @invariant()
    def replaying_gives_the_very_case(self) -> None:
        """Evolve only assigns: the history alone makes the same case, and each step of it adds one version."""
        if hasattr(self, "case"):
            assert Case.replay(self.history) == self.case
            assert [entry.stream_version for entry in self.history] == list(range(1, len(self.history) + 1))

    @invariant()
    def what_must_never_stand_in_a_history_does_not(self) -> None:
        """Said once more from the entries alone."""
        heard = confirmed = False
        for entry in getattr(self, "history", ()):
            heard |= isinstance(entry, Case.Acknowledged)
            confirmed = (confirmed or isinstance(entry, Case.ClosureConfirmed)) and not isinstance(entry, Case.Reopened)
            assert heard or not isinstance(entry, Case.Resolved)
            if isinstance(entry, Case.Closed):
                assert confirmed or entry.basis is not ClosingBasis.CUSTOMER_CONFIRMED
        for promise in getattr(self, "remedies", ()):
            kinds = [type(entry) for entry in promise.history]
            assert kinds.count(Remedy.Fulfilled) <= 1
            offers = [entry for entry in promise.history if isinstance(entry, Remedy.Offered)]
            for offer in offers:
                alone = LIMITS[Role(offer.actor_role or "admin")] if not offer.approved else 0
                approvals = [entry for entry in promise.history if isinstance(entry, Remedy.Approved)]
                others = [entry for entry in approvals if entry.actor_id != promise.asked_by]
                assert offer.amount_minor <= alone or others


def answer(command: Any) -> str | None:
    """The code a command is refused with, or ``None``."""
    try:
        command()
    except Refused as refused:
        return refused.code
    return None


def first_broken(*rules: tuple[bool, str]) -> str | None:
    """The code of the first rule that is broken."""
    return next((code for broken, code in rules if broken), None)


TestCaseLife = CaseLife.TestCase
TestCaseLife.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
