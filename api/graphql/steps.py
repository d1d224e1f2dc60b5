"""Entries that are shown one by one with what each changed: what their types share."""

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

import msgspec
from msgspec import Meta, Struct

from domain.event import Event, field_doc
from domain.vocabulary import ActorKind, Role
from projections.engine.explaining import Change

from .names import camel


def _like(envelope: str) -> Meta:
    return Meta(description=field_doc(Event, envelope))


class FieldChange(Struct):
    """A field that an entry changed. Personal text is told with the entry it came with, and not here."""

    field: str
    """The field, as the read model calls it."""
    before: Any
    """Its value before, as it is stored; null where it had none."""
    after: Any
    """Its value after."""


class EntryStep(Struct):
    """One entry, by whom and when."""

    position: Annotated[int, _like("position")]
    type: str
    """What happened, such as Case.Opened."""
    occurred_at: Annotated[datetime, _like("occurred_at")]
    recorded_at: Annotated[datetime, _like("recorded_at")]
    actor_kind: Annotated[ActorKind, _like("actor_kind")]
    actor_id: Annotated[str, _like("actor_id")]
    actor_role: Annotated[Role | None, _like("actor_role")]
    stream_id: Annotated[UUID, _like("stream_id")]
    stream_version: Annotated[int, _like("stream_version")]
    command_id: Annotated[UUID, _like("command_id")]
    data: dict[str, Any]
    """The entry's own fields; personal ones only for roles that may see them."""
    voided_by: int | None
    """The position of the entry that declared this one void."""
    amended_by: int | None
    """The position of the last entry that stated some fields of this one anew; ``data`` is as it was entered."""
    altered: bool
    """Whether it no longer gives the leaf that it was entered with, so that somebody altered it: run daybook verify."""


def told(declared: type[EntryStep], entry: Event, changes: Sequence[Change], **more: Any) -> dict[str, Any]:
    """A step as the dict its JSON is; ``data`` with its type, as its shape expects."""
    fields = {name: getattr(entry, name, None) for name in declared.__struct_fields__}
    shown: dict[str, Any] = msgspec.to_builtins(
        fields
        | {
            "type": entry.type_name,
            "data": (entry.type_name, entry.payload()),
            "changes": [change._asdict() | {"field": camel(change.field)} for change in changes],
        }
        | more
    )
    return shown
