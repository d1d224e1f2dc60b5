"""What the real files say by an instant, computed straight from them in plain Python, apart from everything of ours."""

import csv
import gzip
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from decimal import ROUND_HALF_EVEN, ROUND_HALF_UP, Decimal
from math import ceil
from statistics import median
from typing import Any, NamedTuple
from zoneinfo import ZoneInfo

from tests.real import DATA

LONDON = ZoneInfo("Europe/London")
Row = Mapping[str, Any]


class Invoice(NamedTuple):
    """An invoice or a credit note of the shop."""

    customer: str | None
    at: datetime
    back: bool
    """Whether it takes something back."""
    minor: int
    """What was paid; negative where something came back."""
    skus: Sequence[str]
    """The article of each line."""


class Complaint(NamedTuple):
    """A complaint, and what became of it on the day it was sent to the company."""

    received: datetime
    sent: datetime
    product: str
    issue: str
    company: str
    answer: str
    timely: bool
    disputed: str


def invoices() -> list[Invoice]:
    """Every invoice of the shop; its time is that of its first line."""
    lines: dict[str, list[dict[str, str]]] = defaultdict(list)
    with gzip.open(DATA / "online_retail.csv.gz", "rt", encoding="utf-8", newline="") as file:
        for line in csv.DictReader(file):
            lines[line["InvoiceNo"]].append(line)
    return [_invoice(number, of) for number, of in lines.items()]


def _invoice(number: str, lines: Sequence[Mapping[str, str]]) -> Invoice:
    told = datetime.fromisoformat(lines[0]["InvoiceDate"]).replace(tzinfo=LONDON)
    amounts = (Decimal(line["UnitPrice"]) * Decimal(line["Quantity"]) * 100 for line in lines)
    return Invoice(
        customer=lines[0]["CustomerID"] or None,
        at=told.astimezone(UTC),
        back=number.startswith("C"),
        minor=sum(int(amount.to_integral_value(ROUND_HALF_EVEN)) for amount in amounts),
        skus=[line["StockCode"] for line in lines],
    )


def complaints() -> list[Complaint]:
    """Every complaint of the sample."""
    with (DATA / "cfpb_complaints_sample.csv").open(encoding="utf-8", newline="") as file:
        return [
            Complaint(
                received=_day(line["Date received"]),
                sent=_day(line["Date sent to company"]),
                product=line["Product"],
                issue=line["Issue"],
                company=line["Company"],
                answer=line["Company response to consumer"],
                timely=line["Timely response?"] == "Yes",
                disputed=line["Consumer disputed?"],
            )
            for line in csv.DictReader(file)
        ]


def _day(told: str) -> datetime:
    return datetime.strptime(told, "%m/%d/%Y").replace(tzinfo=UTC)


def share(part: int, whole: int) -> float:
    """A part of a whole, rounded to six digits as PostgreSQL rounds."""
    return _rounded(Decimal(part) / Decimal(whole))


def _rounded(value: Decimal) -> float:
    return float(value.quantize(Decimal("0.000001"), ROUND_HALF_UP))


