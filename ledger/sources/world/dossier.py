"""A case in the hands of its handler: the single steps that can be taken with it, in the words of those involved."""

from domain.case import Case
from domain.command import Actor
from domain.customer import Customer
from domain.touchpoint import Touchpoint
from domain.vocabulary import (
    ActorKind,
    CaseKind,
    Category,
    Channel,
    ClosingBasis,
    Direction,
    Expectation,
    Interface,
    Response,
    Severity,
    SolutionKind,
)

from .diary import Diary
from .parameters import DAY
from .phrases import ASSORTMENT, DEPARTMENTS, MOODS, Tongue

CHANNELS_OF_CASES = tuple(channel for channel in Channel if channel is not Channel.SELF_SERVICE)
SPOKEN = (Channel.PHONE, Channel.CHAT, Channel.IN_PERSON)
"""Channels on which a contact has a duration."""

CATEGORIES = {Category.PRODUCT: 5, Category.SERVICE: 4, Category.TECHNICAL: 2, Category.PAYMENT: 3}
"""What cases are about, in the order in which the phrases name what goes wrong, and how often."""
SEVERITIES = {Severity.LOW: 4, Severity.MEDIUM: 4, Severity.HIGH: 2, Severity.CRITICAL: 1}
EXPECTATIONS = {Expectation.BELOW: 2, Expectation.MET: 6, Expectation.EXCEEDED: 2}
RESPONSES = {
    Response.EXPLANATION: 6,
    Response.NON_MONETARY_RELIEF: 2,
    Response.MONETARY_RELIEF: 1,
    Response.UNTIMELY: 1,
}


