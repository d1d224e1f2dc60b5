"""The life of one simulated customer: when they come, what they buy, when they complain, whether they stay."""

from math import exp
from typing import NamedTuple

from domain.customer import Customer
from domain.event import Event
from domain.purchase import Line, Purchase
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, ContactKind, CustomerKind, Direction, Interface, InvalidReason

from .casework import bring, complain
from .diary import BOT, SHOP, Diary, Stage
from .parameters import DAY, Handling
from .phrases import ASSORTMENT, MOODS, TONGUES, Article, Tongue

MARGIN = DAY
"""Why: who does not buy in a window keeps this far from its ends, so that rounding an instant cannot change it."""
BASKET_MINOR = 2_500
"""What the median customer spends on one line, in minor units."""
CHEAP_MINOR = 600
"""Up to this price anyone buys an article."""
PACE_SPREAD = 0.6
"""The part of the spread of spending that shows in how often a customer buys; the rest shows in how much."""
PER_YEAR_MAX = 150.0
"""Why: the busiest customer still fits in memory, even in the longest world."""
FIRST_IMPRESSION = 1_200
"""How long after the first purchase, or after joining, a case may come, in seconds; the contact that brings it lies
in between."""
COMING_BACK_SHARE = 0.2
"""How many of those who left after a complaint are seen again later."""
NEVER_BUYS_SHARE = 0.04
"""How many register and never buy."""
KINDS = {
    CustomerKind.PERSON: 90,
    CustomerKind.BUSINESS: 7,
    CustomerKind.CHANNEL_PARTNER: 2,
    CustomerKind.INTERNAL: 1,
}
"""What kinds of customers there are, and how many of a hundred."""
OLD_CUSTOMER_SHARE = 0.4
"""How many are customers from the world's first weeks on; the others join later."""


class Complaint(NamedTuple):
    """The one complaint of a customer, and what follows from it."""

    at: float
    handling: Handling
    stays: bool


class Fate(NamedTuple):
    """What is drawn for a customer beforehand; instants in seconds since the world's start."""

    joined: float
    first_purchase: float | None
    complaint: Complaint | None
    stays_to_the_end: bool
    """Of those who never complain: whether they buy in the world's last H days."""


def live(stage: Stage, number: int) -> list[Event]:
    """All entries about customer ``number``, in order of time; the same for the same stage and number."""
    diary = Diary(stage, number)
    tongue = diary.random.choice(TONGUES)
    fate = _fate(diary)
    customer = _register(diary, tongue, fate.joined)
    window = _decisive_window(stage, fate)
    purchases = _purchase_instants(diary, fate, window)
    _shop(diary, customer, tongue, purchases, window)
    end = _active_until(stage, fate, purchases)
    if fate.complaint:
        complain(diary, customer, tongue, fate.complaint.at, fate.complaint.handling)
    for at in diary.arrivals(fate.joined + FIRST_IMPRESSION, end, stage.world.other_cases_per_year):
        bring(diary, customer, tongue, at)
    _keep_in_touch(diary, customer, tongue, fate.joined, end)
    return diary.entries()


def _fate(diary: Diary) -> Fate:
    world, random = diary.world, diary.random
    complains = diary.happens(world.complaint_share)
    recent = diary.happens(world.recent_complaint_share)
    latest = diary.stage.length - diary.stage.follow_up - MARGIN
    if recent or latest < 2 * DAY or not complains:
        latest = diary.stage.length
    early = diary.happens(OLD_CUSTOMER_SHARE)
    joined = random.uniform(0, 0.03 * latest if early else 0.9 * latest)
    first: float | None = joined + min(random.expovariate(1) * 3 * DAY, 0.3 * (latest - joined))
    complaint = None
    if complains and first is not None:
        at = random.uniform(first + FIRST_IMPRESSION, latest)
        handling = _handling(diary)
        complaint = Complaint(at, handling, diary.happens(world.retained(handling)))
    elif diary.happens(NEVER_BUYS_SHARE):
        first = None
    return Fate(joined, first, complaint, diary.happens(world.retained_without_complaint))


