"""A look: somebody read what is personal, or took evidence about a person away."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from uuid import UUID

from msgspec import Meta

from .aggregate import Aggregate
from .command import Context
from .event import Event
from .vocabulary import LIST_MAX, Name


class LookPurpose(StrEnum):
    """What somebody looked at personal data for."""

    ANSWER = "answer"
    """A question was answered, such as a customer's page."""
    REPLAY = "replay"
    """A case was replayed."""
    EXPLANATION = "explanation"
    """A row of a read model was explained."""
    EXPORT = "export"
    """What is held of a person was exported."""
    PROOF = "proof"
    """Evidence was taken out of the ledger."""


TAKING = frozenset({LookPurpose.REPLAY, LookPurpose.EXPORT, LookPurpose.PROOF})
"""Purposes that are recorded whether or not anything sealed was opened for them."""


class Look(Aggregate):
    """One person's look at another's data, told in full when it is recorded."""

    class Recorded(Event):
        """Somebody saw personal data of the customer named in the envelope, or took evidence about them away.

        Whoever sees the same again within the hour has looked once.
        """

        purpose: LookPurpose
        subject_id: UUID
        """The customer, or the stream of what was entered of nobody in particular."""
        fields: Annotated[list[Name], Meta(max_length=LIST_MAX)] = []
        """The personal fields that were opened, by name."""
        taken: Name | None = None
        """What was replayed, explained, exported or proved."""

    @classmethod
    def record(cls, context: Context, id: UUID, fact: Recorded) -> Self:
        """Record a look; it is no command, as whoever looks is not asked."""
        return cls.begin(context, id, fact, customer_id=fact.subject_id)
