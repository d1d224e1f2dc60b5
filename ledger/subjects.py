"""Subjects: whose each personal field of an event is."""

from collections.abc import Collection
from functools import cache
from typing import get_type_hints
from uuid import UUID

from domain.event import Event, mark, personal_fields


@cache
def _named_by(event: type[Event]) -> dict[str, str]:
    """The personal fields that speak of another person, each with the field that holds the person's id."""
    hints = get_type_hints(event, include_extras=True)
    return {field: named for field in personal_fields(event) if (named := mark(hints[field], "of"))}


def naming_fields(event: type[Event]) -> tuple[str, ...]:
    """The fields of an event that name other persons something personal in it is about."""
    return tuple(dict.fromkeys(_named_by(event).values()))


def subject_of(event: Event, field: str | None = None) -> UUID:
    """Whose key seals a personal field: that of the person the field is of, the customer's, or else the stream's own.

    Without a field it is whom the event as a whole is about.
    """
    if field and (named := _named_by(type(event)).get(field)):
        subject: UUID = getattr(event, named)
        return subject
    return event.customer_id or event.stream_id


def subjects_of(event: Event) -> Collection[UUID]:
    """Whose keys seal what personal text there is in an event."""
    kind = type(event)
    of_others = _named_by(kind)
    told = [field for field in personal_fields(kind) if getattr(event, field) is not None]
    if told and not of_others:
        return (event.customer_id or event.stream_id,)
    return {subject_of(event, field) for field in told} if told else ()
