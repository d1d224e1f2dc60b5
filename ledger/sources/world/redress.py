"""What is given to make good in the simulated world: inside an agent's authority, or with a supervisor's approval."""

from contextlib import suppress

from domain.remedy import Remedy
from domain.vocabulary import RemedyKind, Role

from .diary import WorldEnds
from .dossier import Dossier
from .parameters import DAY

FREE = (RemedyKind.APOLOGY_ONLY, RemedyKind.NON_MONETARY, RemedyKind.REDO)
"""What costs nothing."""
PAID = tuple(kind for kind in RemedyKind if kind not in FREE)
EXCESSIVE_SHARE = 0.05
"""How many of the remedies above an agent's authority are above a supervisor's too."""


def offer_remedy(dossier: Dossier, asked_at: float, decided_at: float, offered_at: float) -> Remedy | None:
    """Offer a remedy, asking for leave first where it is above the handler's authority; ``None`` when refused."""
    diary = dossier.diary
    within = _limit(dossier, asked_at, Role.AGENT)
    if not diary.happens(diary.world.above_authority_share):
        return _offer(dossier, offered_at, diary.random.randint(0, within))
    ceiling = max(_limit(dossier, asked_at, Role.SUPERVISOR), within + 1)
    amount = diary.random.randint(within + 1, ceiling)
    if diary.happens(EXCESSIVE_SHARE):
        amount += ceiling
    remedy = _ask(dossier, asked_at, amount)
    if not _approved(dossier, remedy, decided_at):
        return None
    diary.do(remedy.offer_approved, offered_at, dossier.handler)
    return remedy


def decline(dossier: Dossier, remedy: Remedy, at: float) -> None:
    """Record that the customer turns the remedy down."""
    declined = Remedy.Declined(reason=dossier.diary.random.choice(("too little", "too late", None)))
    dossier.diary.do(remedy.decline, at, dossier.handler, declined)


def accept(dossier: Dossier, remedy: Remedy, at: float) -> None:
    """Record that the customer takes the remedy, and give it to them: mostly at once, sometimes at the second try."""
    diary = dossier.diary
    diary.do(remedy.accept, at, dossier.handler, Remedy.Accepted())
    with suppress(WorldEnds):
        tried, again, reversed_at = diary.instants(at + DAY / 4, at + 20 * DAY, 3)
        if diary.happens(0.12):
            diary.do(remedy.fail, tried, dossier.handler, Remedy.Failed(reason="account number rejected"))
            if diary.happens(0.25):
                return
            tried = again
        fulfilled = Remedy.Fulfilled(reference=f"F-{remedy.id.hex[:10]}")
        diary.do(remedy.fulfil, tried, dossier.handler, fulfilled)
        if diary.happens(0.05):
            diary.do(remedy.reverse, reversed_at, diary.lead(), Remedy.Reversed(reason="paid out twice"))


def _limit(dossier: Dossier, at: float, role: Role) -> int:
    authority = dossier.diary.stage.authority(at)
    return authority.limit(role, dossier.diary.world.currency) if authority else 0


def _offer(dossier: Dossier, at: float, amount: int) -> Remedy:
    """Offer within authority; nothing that costs is offered where the authority in force allows none."""
    diary = dossier.diary
    amount = min(amount, _limit(dossier, at, Role.AGENT))
    free = amount == 0 or diary.happens(0.2)
    offered = Remedy.Offered(
        kind=diary.random.choice(FREE if free else PAID),
        amount_minor=0 if free else amount,
        currency=diary.world.currency,
    )
    return diary.begin(Remedy.offer, at, dossier.handler, dossier.case, offered, diary.stage.authority(at))


def _ask(dossier: Dossier, at: float, amount: int) -> Remedy:
    diary = dossier.diary
    asked = Remedy.ApprovalRequested(
        kind=diary.random.choice(PAID), amount_minor=amount, currency=diary.world.currency, reason="loyal and let down"
    )
    return diary.begin(Remedy.request_approval, at, dossier.handler, dossier.case, asked)


def _approved(dossier: Dossier, remedy: Remedy, at: float) -> bool:
    diary, lead = dossier.diary, dossier.diary.lead()
    too_much = remedy.amount_minor > _limit(dossier, at, Role.SUPERVISOR)
    if diary.happens(diary.world.remedy_refused_share) or too_much:
        reason = "above what I may settle" if too_much else "out of proportion"
        diary.do(remedy.refuse, at, lead, Remedy.Refused(reason=reason))
        return False
    diary.do(remedy.approve, at, lead, Remedy.Approved(), diary.stage.authority(at))
    return True
