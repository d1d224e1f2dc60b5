"""``events.md``: every event with its fields."""

from itertools import groupby
from typing import get_type_hints

import msgspec

from domain.event import ENVELOPE, Event, events, field_doc, input_fields, marked, payload_fields
from domain.text import first_sentence
from domain.vocabulary import TEXT_MAX

from . import markdown
from .inspection import recorded_by
from .markdown import code, link, table
from .types import shown

INTRODUCTION = f"""
Every event that can be entered, by aggregate. The heading is the stored name. Fields are named as they are stored and
as a mapping for import names them; GraphQL writes `dueAt` for `due_at`.

*Given* says where a value comes from: the caller must give a *required* field and may give an *optional* one; a
*decided* field is filled in by the command. A *personal* field, of at most {TEXT_MAX} characters, is sealed with the
subject's own key before it is stored.

[events.schema.json](events.schema.json) says the same as JSON Schema, with one definition for each event.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip(), "## The envelope", "What every entry carries, whatever it says.", _envelope()]
    listed = sorted(events().values(), key=lambda event: event.aggregate.__name__)
    for aggregate, group in groupby(listed, key=lambda event: event.aggregate):
        parts += [f"## {aggregate.__name__}", first_sentence(aggregate.__doc__)]
        for event in group:
            parts += _section(event)
    return markdown.page("Events", *parts)


def _envelope() -> str:
    hints = get_type_hints(Event, include_extras=True)
    rows = [(code(field), shown(hints[field]), field_doc(Event, field)) for field in ENVELOPE]
    return table(("field", "type", "meaning"), rows)


def _section(event: type[Event]) -> list[str]:
    by = [link(command.name, "commands.md") for command in recorded_by(event)]
    told = f"Schema {event.schema}. " + (f"Recorded by {', '.join(by)}." if by else "No command records it directly.")
    hints = get_type_hints(event, include_extras=True)
    required = {field.name for field in msgspec.structs.fields(event) if field.required}
    rows = []
    for field in payload_fields(event):
        given = "required" if field in required else "optional" if field in input_fields(event) else "decided"
        personal = ", personal" if marked(hints[field], "personal") else ""
        rows.append((code(field), shown(hints[field]), given + personal, field_doc(event, field)))
    fields = table(("field", "type", "given", "meaning"), rows) or "It has no fields of its own."
    return [f"### {event.type_name}", first_sentence(event.__doc__), told, fields]
