"""How types are written on the reference pages."""

from collections.abc import Iterator
from datetime import datetime
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec

from .markdown import link

PLAIN: dict[Any, str] = {
    UUID: "UUID",
    int: "integer",
    float: "number",
    str: "text",
    bool: "true or false",
    datetime: "instant",
    Path: "path",
    Any: "any",
}
BOUNDS = {"ge": "from {}", "gt": "above {}", "le": "to {}", "lt": "below {}", "min_length": "at least {}"}
BOUND_SHOWN_MAX = 2**31 - 1
"""Why: beyond it a bound only guards the storage, and says nothing of the matter."""


def shown(hint: Any) -> str:
    """A type in words; enumerations and structures link to the vocabulary."""
    if get_origin(hint) is Annotated:
        inner, *extras = get_args(hint)
        bounds = [bound for extra in extras if isinstance(extra, msgspec.Meta) for bound in _bounds(extra)]
        return " ".join([shown(inner), *bounds])
    if get_origin(hint) is list:
        return f"list of {shown(get_args(hint)[0])}"
    if get_origin(hint) is dict:
        return "object"
    if is_word(hint):
        return link(hint.__name__, "vocabulary.md")
    if given := [shown(part) for part in get_args(hint) if part is not type(None)]:
        return " or ".join(given)
    return PLAIN[hint]


def _bounds(meta: msgspec.Meta) -> Iterator[str]:
    for name, words in BOUNDS.items():
        value = getattr(meta, name)
        if value is not None and abs(value) <= BOUND_SHOWN_MAX and (name, value) != ("min_length", 1):
            yield words.format(value)
    if meta.max_length is not None:
        yield f"up to {meta.max_length}"
    if meta.pattern is not None:
        yield f"like `{meta.pattern}`"


def is_word(hint: Any) -> bool:
    """Whether a type has an entry of its own in the vocabulary."""
    return isinstance(hint, type) and issubclass(hint, Enum | msgspec.Struct)


def words(hint: Any) -> Iterator[type[Any]]:
    """The enumerations and structures a type is made of, and those these are made of."""
    if is_word(hint):
        yield hint
        if issubclass(hint, msgspec.Struct):
            for inner in get_type_hints(hint, include_extras=True).values():
                yield from words(inner)
    for part in get_args(hint):
        yield from words(part)