def _handling(diary: Diary) -> Handling:
    world, drawn = diary.world, diary.random.random()
    if drawn < world.unacknowledged_share:
        return Handling.UNACKNOWLEDGED
    if drawn < world.unacknowledged_share + world.registered_share:
        return Handling.REGISTERED
    return Handling.ACCEPTED_IN_TIME if diary.happens(world.in_time_share) else Handling.ACCEPTED_LATE


def _decisive_window(stage: Stage, fate: Fate) -> tuple[float, float] | None:
    """The H days in which it shows whether the customer stays; ``None`` where nothing was bought before them."""
    begin = fate.complaint.at if fate.complaint else stage.length - stage.follow_up
    if fate.first_purchase is None or fate.first_purchase >= begin:
        return None
    return begin, begin + stage.follow_up


def _purchase_instants(diary: Diary, fate: Fate, window: tuple[float, float] | None) -> list[float]:
    """When the customer buys: at their own pace, but in the decisive window only if they are to stay."""
    first = fate.first_purchase
    if first is None:
        return []
    pace = diary.world.purchases_per_year * exp(PACE_SPREAD * diary.random.gauss(0, 1))
    instants = [first, *diary.arrivals(first, diary.stage.length, min(pace, PER_YEAR_MAX))]
    if window is None:
        return instants
    begin, end = window
    if fate.complaint.stays if fate.complaint else fate.stays_to_the_end:
        witness = diary.random.uniform(begin + 0.05 * (end - begin), begin + 0.95 * (end - begin))
        return sorted(at for at in [*instants, witness] if at <= diary.stage.length)
    comes_back = diary.happens(COMING_BACK_SHARE)
    before = [at for at in instants if at <= begin - MARGIN]
    after = [at for at in instants if at > end + MARGIN and comes_back]
    return [*(before or [first]), *after]


def _active_until(stage: Stage, fate: Fate, purchases: list[float]) -> float:
    """Until when the customer is in touch with us: some time beyond the last purchase or the complaint."""
    last = max([fate.joined, *purchases, fate.complaint.at if fate.complaint else 0])
    return min(last + stage.follow_up, stage.length)


def _register(diary: Diary, tongue: Tongue, joined: float) -> Customer:
    random = diary.random
    kind = diary.drawn(KINDS)
    family = random.choice(tongue.family)
    business = kind in (CustomerKind.BUSINESS, CustomerKind.CHANNEL_PARTNER)
    name = (tongue.company if business else tongue.full_name).format(given=random.choice(tongue.given), family=family)
    fact = Customer.Registered(kind=kind, name=name, country=tongue.country, reference=f"C-{diary.number:08}")
    customer = diary.begin(Customer.register, joined, diary.agent(), fact)
    contacts = {
        ContactKind.EMAIL: f"customer.{diary.number}@example.org",
        ContactKind.PHONE: f"+999 {random.randrange(100, 1000)} {diary.number:08}",
        ContactKind.POSTAL: random.choice(tongue.address).format(number=random.randrange(1, 200)),
    }
    for kind_of_contact, value in list(contacts.items())[: diary.drawn({1: 5, 2: 3, 3: 2})]:
        added = Customer.ContactPointAdded(contact=kind_of_contact.value, kind=kind_of_contact, value=value)
        diary.do(customer.add_contact_point, joined, diary.agent(), added)
    changes = random.uniform(joined, diary.stage.length)
    if diary.happens(0.08):
        reason = random.choice((InvalidReason.BOUNCED, InvalidReason.OWNER_CHANGED))
        gone = Customer.ContactPointInvalidated(contact=ContactKind.EMAIL.value, reason=reason)
        diary.do(customer.invalidate_contact_point, changes, diary.agent(), gone)
    elif diary.happens(0.04):
        renamed = Customer.ProfileChanged(name=name.replace(family, random.choice(tongue.family)))
        if renamed.name != name:
            diary.do(customer.change_profile, changes, diary.agent(), renamed)
    return customer


