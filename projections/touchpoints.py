"""The touchpoints: every contact with a customer, with channel and duration."""

from datetime import datetime
from uuid import UUID

from domain.entry import Entry
from domain.event import Event
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction, Interface
from projections.engine.model import ReadModel, Sealed, on


class Touchpoints(
    ReadModel,
    key="touchpoint_id",
    by="stream_id",
    version=2,
    begins=(Touchpoint.Recorded,),
    indexes=(("customer_id", "occurred_at"), ("case_id", "occurred_at"), ("occurred_at", "touchpoint_id")),
):
    """One contact."""

    touchpoint_id: UUID
    """The touchpoint's id."""
    customer_id: UUID | None = None
    case_id: UUID | None = None
    occurred_at: datetime | None = None
    channel: Channel | None = None
    direction: Direction | None = None
    interface: Interface | None = None
    purpose: str | None = None
    """What the contact was about."""
    agent_id: str | None = None
    """Who of us took part."""
    automated: bool = False
    """Whether no human of ours took part."""
    duration_s: int | None = None
    """How long it took, in seconds."""
    summary: Sealed | None = None
    """What was said."""
    version: int = 0
    """The touchpoint's own version, to be given as expectedVersion."""

    @on(Touchpoint.Recorded)
    def recorded(self, e: Touchpoint.Recorded) -> None:
        """Take the contact over as told."""
        self.customer_id, self.case_id, self.occurred_at = e.customer_id, e.case_id, e.occurred_at
        self.channel, self.direction, self.interface = e.channel, e.direction, e.interface
        self.purpose, self.agent_id, self.automated = e.purpose, e.agent_id, e.automated
        self.duration_s, self.summary, self.version = e.duration_s, e.summary, e.stream_version

    @on(Touchpoint.LinkedToCase)
    def linked(self, e: Touchpoint.LinkedToCase) -> None:
        """Note the case it was found to belong to."""
        self.case_id, self.version = e.case_id, e.stream_version

    @on(Entry.Voided, Entry.Amended)
    def corrected(self, e: Event) -> None:
        """Note the version; the corrected entry itself is folded otherwise."""
        self.version = e.stream_version
