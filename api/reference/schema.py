"""``events.schema.json``: the payload of every event as JSON Schema."""

from typing import Any, get_type_hints

import msgspec

from domain.event import Event, events, field_doc, input_fields, marked, payload_fields
from domain.text import first_sentence

DIALECT = "https://json-schema.org/draft/2020-12/schema"
DEFINITION = "#/$defs/{name}"


def page() -> str:
    """The schema; an event's definition has the event's stored name."""
    listed = dict(sorted(events().items()))
    references, definitions = msgspec.json.schema_components(map(_payload, listed.values()), ref_template=DEFINITION)
    names = [reference["$ref"].rpartition("/")[2] for reference in references]
    payloads = {name: _described(listed[name], definitions.pop(name)) for name in names}
    told = {
        "$schema": DIALECT,
        "title": "Daybook events",
        "description": "The payload of each event under its stored name, personal text in clear.",
        "$defs": payloads | dict(sorted(definitions.items())),
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def altered(before: str, now: str) -> list[str]:
    """The events that have other fields than before and the same schema, of two texts of this page.

    What was entered would be read as something else than it said, and a mirror of it would not be its fold.
    """
    forms = [
        {
            (name, told["x-schema"]): {(field, said.get("x-personal")) for field, said in told["properties"].items()}
            for name, told in msgspec.json.decode(text)["$defs"].items()
            if "x-schema" in told
        }
        for text in (before, now)
    ]
    return sorted(form[0] for form in forms[0].keys() & forms[1].keys() if forms[0][form] != forms[1][form])


def _payload(event: type[Event]) -> type[msgspec.Struct]:
    """A structure of the event's own fields, without the envelope."""
    hints = get_type_hints(event, include_extras=True)
    fields = {field.name: field for field in msgspec.structs.fields(event)}
    return msgspec.defstruct(
        event.type_name, [_field(fields[name], hints[name]) for name in payload_fields(event)], kw_only=True
    )


def _field(field: msgspec.structs.FieldInfo, hint: Any) -> Any:
    if field.required:
        return field.name, hint
    if field.default is msgspec.NODEFAULT:
        return field.name, hint, msgspec.field(default_factory=field.default_factory)
    return field.name, hint, field.default


def _described(event: type[Event], definition: dict[str, Any]) -> dict[str, Any]:
    """The definition with the event's and the fields' own words and marks."""
    hints = get_type_hints(event, include_extras=True)
    definition |= {"description": first_sentence(event.__doc__), "x-schema": event.schema}
    for name, field in definition["properties"].items():
        field["description"] = field_doc(event, name)
        if marked(hints[name], "personal"):
            field["x-personal"] = True
        if name not in input_fields(event):
            field["x-decided"] = True
    return definition
