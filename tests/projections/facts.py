"""Facts to be entered, as plain as a test can say them; ids are made of names, times are UTC."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from domain.case import Case
from domain.customer import Customer
from domain.entry import Entry
from domain.event import Event
from domain.purchase import Line, Purchase
from domain.touchpoint import Touchpoint
from domain.vocabulary import CaseKind, Channel, Direction

NAMES = UUID("6f1c2a7e-6a51-4a53-8a3a-0a5b9d1e2f40")


def named(name: str) -> UUID:
    """The id that a name stands for."""
    return uuid5(NAMES, name)


def day(text: str) -> datetime:
    """An instant, in UTC unless it has an offset, such as ``2026-01-31`` or ``2026-01-31T12:00``."""
    told = datetime.fromisoformat(text)
    return told if told.tzinfo else told.replace(tzinfo=UTC)


def fact(kind: type[Event], stream: str, at: str, /, **fields: Any) -> Event:
    """An event of a named stream."""
    envelope = {
        "actor_kind": "employee",
        "actor_id": "ann",
        "command_id": uuid5(NAMES, f"{kind} {stream} {at} {fields}"),
    }
    return kind(**{"stream_id": named(stream), "occurred_at": day(at)} | envelope | fields)  # fmt: skip


def registered(customer: str, at: str = "2026-01-01", **fields: Any) -> Event:
    """A customer became known."""
    return fact(Customer.Registered, customer, at, customer_id=named(customer), **fields)


def bought(purchase: str, customer: str | None, at: str, amount: int = 100, **fields: Any) -> Event:
    """A purchase of one line, or of the given ``lines``."""
    lines = fields.pop("lines", [Line(sku="A", quantity=1, amount_minor=amount)])
    total = sum(line.amount_minor for line in lines)
    whom = customer and named(customer)
    told = {"currency": "EUR", "lines": lines, "total_minor": total, "reference": purchase} | fields
    return fact(Purchase.Recorded, purchase, at, customer_id=whom, **told)


def returned(purchase: str, customer: str | None, at: str, amount: int = 100, **fields: Any) -> Event:
    """A return of a named purchase."""
    lines = [Line(sku="A", quantity=1, amount_minor=amount)]
    whom = customer and named(customer)
    told = {"currency": "EUR", "lines": lines, "total_minor": amount} | fields
    return fact(Purchase.Returned, purchase, at, customer_id=whom, **told)


def unmatched(document: str, customer: str | None, at: str, amount: int = 100, **fields: Any) -> Event:
    """A return that names no purchase."""
    lines = [Line(sku="A", quantity=1, amount_minor=amount)]
    whom = customer and named(customer)
    told = {"currency": "EUR", "lines": lines, "total_minor": amount, "reference": document} | fields
    return fact(Purchase.ReturnedUnmatched, document, at, customer_id=whom, **told)


def opened(case: str, customer: str | None, at: str, /, **fields: Any) -> Event:
    """A case was opened; a complaint unless told otherwise."""
    told = {"kind": CaseKind.COMPLAINT, "channel": Channel.PHONE} | fields
    return of_case(Case.Opened, case, customer, at, **told)


def of_case(kind: type[Event], case: str, customer: str | None, at: str, /, **fields: Any) -> Event:
    """Something happened in a case."""
    return fact(kind, case, at, customer_id=customer and named(customer), case_id=named(case), **fields)


def touched(touchpoint: str, customer: str, at: str, **fields: Any) -> Event:
    """A contact took place."""
    told = {"channel": Channel.PHONE, "direction": Direction.INBOUND, "purpose": "a question"} | fields
    return fact(Touchpoint.Recorded, touchpoint, at, customer_id=named(customer), **told)


def voided(target: Event, position: int, at: str = "2026-12-31") -> Event:
    """The entry that stands at a position was declared void."""
    return fact(
        Entry.Voided, "-", at, stream_id=target.stream_id, customer_id=target.customer_id, case_id=target.case_id,
        voided_position=position, voided_type=target.type_name, reason="entered by mistake", actor_id="bob",
    )  # fmt: skip


def days(number: int) -> timedelta:
    """So many days."""
    return timedelta(days=number)