def _shop(
    diary: Diary, customer: Customer, tongue: Tongue, purchases: list[float], window: tuple[float, float] | None
) -> None:
    world, random = diary.world, diary.random
    budget = BASKET_MINOR * exp(max(world.spending_spread**2 - PACE_SPREAD**2, 0) ** 0.5 * random.gauss(0, 1))
    seeks_discounts = diary.happens(0.35)
    for number, at in enumerate(purchases, 1):
        lines = [
            _line(diary, budget, discounted=seeks_discounts and diary.happens(0.6))
            for _ in range(diary.drawn({1: 30, 2: 25, 3: 18, 4: 12, 5: 9, 6: 6}))
        ]
        reference = f"{diary.number:08}-{number:04}"
        fact = Purchase.Recorded(reference=reference, currency=world.currency, lines=lines, country=tongue.country)
        purchase = diary.begin(Purchase.record, at, SHOP, customer, fact)
        # What shows that a customer stayed is not taken back.
        if window and window[0] < at <= window[1]:
            continue
        back_at = at + random.uniform(1, 25) * DAY
        if back_at < diary.stage.length and diary.happens(world.return_share):
            returned = Purchase.Returned(reference=f"R{reference}", lines=[_part(diary, lines)], reason="unsuitable")
            diary.do(purchase.return_, back_at, SHOP, returned)
        elif back_at < diary.stage.length and diary.happens(world.unmatched_return_share):
            unmatched = Purchase.ReturnedUnmatched(
                reference=f"U{reference}", currency=world.currency, lines=[_part(diary, lines)], country=tongue.country
            )
            diary.begin(Purchase.record_unmatched, back_at, SHOP, customer, unmatched)


def _line(diary: Diary, budget: float, *, discounted: bool) -> Line:
    """One line of about the customer's budget: dear articles for large budgets, or many pieces of a cheap one."""
    article = _article(diary, budget)
    meant = budget * exp(0.5 * diary.random.gauss(0, 1))
    quantity = max(1, min(500, round(meant / article.price_minor)))
    full = article.price_minor * quantity
    percent_off = diary.random.choice((5, 10, 15, 20, 30)) if discounted else 0
    return Line(
        sku=article.sku,
        name=article.name,
        category=article.category,
        quantity=quantity,
        unit_price=f"{article.price_minor // 100}.{article.price_minor % 100:02}",
        list_amount_minor=full,
        amount_minor=full - full * percent_off // 100,
    )


def _article(diary: Diary, budget: float) -> Article:
    drawn = diary.random.choice(ASSORTMENT)
    while drawn.price_minor > 1.5 * budget and drawn.price_minor > CHEAP_MINOR:
        drawn = diary.random.choice(ASSORTMENT)
    return drawn


def _part(diary: Diary, lines: list[Line]) -> Line:
    """Some pieces of one line, at what was paid for them."""
    line = diary.random.choice(lines)
    quantity = diary.random.randint(1, line.quantity)
    share = line.amount_minor * quantity // line.quantity
    return Line(sku=line.sku, name=line.name, category=line.category, quantity=quantity, amount_minor=share)


def _keep_in_touch(diary: Diary, customer: Customer, tongue: Tongue, joined: float, end: float) -> None:
    random = diary.random
    for at in diary.arrivals(joined, end, diary.world.touchpoints_per_year):
        channel = random.choice(tuple(Channel))
        automated = channel is Channel.SELF_SERVICE or (channel is Channel.CHAT and diary.happens(0.5))
        agent = BOT if automated else diary.agent()
        spoken = channel in (Channel.PHONE, Channel.CHAT, Channel.IN_PERSON)
        fact = Touchpoint.Recorded(
            channel=channel,
            direction=diary.drawn({Direction.INBOUND: 7, Direction.OUTBOUND: 3}),
            purpose=random.choice(("question", "order status", "advice", "care", "news")),
            interface=random.choice(tuple(Interface)),
            agent_id=None if automated else agent.id,
            automated=automated,
            duration_s=random.randrange(20, 1500) if spoken else None,
            summary=None if automated else random.choice(tongue.summaries) + random.choice(("", "", "", *MOODS)),
        )
        diary.begin(Touchpoint.record, at, agent, customer, None, fact)
