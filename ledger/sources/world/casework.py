"""How cases go in the simulated world: handled well, handled badly, or not handled at all."""

from contextlib import suppress
from typing import NamedTuple

from domain.customer import Customer
from domain.remedy import Remedy
from domain.vocabulary import CaseKind, ClosingBasis, Direction, SolutionKind

from . import redress
from .diary import Diary, WorldEnds
from .dossier import Dossier
from .parameters import DAY, Handling
from .phrases import Tongue

JUDGED = 0.8
"""The part of the H days within which a complaint is acknowledged and answered, so that its class shows in time."""
ACKNOWLEDGE_WITHIN_S = DAY
"""What counts as in time while no service targets are in force."""
RESOLVE_WITHIN_S = 10 * DAY
"""What counts as in time while no service targets are in force."""
REOPEN_WITHIN_DAYS = 30
"""How late a case is reopened where it could be for ever."""
LATE_MOST = 25 * DAY
"""How far beyond the promised time the latest solutions come."""

OTHER_KINDS = {CaseKind.REQUEST: 6, CaseKind.FEEDBACK: 2, CaseKind.SUGGESTION: 1, CaseKind.COMPLIMENT: 2}
"""What customers bring beside complaints, and how often."""


class Dates(NamedTuple):
    """When the main steps of one case happen; instants in seconds since the world's start."""

    acknowledged: float
    answered: float
    """When the customer answers the last proposal."""
    resolved: float


def complain(diary: Diary, customer: Customer, tongue: Tongue, at: float, handling: Handling) -> None:
    """Let the customer complain at that instant, and handle it so."""
    with suppress(WorldEnds):
        dossier = Dossier(diary, customer, tongue, at, CaseKind.COMPLAINT)
        if handling is Handling.UNACKNOWLEDGED:
            _ignore(dossier, at)
            return
        in_time = handling is Handling.ACCEPTED_IN_TIME
        dates = _dates(diary, at, in_time=in_time)
        dossier.acknowledge(dates.acknowledged)
        if handling is Handling.REGISTERED:
            _fall_short(dossier, dates)
            return
        _solve(dossier, dates, diary.world.remedy_share)
        # One resolved in time stays so: reopening it would leave open which of two resolutions counts.
        _finish(dossier, dates.resolved, reopened_share=0 if in_time else diary.world.reopened_share)


def bring(diary: Diary, customer: Customer, tongue: Tongue, at: float) -> None:
    """Let the customer bring something other than a complaint at that instant."""
    with suppress(WorldEnds):
        dossier = Dossier(diary, customer, tongue, at, diary.drawn(OTHER_KINDS))
        if diary.happens(0.15):
            return
        dates = _dates(diary, at, in_time=diary.happens(0.8))
        dossier.acknowledge(dates.acknowledged)
        if dossier.kind is CaseKind.REQUEST:
            _solve(dossier, dates, remedy_share=0)
        elif diary.happens(0.5):
            return
        else:
            dossier.classify(dates.answered)
            dossier.resolve(dates.resolved, "noted")
        _finish(dossier, dates.resolved, reopened_share=diary.world.reopened_share)


def _dates(diary: Diary, at: float, *, in_time: bool) -> Dates:
    """When the steps of a case opened at that instant happen, in time or late by the targets then in force."""
    targets, random = diary.stage.targets(at), diary.random
    acknowledge_within = targets.acknowledge_within_s if targets else ACKNOWLEDGE_WITHIN_S
    resolve_within = targets.resolve_within_s if targets else RESOLVE_WITHIN_S
    resolved = at + random.uniform(0.1, 0.95) * resolve_within
    if not in_time:
        resolved = at + resolve_within + random.uniform(DAY / 10, LATE_MOST)
    answered = min(resolved, at + JUDGED * diary.stage.follow_up)
    slow = diary.happens(0.05 if in_time else 0.4)
    factor = random.uniform(1.05, 3) if slow else random.uniform(0.02, 0.9)
    acknowledged = min(at + factor * acknowledge_within, at + 0.5 * (answered - at))
    return Dates(acknowledged, answered, resolved)


