"""Records made into events, as a mapping says."""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import Any, NamedTuple
from uuid import UUID

import msgspec

from domain.aggregate import Aggregate
from domain.case import Case
from domain.customer import Customer
from domain.event import Event, personal_fields
from domain.misfit import Misfit
from domain.vocabulary import REFERENCE_MAX, TEXT_MAX, ActorKind

from .binding import BoundEvent, FieldOf, Key, bound_event, bound_fields, personal_columns
from .faults import Unfit
from .values import Table, Values, extract

SOURCES = UUID("0d7f3c52-9a1e-4a6f-8f0b-4f5a6a1b9c30")
"""Names the sources, and they their streams, so that a fact gets the same ids in whatever ledger."""
CUSTOMER = 0
"""The part of a mapping that says who the customer is, beside its events, which are numbered from 1."""
CUSTOMERS_CACHED_MAX = 100_000
"""Why: some 20 MB; a customer's id is asked for with every record of theirs."""


class Circumstances(NamedTuple):
    """What an import run adds to every event."""

    import_id: UUID
    latest: datetime
    """The latest instant at which something can have happened."""


class Drafter:
    """Makes the events of records."""

    def __init__(self, table: Table, run: Circumstances) -> None:
        """Bind a mapping to a file's columns; raises :class:`SourceError` where they do not fit."""
        mapping = table.named.mapping
        self._source, self._system, self._run = mapping.source, mapping.system or mapping.source, run
        self._own, self._shared = named_id(SOURCES, self._source), named_id(SOURCES, self._system)
        self._envelope = {
            "actor_kind": ActorKind.IMPORT.value,
            "actor_id": self._source,
            "correlation_id": run.import_id,
        }
        self._reference = None
        self._profile: list[tuple[str, FieldOf]] = []
        self._bound = [bound_event(n, form, table) for n, form in enumerate(mapping.event, 1)]
        self.personal_columns = frozenset().union(*(bound.personal_columns for bound in self._bound))
        """The columns that personal fields are taken from."""
        if mapping.customer:
            told = {"reference": mapping.customer.reference, **mapping.customer.fields}
            self._reference = extract(mapping.customer.reference, str, table, "customer.reference")
            self._profile, _ = bound_fields(Customer.Registered, told, table, "customer")
            self.personal_columns |= personal_columns(Customer.Registered, told)
        self._customer_id = lru_cache(maxsize=CUSTOMERS_CACHED_MAX)(self._customer_stream)

    def customer(self, values: Values) -> str | None:
        """The reference of the customer a row names, ``None`` where it names none; raises :class:`Unfit`."""
        reference: str | None = self._reference(values) if self._reference else None
        return reference

    def draft(self, key: str, rows: Sequence[Values], customer: str | None) -> list[Event]:
        """The events of a record; raises :class:`Unfit` where one of them cannot be made."""
        first = rows[0]
        customer_id = None if customer is None else self._customer_id(customer)
        return [
            self._event(bound, key, rows, customer_id)
            for bound in self._bound
            if all(test(first) for test in bound.tests)
        ]

    def attempts(self, key: str, rows: Sequence[Values]) -> Iterator[tuple[int, Unfit | None]]:
        """The parts of the mapping that a record is for, each with why it does not fit there, ``None`` where it does.

        A part is named by the number of its ``[[event]]``, or is :data:`CUSTOMER`.
        """
        try:
            customer = self.customer(rows[0])
        except Unfit as unfit:
            yield CUSTOMER, Unfit(str(unfit), "reference")
            return
        if customer is not None:
            yield CUSTOMER, _misfit(lambda: self.registration(customer, rows, self._run.latest))
        customer_id = None if customer is None else self._customer_id(customer)
        for bound in self._bound:
            if all(test(rows[0]) for test in bound.tests):
                yield bound.number, _misfit(partial(self._event, bound, key, rows, customer_id))

    def registration(self, customer: str, rows: Sequence[Values], occurred_at: datetime) -> Event:
        """The event by which a customer becomes known; raises :class:`Unfit`."""
        customer_id = self._customer_id(customer)
        told = _taken(self._profile, rows)
        told |= {
            "source": self._system,
            "external_id": f"{customer}/customer",
            "stream_id": customer_id,
            "customer_id": customer_id,
            "occurred_at": occurred_at,
            # What a later row says otherwise of the customer is no clash: the first stands.
            "command_id": named_id(customer_id, "registered"),
        }
        return self._built(Customer.Registered, told)

    def _event(self, bound: BoundEvent, key: str, rows: Sequence[Values], customer_id: UUID | None) -> Event:
        event, first = bound.event, rows[0]
        about_customer = event.aggregate is Customer
        if about_customer and customer_id is None:
            raise Unfit(f"{event.type_name} needs a customer, and the row names none")
        stream_id = customer_id if about_customer else self._thing(event.aggregate, bound.stream, key, first)
        if stream_id is None:
            raise Unfit(f"{event.type_name}: the columns that name its stream are blank", "stream")
        told: dict[str, Any] = {
            "source": self._source,
            "external_id": f"{key}/{bound.number}",
            "stream_id": stream_id,
            "customer_id": customer_id if bound.customer else None,
            "case_id": stream_id if event.aggregate is Case else self._case(bound, key, first),
        }
        try:
            told |= _taken(bound.fields, rows)
        except Unfit as unfit:
            raise Unfit(f"{event.type_name}: {unfit}", unfit.place) from None
        for total in bound.sums:
            told[total.field] = sum(item.get(total.part, 0) for item in told[total.items])
        return self._built(event, told)

    def _case(self, bound: BoundEvent, key: str, first: Values) -> UUID | None:
        return self._thing(Case, bound.case, key, first) if bound.case or bound.case_of_record else None

    def _thing(self, kind: type[Aggregate], name: Key | None, key: str, first: Values) -> UUID | None:
        """The stream of the thing that columns name, ``None`` where they are blank, or else that the record is."""
        if name is None:
            return named_id(self._own, f"{kind.__name__}/{key}")
        named = name(first)
        return named_id(self._shared, f"{kind.__name__}/{named}") if named else None

    def _customer_stream(self, reference: str) -> UUID:
        return named_id(self._shared, f"Customer/{reference}")

    def _built(self, event: type[Event], told: dict[str, Any]) -> Event:
        occurred_at, external_id = told.get("occurred_at"), told["external_id"]
        if occurred_at is None:
            raise Unfit(f"{event.type_name}: there is no time at which it happened", "occurred_at")
        if occurred_at > self._run.latest:
            raise Unfit(f"{event.type_name}: {occurred_at} lies in the future", "occurred_at")
        if len(external_id) > REFERENCE_MAX:
            raise Unfit(f"the id of the row has more than {REFERENCE_MAX} characters")
        told["type"] = event.__struct_config__.tag
        try:
            built: Event = msgspec.convert(told | self._envelope, event)
        except msgspec.ValidationError as error:
            misfit = Misfit.of(error)
            raise Unfit(f"{event.type_name}: {_plain(misfit)}", re.split(r"[.\[]", misfit.path)[0]) from None
        for field in personal_fields(event):
            if len(getattr(built, field) or "") > TEXT_MAX:
                raise Unfit(f"{event.type_name}: {field} has more than {TEXT_MAX} characters", field)
        return built


