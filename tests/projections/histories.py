"""Histories made by the real aggregates: whatever they allow, in any order, with late entries and voids among them."""

from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from hypothesis import strategies as st
from msgspec.structs import replace

from domain.aggregate import Aggregate
from domain.case import Case
from domain.command import Actor, Context
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from domain.legal_hold import LegalHold
from domain.look import Look, LookPurpose
from domain.person import LegalBasis, Person, RelationshipPart
from domain.policy import (
    REMEDY_AUTHORITY,
    RETENTION_PERIODS,
    SERVICE_TARGETS,
    TIER_RULE,
    AuthorityLimit,
    Policy,
    RemedyAuthority,
    RetentionPeriods,
    ServiceTargets,
    TierRule,
)
from domain.purchase import Line, Purchase
from domain.remedy import Remedy
from domain.rule import Refused
from domain.tier import TierInputs
from domain.touchpoint import Touchpoint
from domain.vocabulary import (
    ActorKind,
    CaseKind,
    Category,
    Channel,
    ClosingBasis,
    ContactKind,
    Direction,
    InvalidReason,
    RemedyKind,
    Response,
    Role,
    SolutionKind,
    Tier,
)

BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
IDS = UUID("9f0d6c7e-4f0e-4d53-9a4a-2f1c8f6b7d55")
TEXTS = ("王小明", "Zoë Ångström", "Иван", "محمد", "🙂 ok", 'a "quoted" \\ text')
KINDS = [Line(sku=f"A{n}", quantity=n + 1, amount_minor=100 * n + 7, category=f"C{n % 2}") for n in range(4)]
FIGURES = TierInputs(
    revenue_minor=1, remedies_minor=0, service_minor=0, contribution_minor=1, rank=1, ranked=1, tenure_months=0,
    discount_share=0, handled_s=0,
)  # fmt: skip


AMENDABLE: dict[str, list[dict[str, Any]]] = {
    "Customer.Registered": [{"country": "FR"}, {"reference": "R9"}],
    "Customer.ProfileChanged": [{"country": "FR"}],
    "Customer.ContactPointInvalidated": [{"reason": "returned"}],
    "Touchpoint.Recorded": [{"channel": "fax", "duration_s": 7}, {"purpose": "another"}],
    "Case.Opened": [{"kind": "request", "product": "P9"}, {"channel": "letter"}],
    "Case.Acknowledged": [{"thanked": True}],
    "Case.Assigned": [{"handler": "h9"}],
    "Case.Closed": [{"basis": "no_agreement"}],
    "Purchase.Recorded": [{"reference": "I-amended"}, {"country": "IT"}],
    "Purchase.Returned": [{"reason": "broken"}],
}
"""What can be stated anew of some kinds of entries."""


