"""An entry as the subject of a correction: what was entered wrongly is voided or amended by a further entry."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import field
from typing import Annotated, Any, get_type_hints

import msgspec
from msgspec.structs import replace

from .aggregate import Aggregate
from .command import Context, command
from .customer import Customer
from .event import DECIDED, Amendment, Event, input_fields, marked
from .look import Look
from .misfit import Misfit
from .policy import Policy
from .purchase import Purchase
from .remedy import Remedy
from .rule import Rule
from .vocabulary import Name, Role, Text

MONEY = (Purchase, Remedy)
"""Aggregates whose entries speak of money: voiding one takes a second person."""

ALREADY_VOIDED = Rule("ENTRY_ALREADY_VOIDED", "The entry was voided already.")
NOT_CORRECTABLE = Rule("ENTRY_NOT_CORRECTABLE", "A correction cannot itself be corrected; enter the fact again.")
POLICY_STAYS = Rule(
    "ENTRY_POLICY_STAYS", "A policy that was in force stays on record; publish the next version instead."
)
MERGE_STAYS = Rule("ENTRY_MERGE_STAYS", "A merge is undone by unmerge_customer, not by a correction.")
LOOK_STAYS = Rule("ENTRY_LOOK_STAYS", "Who looked stays on record as it was entered.")
ERASURE_STAYS = Rule(
    "ENTRY_ERASURE_STAYS", "An erasure cannot be taken back or told otherwise: what was destroyed is gone."
)
SECOND_PERSON = Rule("ENTRY_SECOND_PERSON", "You entered this, and it speaks of money; another person must correct it.")
FIELD_NOT_AMENDABLE = Rule(
    "ENTRY_FIELD_NOT_AMENDABLE", "{name} cannot be amended in {kind}; what can be: {known}.", field="changes"
)
FIELD_FIXED = Rule(
    "ENTRY_FIELD_FIXED",
    "{name} stays as it was entered, being personal or what amounts rest on; void the entry and enter it again.",
    field="changes",
)
AMENDED_UNFIT = Rule(
    "ENTRY_AMENDED_UNFIT", "The entry would not fit what the ledger can hold ({problem}).", field="changes"
)
NOTHING_AMENDED = Rule("ENTRY_NOTHING_AMENDED", "The entry already says so; nothing was recorded.", field="changes")


class Entry(Aggregate):
    """The corrections of one history; they stand in the very stream they correct."""

    voided: set[int] = field(default_factory=set)
    amended: dict[int, tuple[Amendment, ...]] = field(default_factory=dict)

    class Voided(Event):
        """An earlier entry was declared void: it stays on record and no longer counts."""

        voided_position: Annotated[int, DECIDED] = 0
        """The position of the voided entry."""
        voided_type: Annotated[Name, DECIDED] = "-"
        """What kind of entry it was."""
        reason: Text
        """Why it is void."""

        @property
        def voids(self) -> int:
            """The position of the voided entry."""
            return self.voided_position

        def apply(self, entry: Entry) -> None:
            entry.voided.add(self.voided_position)

    class Amended(Event):
        """Some fields of an earlier entry were stated anew: it stays on record and counts as amended."""

        schema = 2

        amended_position: Annotated[int, DECIDED] = 0
        """The position of the amended entry."""
        amended_type: Annotated[Name, DECIDED] = "-"
        """What kind of entry it was."""
        amended_schema: Annotated[int, DECIDED] = 1
        """The schema that its kind of entry had when this was entered, which is the form of what is stated anew."""
        changes: dict[str, Any]
        """The fields of its payload that are stated anew, each with its value as the entry would hold it."""
        reason: Text
        """Why it was wrong."""

        @property
        def amends(self) -> int:
            """The position of the amended entry."""
            return self.amended_position

        @property
        def amendment(self) -> Amendment:
            """What is stated anew, and in the form of which schema."""
            return Amendment(self.amended_schema, self.changes)

        def apply(self, entry: Entry) -> None:
            earlier = entry.amended.get(self.amended_position, ())
            entry.amended = entry.amended | {self.amended_position: (*earlier, self.amendment)}

        @staticmethod
        def upcast_v1_v2(data: dict[str, Any]) -> dict[str, Any]:
            """Say what went without saying: as long as amendments did not name a schema, every event had its first."""
            return data | {"amended_schema": 1}

    @command(Role.SUPERVISOR, stream=lambda handed: handed["target"].stream_id)
    def void(self, context: Context, target: Event, fact: Voided) -> None:
        """Declare an earlier entry void, saying why; for money by another person than the one who entered it."""
        self._refuse_uncorrectable(context, target)
        fact = replace(fact, voided_position=target.position, voided_type=target.type_name)
        self.enter(context, fact, customer_id=target.customer_id, case_id=target.case_id)

    @command(Role.SUPERVISOR, stream=lambda handed: handed["target"].stream_id)
    def amend(self, context: Context, target: Event, fact: Amended) -> None:
        """State some fields of an earlier entry anew, saying why; for money by another person than who entered it."""
        self._refuse_uncorrectable(context, target)
        _refuse_unamendable(type(target), fact.changes)
        target = target.amended(self.amended.get(target.position, ()))
        try:
            amended = target.amended([Amendment(target.schema, fact.changes)])
        except msgspec.ValidationError as error:
            AMENDED_UNFIT.refuse(problem=Misfit.of(error).sentence)
        NOTHING_AMENDED.refuse_if(amended == target)
        # As the ledger holds them, whichever way they were written.
        changes = {field: msgspec.to_builtins(getattr(amended, field)) for field in fact.changes}
        fact = replace(
            fact,
            amended_position=target.position,
            amended_type=target.type_name,
            amended_schema=target.schema,
            changes=changes,
        )
        self.enter(context, fact, customer_id=target.customer_id, case_id=target.case_id)

    def _refuse_uncorrectable(self, context: Context, target: Event) -> None:
        ALREADY_VOIDED.refuse_if(target.position in self.voided)
        NOT_CORRECTABLE.refuse_if(target.aggregate is Entry)
        POLICY_STAYS.refuse_if(target.aggregate is Policy)
        MERGE_STAYS.refuse_if(isinstance(target, Customer.Merged | Customer.Unmerged))
        LOOK_STAYS.refuse_if(target.aggregate is Look)
        ERASURE_STAYS.refuse_if(isinstance(target, Customer.Erased))
        SECOND_PERSON.refuse_if(target.aggregate in MONEY and target.actor_id == context.actor.id)


def _refuse_unamendable(kind: type[Event], names: Iterable[str]) -> None:
    hints = get_type_hints(kind, include_extras=True)
    fixed = {name for name in input_fields(kind) if marked(hints[name], "personal") or marked(hints[name], "weighed")}
    known = [name for name in input_fields(kind) if name not in fixed]
    for name in names:
        FIELD_FIXED.refuse_if(name in fixed, name=name)
        FIELD_NOT_AMENDABLE.refuse_if(
            name not in known, name=name, kind=kind.type_name, known=", ".join(known) or "nothing"
        )