class Shop:
    """The shop as it stood by an instant."""

    def __init__(self, every: Iterable[Invoice], until: datetime) -> None:
        self.told = [invoice for invoice in every if invoice.at <= until]
        self.bought = [invoice for invoice in self.told if invoice.customer and not invoice.back]

    def totals(self) -> Iterator[Row]:
        """The totals of known and of unknown customers."""
        for known in (True, False):
            told = [invoice for invoice in self.told if (invoice.customer is not None) == known]
            bought, back = ([each for each in told if each.back == way] for way in (False, True))
            yield {
                "customerKnown": known,
                "customers": _customers(told),
                "buyers": _customers(bought),
                "purchases": len(bought),
                "grossMinor": sum(each.minor for each in bought),
                "returners": _customers(back),
                "returns": len(back),
                "returnedMinor": sum(each.minor for each in back),
                "netMinor": sum(each.minor for each in told),
                "lines": sum(len(each.skus) for each in told),
            }

    def repeaters(self) -> Row:
        """Who bought twice, of those who bought."""
        times = Counter(invoice.customer for invoice in self.bought)
        twice = sum(many >= 2 for many in times.values())
        rate = share(twice, len(times))
        return {"customers": len(times), "repeaters": twice, "purchases": len(self.bought), "rate": rate}

    def pareto(self, *, net: bool) -> Row:
        """What the best fifth brings."""
        revenue = self._revenue([invoice for invoice in self.told if net or not invoice.back])
        top = ceil(len(revenue) * 20 / 100)
        best, total = sum(sorted(revenue.values(), reverse=True)[:top]), sum(revenue.values())
        return {
            "customers": len(revenue), "topCustomers": top, "totalMinor": total, "topMinor": best,
            "share": share(best, total),
        }  # fmt: skip

    def cohorts(self, months: int = 12) -> list[Row]:
        """Who of those that began in a month bought in each later month."""
        active: dict[str | None, set[int]] = defaultdict(set)
        for invoice in self.bought:
            active[invoice.customer].add(_month(invoice.at))
        began: dict[int, list[set[int]]] = defaultdict(list)
        for of_customer in active.values():
            began[min(of_customer)].append(of_customer)
        last = max(map(max, active.values()))
        return [
            {
                "cohort": f"{cohort // 12:04}-{cohort % 12 + 1:02}",
                "customers": len(members),
                "month": month,
                "active": (found := sum(cohort + month in of_customer for of_customer in members)),
                "rate": share(found, len(members)),
            }
            for cohort, members in sorted(began.items())
            for month in range(min(months, last - cohort) + 1)
        ]

    def retention(self, since: datetime, middle: datetime, until: datetime) -> Row:
        """What the customers of one period bring in the next."""
        base = self._revenue([each for each in self.told if since <= each.at < middle])
        following = self._revenue([each for each in self.told if middle <= each.at < until])
        pairs = [(value, max(following.get(customer, 0), 0)) for customer, value in base.items() if value > 0]
        total = sum(value for value, _ in pairs)
        kept = sum(later > 0 for _, later in pairs)
        return {
            "customers": len(pairs), "kept": kept, "baseMinor": total, "nextMinor": sum(later for _, later in pairs),
            "logoRetention": share(kept, len(pairs)), "nrr": share(sum(later for _, later in pairs), total),
            "grr": share(sum(min(pair) for pair in pairs), total),
        }  # fmt: skip

    def breadth(self) -> Row:
        """How many different articles a customer buys."""
        articles: dict[str | None, set[str]] = defaultdict(set)
        for invoice in self.bought:
            articles[invoice.customer].update(invoice.skus)
        return {"customers": len(articles), "meanProducts": share(sum(map(len, articles.values())), len(articles))}

    def _revenue(self, told: Iterable[Invoice]) -> dict[str, int]:
        revenue: dict[str, int] = defaultdict(int)
        for invoice in told:
            if invoice.customer:
                revenue[invoice.customer] += invoice.minor
        return revenue


def _customers(told: Iterable[Invoice]) -> int:
    return len({invoice.customer for invoice in told} - {None})


def _month(at: datetime) -> int:
    return at.year * 12 + at.month - 1


class Office:
    """The complaints as they stood by an instant."""

    def __init__(self, every: Iterable[Complaint], until: datetime) -> None:
        self.received = [complaint for complaint in every if complaint.received <= until]
        self.sent = [complaint for complaint in self.received if complaint.sent <= until]

    def scope(self) -> Row:
        """What they are about."""
        return {
            "complaints": len(self.received),
            "products": len({each.product for each in self.received}),
            "issues": len({each.issue for each in self.received}),
            "bodies": len({each.company for each in self.sent}),
            "lastAt": max(each.received for each in self.received),
        }

    def issues(self) -> list[Row]:
        """The issues, most frequent first."""
        counted = sorted(Counter(each.issue for each in self.received).items(), key=lambda told: (-told[1], told[0]))
        total, so_far, found = len(self.received), 0, []
        for issue, many in counted:
            vital, so_far = so_far * 100 < total * 80, so_far + many
            found.append({"issue": issue, "complaints": many, "runningShare": share(so_far, total), "vital": vital})
        return found

    def delays(self) -> Row:
        """How long they lay before they were sent."""
        days = [(each.sent - each.received).days for each in self.sent]
        return {
            "referred": len(days), "notReferred": len(self.received) - len(days), "minDays": min(days),
            "medianDays": median(days), "meanDays": share(sum(days), len(days)), "maxDays": max(days),
            "beforeOpening": sum(each < 0 for each in days),
        }  # fmt: skip

    def responses(self) -> Row:
        """What was answered, in time or not, disputed or not."""
        timely = sum(each.timely for each in self.sent)
        disputed = Counter(each.disputed for each in self.sent)
        return {
            "complaints": len(self.sent), "timely": timely, "timelyRate": share(timely, len(self.sent)),
            "disputed": disputed["Yes"], "undisputed": disputed["No"], "unknown": disputed[""],
        }  # fmt: skip
