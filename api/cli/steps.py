"""Entries and what each one changed, as a terminal and as JSON show them."""

import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Protocol

import msgspec
from rich.text import Text

from domain.event import Event, personal_fields
from projections.engine.explaining import Change

from .instants import written

CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Why: a customer's words must not move the cursor of an auditor's terminal."""
VALUE_MAX = 500
"""Why: a longer text fills the screen; it is in full in the JSON."""


class Told(Protocol):
    """An entry with what it changed and how it was corrected."""

    @property
    def entry(self) -> Event:
        """The entry, its personal fields in clear."""

    @property
    def changes(self) -> Sequence[Change]:
        """What it changed."""

    @property
    def voided_by(self) -> int | None:
        """The position of the entry that declared it void."""

    @property
    def amended_by(self) -> int | None:
        """The position of the last entry that stated fields of it anew."""


def erased(sealed: Event, opened: Event) -> list[str]:
    """The fields of an entry that hold text nobody can read any more, as the person was erased."""
    return [
        field
        for field in sorted(personal_fields(type(sealed)))
        if getattr(sealed, field) is not None and getattr(opened, field) is None
    ]


def as_object(step: Told, gone: Sequence[str]) -> dict[str, Any]:
    """A step for programs."""
    entry = step.entry
    return {
        "position": entry.position,
        "type": entry.type_name,
        "occurred_at": entry.occurred_at,
        "recorded_at": entry.recorded_at,
        "actor": {"kind": entry.actor_kind, "id": entry.actor_id, "role": entry.actor_role},
        "data": entry.payload(),
        "erased": gone,
        "changes": [change._asdict() for change in step.changes],
        "voided_by": step.voided_by,
        "amended_by": step.amended_by,
    }


def lines(step: Told, gone: Sequence[str], note: str = "") -> Iterator[Text]:
    """A step for people: when, what, by whom, what the entry says, and what it changed that it does not say."""
    entry = step.entry
    yield Text.assemble(
        (f"\n#{entry.position}  ", "dim"),
        (f"{written(entry.occurred_at)}  ", ""),
        (entry.type_name, "bold strike" if step.voided_by else "bold"),
        f"  by {entry.actor_id} ({entry.actor_role or entry.actor_kind})",
        (f"  {note}" if note else "", "yellow"),
        (f"  amended by #{step.amended_by}" if step.amended_by else "", "yellow"),
        (f"  void by #{step.voided_by}" if step.voided_by else "", "red"),
    )
    said = {field: value for field, value in entry.payload().items() if value not in (None, [], {})}
    for field, value in said.items():
        yield Text.assemble(f"    {_words(field)}: ", (_shown(value), "cyan"))
    for field in gone:
        yield Text.assemble(f"    {_words(field)}: ", ("erased", "dim"))
    told = {field: _plain(value) for field, value in said.items()}
    for change in step.changes:
        if (change.field, _plain(change.after)) not in told.items():
            yield _changed(change)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, builtin_types=(datetime,))


def _changed(change: Change) -> Text:
    before, after = _shown(change.before), _shown(change.after)
    return Text.assemble((f"    → {_words(change.field)}: ", "green"), (f"{before} → ", "dim"), (after, "green"))


def _shown(value: Any) -> str:
    plain = _plain(value)
    if isinstance(plain, datetime):
        return written(plain)
    if plain in (None, [], {}):
        return "–"
    if isinstance(plain, list):
        return "; ".join(map(_shown, plain))
    if isinstance(plain, dict):
        return ", ".join(f"{_words(name)} {_shown(part)}" for name, part in plain.items() if part is not None)
    text = {True: "yes", False: "no"}[plain] if isinstance(plain, bool) else str(plain)
    text = CONTROL.sub("�", text)
    return text if len(text) <= VALUE_MAX else f"{text[:VALUE_MAX]}…"


def _words(name: str) -> str:
    return name.replace("_", " ")
