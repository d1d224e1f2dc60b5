"""Markers: personal text planted in every personal field there is, and looked for in every form bytes can take."""

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from urllib.parse import quote
from uuid import UUID, uuid5

import msgspec
from msgspec import Meta
from msgspec.structs import replace

from domain.case import Case
from domain.customer import Customer
from domain.event import Event, events, payload_fields, personal_fields

NAMES = UUID("0a7b6a34-7a5c-4a0e-9d0c-2f3b6de0c5a9")
LONG_AGO = datetime(2015, 3, 1, tzinfo=UTC)
SCRIPTS = {
    "latin": "Zwölfboxkämpfer-Łódź-Ñandú",
    "chinese": "欧阳娜娜住在建国门外大街",
    "arabic": "فاطمة-الزهراء-في-القاهرة",
    "cyrillic": "Александра-из-Ярославля",
    "emoji": "🙈🙉🙊👩‍👩‍👧‍👦🏳️‍🌈🦄",
}


def planted(script: str, other: UUID) -> list[Event]:
    """One entry of every kind that holds personal text, in the name of a customer; ``other`` is a second person."""
    customer = uuid5(NAMES, script)
    kinds = [kind for kind in events().values() if personal_fields(kind) and "<locals>" not in kind.__qualname__]
    # What begins a history comes first in it.
    kinds.sort(key=lambda kind: (kind not in (Customer.Registered, Case.Opened), kind.type_name))
    return [_entry(kind, n, customer, script, other) for n, kind in enumerate(kinds)]


def _entry(kind: type[Event], n: int, customer: UUID, script: str, other: UUID) -> Event:
    hints = get_type_hints(kind, include_extras=True)
    personal = {field: f"{SCRIPTS[script]} {field}" for field in personal_fields(kind)}
    required = [field.name for field in msgspec.structs.fields(kind) if field.required and field.name not in personal]
    told = {field: _some(hints[field]) for field in required if field in payload_fields(kind)}
    told |= {field: other for field in payload_fields(kind) if field == "person_id"}
    own = kind.aggregate is Customer
    of = customer if own else uuid5(NAMES, f"{script} {kind.aggregate.__name__}")
    return replace(
        kind(**told, **personal),
        stream_id=of,
        customer_id=customer,
        case_id=of if kind.aggregate is Case else None,
        occurred_at=LONG_AGO + timedelta(hours=n),
        actor_kind="import",
        actor_id="markers",
        command_id=uuid5(NAMES, f"{script} {kind.type_name}"),
    )


def _some(hint: Any) -> Any:
    """Some value of a declared type."""
    if get_origin(hint) is Annotated:
        plain, *extras = get_args(hint)
        low = next((extra.ge for extra in extras if isinstance(extra, Meta) and extra.ge is not None), 0)
        return low if plain is int else _some(plain)
    if isinstance(hint, type) and issubclass(hint, Enum):
        return next(iter(hint))
    return {str: "x", int: 1, bool: False, datetime: LONG_AGO, UUID: NAMES}.get(hint, [])


def forms(text: str) -> Iterator[bytes]:
    """Every form in which a text could stand in a file: encoded, escaped, and in base64 wherever it begins."""
    for encoding in ("utf-8", "utf-16-le", "utf-16-be", "utf-32-le"):
        raw = text.encode(encoding)
        yield raw
        yield raw.hex().encode()
        yield raw.hex().upper().encode()
        for shift in range(3):
            for encoded in (base64.b64encode, base64.urlsafe_b64encode):
                # The letters that depend on the text alone, and not on what stands before and after it.
                yield encoded(b"\0" * shift + raw)[4 if shift else 0 : -4]
    escaped = json.dumps(text)[1:-1]
    yield from (escaped.encode(), escaped.upper().replace("\\U", "\\u").encode(), quote(text).encode())
    yield escaped.replace("\\", "\\\\").encode()


def found(places: Iterator[Path], texts: dict[str, str]) -> list[tuple[str, str]]:
    """In which files which of the texts stand, in whatever form; each text by its name."""
    looked = {name: set(forms(text)) for name, text in texts.items()}
    hits = []
    for place in places:
        held = place.read_bytes()
        hits += [(str(place), name) for name, shapes in looked.items() if any(shape in held for shape in shapes)]
    return hits