class History:
    """Entries in order of position, and the aggregates they made."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.kept: dict[type[Aggregate], list[Any]] = {
            kind: [] for kind in (Customer, Touchpoint, Case, Remedy, Purchase, LegalHold)
        }
        every = (TIER_RULE, REMEDY_AUTHORITY, SERVICE_TARGETS, RETENTION_PERIODS)
        self.policies = {each: Policy.unwritten(each) for each in every}
        self.published: dict[type[Event], Any] = {}

    def step(self, what: str, n: int) -> None:
        """Do one thing of a kind; ``n`` chooses among all its ways and times. What is refused leaves no trace."""
        ways = getattr(self, f"_{what}")(n)
        for k in range(len(ways)):
            try:
                done = ways[(n + k) % len(ways)]()
            except Refused:
                continue
            if done is not None:
                self._take(done)
                return

    def _take(self, aggregate: Aggregate) -> None:
        for event in aggregate.collect_events():
            self.events.append(replace(event, position=len(self.events) + 1))
        if type(aggregate) in self.kept and aggregate not in self.kept[type(aggregate)]:
            self.kept[type(aggregate)].append(aggregate)
        if isinstance(aggregate, Entry):
            self._correct(aggregate.id)

    def _correct(self, id: UUID) -> None:
        """What an aggregate is once one of its entries was declared void."""
        for kept in self.kept.values():
            for place, aggregate in enumerate(kept):
                if aggregate.id == id:
                    try:
                        kept[place] = type(aggregate).replay(self._of(id))
                    except Refused:
                        del kept[place]
                    return

    def _of(self, id: UUID) -> list[Event]:
        return [event for event in self.events if event.stream_id == id]

    def _context(self, n: int) -> Context:
        # Some come late, some at one instant; the actors differ so that approvals are possible.
        at = BEGIN + timedelta(hours=len(self.events) if n % 3 else n % 500, microseconds=n % 7)
        actor = Actor(kind=ActorKind.EMPLOYEE, id=f"e{n % 3}", role=(Role.AGENT, Role.SUPERVISOR)[n % 2])
        return Context(at=at, actor=actor, command_id=uuid5(IDS, f"command {len(self.events)} {n}"))

    def _id(self) -> UUID:
        return uuid5(IDS, f"stream {len(self.events)}")

    def _pick(self, kind: type[Aggregate], n: int) -> Any:
        return self.kept[kind][n % len(self.kept[kind])] if self.kept[kind] else None

    def _customer(self, n: int) -> list[Callable[[], Any]]:
        c, customer, text = self._context(n), self._pick(Customer, n), TEXTS[n % len(TEXTS)]
        register = Customer.Registered(name=text if n % 4 else None, country="CN", reference=f"R{n % 5}")
        if customer is None or n % 5 == 0:
            return [lambda: Customer.register(c, self._id(), register)]
        tier = list(Tier)[n % 4]
        assigned = Customer.TierAssigned(
            tier=tier, policy_version=1 + n % 2, reviewed_at=c.at, reason="clause", currency="EUR", inputs=FIGURES
        )
        overridden = Customer.TierOverridden(tier=tier, reason=text, expires_at=c.at + timedelta(days=1 + n % 50))
        contact = Customer.ContactPointAdded(contact=f"c{n % 3}", kind=ContactKind.EMAIL, value=text)
        invalid = Customer.ContactPointInvalidated(contact=f"c{n % 3}", reason=InvalidReason.BOUNCED)
        return [
            _on(customer, customer.change_profile, c, Customer.ProfileChanged(name=text, country="DE")),
            _on(customer, customer.add_contact_point, c, contact),
            _on(customer, customer.invalidate_contact_point, c, invalid),
            _on(customer, customer.assign_tier, c, assigned),
            _on(customer, customer.override_tier, c, overridden),
            *self._consent(c, customer, n),
        ]

    def _consent(self, c: Context, customer: Any, n: int) -> list[Callable[[], Any]]:
        other, part = self._pick(Customer, n // 5), list(RelationshipPart)[n % 3]
        granted = Customer.ConsentGranted(purpose=f"p{n % 2}", text_version=f"v{n % 3}", basis=list(LegalBasis)[n % 6])
        related = Customer.RelationshipDeclared(part=part, note=TEXTS[n % 6], position_held=TEXTS[n % 5])
        return [
            _on(customer, customer.grant_consent, c, granted),
            _on(customer, customer.withdraw_consent, c, Customer.ConsentWithdrawn(purpose=f"p{n % 2}")),
            _on(customer, customer.declare_relationship, c, other, related),
        ]

    def _erase(self, n: int) -> list[Callable[[], Any]]:
        c, customer, hold = self._context(n), self._pick(Customer, n), self._pick(LegalHold, n)
        if customer is None:
            return []
        # Those merged into it, each of which stood alone or follows others, at whatever depth.
        members = [customer]
        for each in [other for _ in self.kept[Customer] for other in self.kept[Customer]]:
            if each not in members and each.merged_into in {member.id for member in members}:
                members.append(each)
        person = Person(absorbed=members[1:])
        placed = LegalHold.Placed(reference=f"H{n}", reason="r")
        ways = [
            _on(customer, customer.erase, c, person, None, Customer.Erased(reason="asked for")),
            lambda: LegalHold.place(c, self._id(), customer, placed),
        ]
        if hold:
            ways.append(_on(hold, hold.release, c, LegalHold.Released(reason="over")))
        return ways

    def _merge(self, n: int) -> list[Callable[[], Any]]:
        c, one, other = self._context(n), self._pick(Customer, n), self._pick(Customer, n // 3 + 1)
        if one is None:
            return []
        return [
            _on(one, one.merge, c, other, Customer.Merged(reason="the same")),
            _on(one, one.unmerge, c, Customer.Unmerged(reason="not the same")),
            _on(other, other.merge, c, one, Customer.Merged()),
        ]

    def _touch(self, n: int) -> list[Callable[[], Any]]:
        c, customer, case, touchpoint = (
            self._context(n), self._pick(Customer, n), self._pick(Case, n), self._pick(Touchpoint, n),
        )  # fmt: skip
        if customer is None:
            return []
        told = Touchpoint.Recorded(
            channel=list(Channel)[n % 12], direction=list(Direction)[n % 2], purpose=TEXTS[n % 6], duration_s=n % 900,
            automated=n % 4 == 0, summary=TEXTS[n % 5],
        )  # fmt: skip
        seen = Look.Recorded(purpose=list(LookPurpose)[n % 5], subject_id=customer.id, fields=["name"] * (n % 2))
        ways = [lambda: Touchpoint.record(c, self._id(), customer, case if n % 2 else None, told)]
        if n % 8 == 3:
            ways = [lambda: Look.record(c, self._id(), seen)]
        ways.append(lambda: Touchpoint.record(c, self._id(), customer, None, told))
        if touchpoint and case:
            ways.append(_on(touchpoint, touchpoint.link_to_case, c, case, Touchpoint.LinkedToCase()))
        return ways

    def _case(self, n: int) -> list[Callable[[], Any]]:
        c, customer, case, text = self._context(n), self._pick(Customer, n), self._pick(Case, n // 7), TEXTS[n % 6]
        if customer is None:
            return []
        targets = self.published.get(ServiceTargets)
        opened = Case.Opened(
            kind=list(CaseKind)[n % 3], channel=list(Channel)[n % 12], description=text, product=f"P{n % 3}"
        )
        if case is None or n % 6 == 0:
            return [lambda: Case.open(c, self._id(), customer, opened, targets)]
        category = list(Category)[n % 4]
        return [
            _on(case, case.acknowledge, c, Case.Acknowledged(channel=Channel.EMAIL)),
            _on(case, case.classify, c, Case.Classified(category=category, subcategory=f"S{n % 3}")),
            _on(case, case.confirm_facts, c, Case.FactsConfirmed(restatement=text, steps_tried=[text])),
            _on(case, case.propose, c, Case.SolutionProposed(kind=list(SolutionKind)[n % 4], text=text)),
            _on(case, case.assign, c, Case.Assigned(handler=f"h{n % 3}", department="D")),
            _on(case, case.accept, c, Case.SolutionAccepted()),
            _on(case, case.reject, c, Case.SolutionRejected(reason=text)),
            _on(case, case.resolve, c, Case.Resolved(resolution="done", note=text), targets),
            _on(case, case.confirm_closure, c, Case.ClosureConfirmed(channel=Channel.PHONE)),
            _on(case, case.close, c, Case.Closed(basis=list(ClosingBasis)[n % 5]), targets),
            _on(case, case.reopen, c, Case.Reopened(reason=text)),
            _on(case, case.refer, c, Case.Referred(to=f"B{n % 2}")),
            _on(case, case.record_response, c, Case.Responded(response=list(Response)[n % 6], timely=n % 2 == 0)),
            _on(case, case.reclassify, c, Case.Reclassified(category=category, reason=text)),
        ]

    def _remedy(self, n: int) -> list[Callable[[], Any]]:
        c, case, remedy = self._context(n), self._pick(Case, n), self._pick(Remedy, n // 5)
        authority = self.published.get(RemedyAuthority)
        if case is None:
            return []
        kind, amount = list(RemedyKind)[n % 13], n % 150
        offered = Remedy.Offered(kind=kind, amount_minor=amount, currency="EUR")
        asked = Remedy.ApprovalRequested(kind=kind, amount_minor=amount, currency="EUR", reason="r")
        begin = [
            lambda: Remedy.offer(c, self._id(), case, offered, authority),
            lambda: Remedy.request_approval(c, self._id(), case, asked),
        ]
        if remedy is None or n % 4 == 0:
            return begin
        return [
            _on(remedy, remedy.approve, c, Remedy.Approved(), authority),
            _on(remedy, remedy.offer_approved, c),
            _on(remedy, remedy.accept, c, Remedy.Accepted()),
            _on(remedy, remedy.fulfil, c, Remedy.Fulfilled()),
            _on(remedy, remedy.refuse, c, Remedy.Refused(reason="no")),
            _on(remedy, remedy.decline, c, Remedy.Declined()),
            _on(remedy, remedy.fail, c, Remedy.Failed(reason="lost")),
            _on(remedy, remedy.reverse, c, Remedy.Reversed(reason="error")),
            *begin,
        ]

    def _purchase(self, n: int) -> list[Callable[[], Any]]:
        c, customer, purchase = self._context(n), self._pick(Customer, n), self._pick(Purchase, n)
        lines, currency = KINDS[: 1 + n % 4], ("EUR", "GBP")[n % 2]
        bought = Purchase.Recorded(reference=f"I{n}", currency=currency, lines=lines)
        unmatched = Purchase.ReturnedUnmatched(currency=currency, lines=lines[:1])
        who = customer if n % 7 else None
        ways: list[Callable[[], Any]] = [
            lambda: Purchase.record(c, self._id(), who, bought),
            lambda: Purchase.record_unmatched(c, self._id(), who, unmatched),
        ]
        if purchase:
            ways.append(_on(purchase, purchase.return_, c, Purchase.Returned(lines=lines[:1])))
        return ways

    def _policy(self, n: int) -> list[Callable[[], Any]]:
        c = self._context(n)
        limits = [AuthorityLimit(role=role, amount_minor=n) for role, n in ((Role.AGENT, 50), (Role.SUPERVISOR, 999))]
        authority = RemedyAuthority(effective_from=c.at, currency="EUR", limits=limits)
        targets = ServiceTargets(
            effective_from=c.at, acknowledge_within_s=60, resolve_within_s=600, reopen_within_days=9
        )
        facts: list[tuple[UUID, str, Any]] = [
            (REMEDY_AUTHORITY, "publish_remedy_authority", authority),
            (TIER_RULE, "publish_tier_rule", TierRule(effective_from=c.at, currency="EUR")),
            (SERVICE_TARGETS, "publish_service_targets", targets),
            (RETENTION_PERIODS, "publish_retention_periods", RetentionPeriods(effective_from=c.at)),
        ]

        def publish(id: UUID, method: str, fact: Any) -> Callable[[], Any]:
            def do() -> Any:
                getattr(self.policies[id], method)(c, fact)
                self.published[type(fact)] = self.policies[id].pending_events[-1]
                return self.policies[id]

            return do

        return [publish(*each) for each in facts]

    def _void(self, n: int) -> list[Callable[[], Any]]:
        entry, c, target = self._correcting(n)
        return [_on(entry, entry.void, c, target, Entry.Voided(reason="entered by mistake"))]

    def _amend(self, n: int) -> list[Callable[[], Any]]:
        entry, c, target = self._correcting(n)
        changes = AMENDABLE.get(target.type_name, [])
        return [
            _on(entry, entry.amend, c, target, Entry.Amended(changes=stated, reason="mistyped")) for stated in changes
        ]

    def _correcting(self, n: int) -> tuple[Entry, Context, Event]:
        """The corrections of the history of some entry, the circumstances of one more, and that entry."""
        target = self.events[-1 - n % min(len(self.events), 15)]
        entry = Entry.unwritten(target.stream_id)
        for event in self._of(target.stream_id):
            event.mutate(entry)
        supervisor = Actor(kind=ActorKind.EMPLOYEE, id="other", role=Role.SUPERVISOR)
        return entry, Context(at=BEGIN, actor=supervisor, command_id=uuid5(IDS, f"fix {len(self.events)}")), target


def _on(aggregate: Any, method: Callable[..., Any], *arguments: Any) -> Callable[[], Any]:
    def do() -> Any:
        method(*arguments)
        return aggregate

    return do


THINGS = (
    "customer",
    "touch",
    "case",
    "case",
    "case",
    "remedy",
    "remedy",
    "purchase",
    "purchase",
    "policy",
    "void",
    "amend",
    "merge",
    "erase",
)


def told(steps: Sequence[tuple[str, int]]) -> list[Event]:
    """The entries that the steps make, after a beginning without which most would be refused."""
    history = History()
    for what, n in [("policy", 0), ("customer", 1), ("case", 0), ("customer", 5), ("purchase", 3), *steps]:
        history.step(what, n)
    return history.events


def histories(most: int = 60) -> st.SearchStrategy[list[Event]]:
    """Histories of some dozen entries."""
    step = st.tuples(st.sampled_from(THINGS), st.integers(0, 9_999))
    return st.lists(step, max_size=most).map(told)


def batches() -> st.SearchStrategy[list[int]]:
    """Sizes of batches to post in."""
    return st.lists(st.integers(1, 25), max_size=12)


def kinds(events: Sequence[Event]) -> Iterator[str]:
    """The types of entries in a history."""
    yield from sorted({event.type_name for event in events})