class Dossier:
    """One case, the customer who brought it, and the agent who handles it.

    Every step takes its instant in seconds since the world's start and ends the story with
    :class:`~ledger.sources.world.diary.WorldEnds` when that lies beyond the end.
    """

    def __init__(self, diary: Diary, customer: Customer, tongue: Tongue, at: float, kind: CaseKind) -> None:
        """Hear the customer out and open the case at that instant."""
        self.diary, self.customer, self.tongue, self.kind = diary, customer, tongue, kind
        self.handler = diary.agent()
        self.channel = diary.random.choice(CHANNELS_OF_CASES)
        self.category = diary.drawn(CATEGORIES)
        self.case = self._open(at)

    def acknowledge(self, at: float) -> None:
        """Tell the customer that they are heard."""
        thanked = self.diary.happens(0.7)
        told = Case.Acknowledged(channel=self.channel, thanked=thanked, text_version="ack-3" if thanked else None)
        self.diary.do(self.case.acknowledge, at, self.diary.agent(), told)
        self.contact(at, Direction.OUTBOUND, "acknowledgement")

    def classify(self, at: float) -> None:
        """Put the case in its category, seldom in the wrong one first."""
        severity = self.diary.drawn(SEVERITIES)
        first = self.diary.random.choice(tuple(CATEGORIES)) if self.diary.happens(0.1) else self.category
        classified = Case.Classified(category=first, severity=severity)
        self.diary.do(self.case.classify, at, self.handler, classified)

    def assign(self, at: float) -> None:
        """Make the handler responsible."""
        assigned = Case.Assigned(handler=self.handler.id, department=self.diary.random.choice(DEPARTMENTS))
        self.diary.do(self.case.assign, at, self.diary.lead(), assigned)

    def confirm_facts(self, at: float) -> None:
        """Restate the matter to the customer and have it confirmed; a wrong category comes to light."""
        self.contact(at, Direction.OUTBOUND, "clarification")
        tried = ["restarted it", "asked a neighbour"][: self.diary.random.randrange(3)]
        confirmed = Case.FactsConfirmed(restatement=self.tongue.restatement, steps_tried=tried)
        self.diary.do(self.case.confirm_facts, at, self.handler, confirmed)
        if self.case.category is not self.category:
            corrected = Case.Reclassified(category=self.category, reason="the confirmed facts say otherwise")
            self.diary.do(self.case.reclassify, at, self.handler, corrected)

    def propose(self, at: float, kind: SolutionKind) -> None:
        """Put a solution to the customer."""
        proposed = Case.SolutionProposed(kind=kind, text=self.tongue.proposal)
        self.diary.do(self.case.propose, at, self.handler, proposed)
        self.contact(at, Direction.OUTBOUND, "proposal")

    def accept(self, at: float) -> None:
        """Record that the customer takes the solution."""
        expectation = self.diary.drawn(EXPECTATIONS)
        self.diary.do(self.case.accept, at, self.handler, Case.SolutionAccepted(expectation=expectation))

    def reject(self, at: float) -> None:
        """Record that the customer turns the solution down."""
        self.contact(at, Direction.INBOUND, "answer")
        rejected = Case.SolutionRejected(reason=self.tongue.rejection + self._mood())
        self.diary.do(self.case.reject, at, self.handler, rejected)

    def resolve(self, at: float, resolution: str) -> None:
        """Hold the matter settled."""
        resolved = Case.Resolved(resolution=resolution)
        self.diary.do(self.case.resolve, at, self.handler, resolved, self.diary.stage.targets(at))

    def confirm_closure(self, at: float) -> None:
        """Record that the customer confirms the matter as settled, on their own or asked by us."""
        customer = Actor(kind=ActorKind.CUSTOMER, id=f"C-{self.diary.number:08}")
        actor = customer if self.diary.happens(0.4) else self.handler
        self.diary.do(self.case.confirm_closure, at, actor, Case.ClosureConfirmed(channel=self.channel))

    def close(self, at: float, basis: ClosingBasis) -> None:
        """Close the case on a basis."""
        self.diary.do(self.case.close, at, self.handler, Case.Closed(basis=basis), self.diary.stage.targets(at))

    def reopen(self, at: float) -> None:
        """Take the case up again."""
        self.contact(at, Direction.INBOUND, "complaint again")
        self.diary.do(self.case.reopen, at, self.handler, Case.Reopened(reason=self.tongue.reopening + self._mood()))

    def refer(self, at: float) -> None:
        """Pass the case on to another body."""
        passed_on = Case.Referred(to="manufacturer", reason="under their guarantee")
        self.diary.do(self.case.refer, at, self.handler, passed_on)

    def record_response(self, at: float) -> None:
        """Record what that body answered, or that it did not."""
        response = self.diary.drawn(RESPONSES)
        answered = Case.Responded(response=response, timely=response is not Response.UNTIMELY)
        self.diary.do(self.case.record_response, at, self.handler, answered)

    def contact(self, at: float, direction: Direction, purpose: str) -> None:
        """Record a contact that belongs to the case."""
        self.diary.begin(
            Touchpoint.record, at, self.handler, self.customer, self.case, self._touch(direction, purpose, self.handler)
        )

    def _open(self, at: float) -> Case:
        """The case, opened by whoever took the contact; the contact is linked to it afterwards."""
        diary, random = self.diary, self.diary.random
        taker = diary.agent()
        first = self._touch(Direction.INBOUND, self.kind.value, taker)
        contact = diary.begin(Touchpoint.record, at - random.uniform(60, 900), taker, self.customer, None, first)
        complains = self.kind is CaseKind.COMPLAINT
        opened = Case.Opened(
            kind=self.kind,
            channel=self.channel,
            description=self._words() + self._mood(),
            interface=random.choice(tuple(Interface)),
            remedy_sought=random.choice(("refund", "replacement", "apology", None)) if complains else None,
            incident_place=random.choice(("at home", "on the website", "at the pick-up point")) if complains else None,
            product=random.choice(ASSORTMENT).name if self.category is Category.PRODUCT else None,
            reference=f"K-{diary.number:08}-{int(at // DAY):04}",
        )
        case = diary.begin(Case.open, at, taker, self.customer, opened, diary.stage.targets(at))
        diary.do(contact.link_to_case, at + random.uniform(30, 300), taker, case, Touchpoint.LinkedToCase())
        return case

    def _touch(self, direction: Direction, purpose: str, agent: Actor) -> Touchpoint.Recorded:
        return Touchpoint.Recorded(
            channel=self.channel,
            direction=direction,
            purpose=purpose,
            interface=Interface.CUSTOMER_SERVICE,
            agent_id=agent.id,
            duration_s=self.diary.random.randrange(60, 2400) if self.channel in SPOKEN else None,
        )

    def _words(self) -> str:
        match self.kind:
            case CaseKind.COMPLAINT:
                return self.tongue.complaints[tuple(CATEGORIES).index(self.category)]
            case CaseKind.SUGGESTION:
                return self.tongue.suggestion
            case CaseKind.COMPLIMENT:
                return self.tongue.compliment
            case CaseKind.FEEDBACK:
                return self.tongue.feedback
            case CaseKind.REQUEST:
                return self.tongue.request

    def _mood(self) -> str:
        return self.diary.random.choice(MOODS) if self.diary.happens(0.25) else ""