def _taken(fields: Iterable[tuple[str, FieldOf]], rows: Sequence[Values]) -> dict[str, Any]:
    """The values of fields that are not blank; raises :class:`Unfit`, which says at which."""
    told: dict[str, Any] = {}
    for field, take in fields:
        try:
            value = take(rows)
        except Unfit as unfit:
            raise Unfit(str(unfit), field) from None
        if value is not None:
            told[field] = value
    return told


def _misfit(make: Callable[[], object]) -> Unfit | None:
    """Why something cannot be made, ``None`` where it can."""
    try:
        make()
    except Unfit as unfit:
        return unfit
    return None


def named_id(namespace: UUID, name: str) -> UUID:
    """The UUID of version 5 for a name, as :func:`uuid.uuid5` gives it in twice the time."""
    digest = hashlib.sha1(namespace.bytes + name.encode(), usedforsecurity=False).hexdigest()
    variant = "89ab"[int(digest[16], 16) & 3]
    return msgspec.convert(f"{digest[:12]}5{digest[13:16]}{variant}{digest[17:32]}", UUID)


def _plain(misfit: Misfit) -> str:
    """What does not fit, for someone who looks at a row: lines are counted from 1."""
    return re.sub(r"\[(\d+)\]", lambda found: f" {int(found[1]) + 1}", misfit.path) + f" {misfit.problem}"