def _ignore(dossier: Dossier, at: float) -> None:
    """Never acknowledge: the customer asks again, someone sorts it, and some are closed without a word."""
    diary = dossier.diary
    for chased_at in diary.instants(at + DAY, at + 30 * DAY, diary.random.randrange(3)):
        dossier.contact(chased_at, Direction.INBOUND, "chasing an answer")
    if diary.happens(0.3):
        dossier.classify(at + diary.random.uniform(0.1, 10) * DAY)
    if diary.happens(0.25):
        basis = diary.random.choice((ClosingBasis.WITHDRAWN, ClosingBasis.OUT_OF_SCOPE))
        dossier.close(at + diary.random.uniform(15, 40) * DAY, basis)


def _fall_short(dossier: Dossier, dates: Dates) -> None:
    """Acknowledge, but find nothing the customer accepts."""
    diary = dossier.diary
    classified, assigned, confirmed, *rounds = diary.instants(dates.acknowledged, dates.answered, 7)
    way = diary.drawn({"silence": 30, "disagreement": 45, "no answer": 15, "referral": 10})
    dossier.classify(classified)
    if way == "referral":
        dossier.refer(assigned)
        if diary.happens(0.8):
            dossier.record_response(dates.answered)
        return
    dossier.assign(assigned)
    if way == "silence":
        return
    dossier.confirm_facts(confirmed)
    if way == "no answer":
        dossier.propose(rounds[0], SolutionKind.EXPLANATION)
        return
    for proposed, answered in (rounds[:2], rounds[2:])[: diary.random.randint(1, 2)]:
        remedy = None
        if diary.happens(diary.world.remedy_share / 2):
            remedy = redress.offer_remedy(dossier, confirmed, proposed, proposed)
        dossier.propose(proposed, SolutionKind.REMEDY if remedy else SolutionKind.EXPLANATION)
        dossier.reject(answered)
        if remedy:
            redress.decline(dossier, remedy, answered)
    if diary.happens(0.6):
        dossier.resolve(dates.resolved, "no agreement")
        dossier.close(dates.resolved + DAY, ClosingBasis.NO_AGREEMENT)


def _solve(dossier: Dossier, dates: Dates, remedy_share: float) -> None:
    """Find a solution that the customer accepts, at the first proposal or the second, and resolve the case."""
    diary = dossier.diary
    classified, assigned, confirmed, asked, decided, first, rejected, second = diary.instants(
        dates.acknowledged, dates.answered, 8
    )
    dossier.classify(classified)
    dossier.assign(assigned)
    dossier.confirm_facts(confirmed)
    if diary.happens(0.2):
        dossier.propose(first, SolutionKind.EXPLANATION)
        dossier.reject(rejected)
    remedy: Remedy | None = None
    if diary.happens(remedy_share):
        remedy = redress.offer_remedy(dossier, asked, decided, second)
    kind = SolutionKind.REMEDY if remedy else diary.random.choice((SolutionKind.FIX, SolutionKind.EXPLANATION))
    dossier.propose(second, kind)
    dossier.accept(dates.answered)
    with suppress(WorldEnds):
        if remedy:
            redress.accept(dossier, remedy, dates.answered)
    dossier.resolve(dates.resolved, kind.value)


def _finish(dossier: Dossier, resolved: float, *, reopened_share: float) -> None:
    """Close a resolved case with or without the customer's word; some are reopened first, and settled again."""
    diary = dossier.diary
    if diary.happens(reopened_share):
        targets = diary.stage.targets(resolved)
        days = REOPEN_WITHIN_DAYS
        if targets and targets.reopen_within_days is not None:
            days = min(days, targets.reopen_within_days)
        reopened = resolved + diary.random.uniform(0.05, 0.9) * days * DAY
        dossier.reopen(reopened)
        proposed, accepted, resolved = diary.instants(reopened + DAY / 24, reopened + 7 * DAY, 3)
        if dossier.case.facts_confirmed:
            dossier.propose(proposed, SolutionKind.FIX)
            dossier.accept(accepted)
        dossier.resolve(resolved, "settled again")
    if diary.happens(0.7):
        confirmed, closed = diary.instants(resolved + DAY / 10, resolved + 6 * DAY, 2)
        dossier.confirm_closure(confirmed)
        dossier.close(closed, ClosingBasis.CUSTOMER_CONFIRMED)
    elif diary.happens(0.8):
        dossier.close(resolved + 14 * DAY, ClosingBasis.NO_RESPONSE_AFTER)
