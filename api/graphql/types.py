"""GraphQL types made of the structs and enumerations that declare read models, events and metrics."""

import types
from collections.abc import Mapping
from datetime import datetime
from enum import Enum
from functools import cache
from typing import Annotated, Any, NamedTuple, get_args, get_origin, get_type_hints
from uuid import UUID

import msgspec
import strawberry
from msgspec import Meta, Struct
from strawberry import UNSET
from strawberry.scalars import JSON

from domain.event import marked
from domain.text import described, field_docs, first_sentence
from projections.engine.hints import optional

from . import access
from .names import camel
from .scalars import Long

INT_MAX = 2**31 - 1
"""Why: the largest number GraphQL's Int holds; what may be larger is a Long."""
PERSONAL = f"Personal: for {access.listed(access.PERSONAL)}; null for others, and once the person is erased."
PLAIN = (str, bool, float, UUID, datetime)


class Leaf(NamedTuple):
    """One field of a struct as GraphQL shows it."""

    field: str
    """Its name in Python and in JSON."""
    hint: Any
    doc: str


def plain_text(doc: str) -> str:
    """A docstring's text without the marks of its markup."""
    return doc.replace("``", "")


def leaves(struct: type[Struct]) -> dict[str, Leaf]:
    """The fields of a struct by their GraphQL names."""
    hints = get_type_hints(struct, include_extras=True)
    return {camel(field): Leaf(field, hints[field], doc(struct, field)) for field in struct.__struct_fields__}


def doc(struct: type[Struct], field: str) -> str:
    """One sentence for a field: what the declaration says, or else that of its type, or that it is an id."""
    if said := described(struct, field):
        sealed = marked(get_type_hints(struct, include_extras=True)[field], "sealed")
        return f"{plain_text(said)} {PERSONAL}" if sealed else plain_text(said)
    return f"The {field.removesuffix('_id').replace('_', ' ')}'s id." if field.endswith("_id") else ""


def annotation(hint: Any, *, incoming: bool = False) -> Any:
    """The type Strawberry makes the GraphQL type of, for a declared type; personal data may always be null."""
    plain, nullable = optional(hint)
    shown = _shown(plain, hint, incoming)
    return shown | None if nullable or marked(hint, "sealed") else shown


def _shown(plain: Any, hint: Any, incoming: bool) -> Any:
    if get_origin(plain) is list:
        return list[annotation(get_args(plain)[0], incoming=incoming)]  # type: ignore[misc]
    if plain is int:
        return int if _fits_32_bits(hint) else Long
    if plain in PLAIN:
        return plain
    if isinstance(plain, type) and issubclass(plain, Enum):
        return enumeration(plain)
    if isinstance(plain, type) and issubclass(plain, Struct):
        return ingoing(plain) if incoming else outgoing(plain)
    return JSON


def _fits_32_bits(hint: Any) -> bool:
    """Whether the declared bounds fit GraphQL's Int; a number without bounds is a Long."""
    low = high = None
    for meta in _metas(hint):
        low = meta.ge if meta.ge is not None else low
        high = meta.le if meta.le is not None else high
    return low is not None and high is not None and low >= -INT_MAX - 1 and high <= INT_MAX


def _metas(hint: Any) -> list[Meta]:
    found = [extra for extra in get_args(hint)[1:] if isinstance(extra, Meta)] if get_origin(hint) is Annotated else []
    return found + [meta for argument in get_args(hint) for meta in _metas(argument)]


@cache
def enumeration(enum: type[Enum]) -> Any:
    """The GraphQL enum of an enumeration, whose names are the stored codes in capitals; statements rely on that."""
    assert all(member.name == str(member.value).upper() for member in enum), f"{enum.__name__} has other names"
    if "__strawberry_definition__" in vars(enum):
        return enum
    said = {name: plain_text(told) for name, told in field_docs(enum).items()}
    return enum_type(enum, plain_text(first_sentence(enum.__doc__)), said)


def enum_type(enum: type[Enum], doc: str, docs: Mapping[str, str]) -> Any:
    """The GraphQL enum of an enumeration, with its description and that of each member by name."""
    if silent := [member.name for member in enum if not docs.get(member.name)]:
        raise TypeError(f"{enum.__name__}.{silent[0]} says nothing of itself; write a docstring under it")
    made = strawberry.enum(enum, name=enum.__name__, description=doc)
    for value in made.__strawberry_definition__.values:  # type: ignore[attr-defined]
        value.description = docs[value.name]
    return made


@cache
def outgoing(struct: type[Struct]) -> Any:
    """The GraphQL object type of a struct."""
    shown = {name: (annotation(leaf.hint), leaf.doc) for name, leaf in leaves(struct).items()}
    return object_type(title(struct), plain_text(first_sentence(struct.__doc__)), shown)


@cache
def ingoing(struct: type[Struct]) -> Any:
    """The GraphQL input type of a struct."""
    fields = {leaf.field: Given.of(struct, leaf) for leaf in leaves(struct).values()}
    return input_type(f"{title(struct)}Input", plain_text(first_sentence(struct.__doc__)), fields)


def title(struct: type[Struct]) -> str:
    """What a struct's type is called: nested classes carry the outer name, ``RepeatPurchaseRate.Row``."""
    return struct.__qualname__.replace(".", "")


def object_type(name: str, doc: str, fields: Mapping[str, tuple[Any, str]]) -> Any:
    """An object type of fields given by their names, each with type and description."""
    namespace: dict[str, Any] = {"__annotations__": {field: shown for field, (shown, _) in fields.items()}}
    for field, (_, said) in fields.items():
        namespace[field] = strawberry.field(name=camel(field), description=said)
    return strawberry.type(types.new_class(name, (), {}, lambda ns: ns.update(namespace)), name=name, description=doc)


class Given(NamedTuple):
    """One field of an input type."""

    shown: Any
    doc: str
    default: Any = msgspec.NODEFAULT

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is msgspec.NODEFAULT

    @classmethod
    def of(cls, struct: type[Struct], leaf: Leaf) -> "Given":
        """The input field of a struct's field: optional where the struct has a default."""
        declared = next(field for field in msgspec.structs.fields(struct) if field.name == leaf.field)
        shown = annotation(leaf.hint, incoming=True)
        doc = " ".join(filter(None, (leaf.doc, bounds(leaf.hint))))
        if declared.required:
            return cls(shown, doc)
        default = declared.default if isinstance(declared.default, bool | int | str | Enum) else UNSET
        return cls(shown | None, doc, default)


def input_type(name: str, doc: str, fields: Mapping[str, Given], *, one_of: bool = False) -> Any:
    """An input type of fields given by their names in Python; with ``one_of`` exactly one of them is to be given."""
    namespace: dict[str, Any] = {"__annotations__": {field: given.shown for field, given in fields.items()}}
    for field, given in fields.items():
        default = {} if given.required else {"default": given.default}
        namespace[field] = strawberry.field(name=camel(field), description=given.doc, **default)
    made = types.new_class(name, (), {}, lambda ns: ns.update(namespace))
    return strawberry.input(made, name=name, description=doc, one_of=one_of)


def bounds(hint: Any) -> str:
    """What a value must keep to, in words."""
    said: list[str] = []
    for meta in _metas(hint):
        if meta.max_length is not None:
            said.append(f"At most {meta.max_length} long.")
        if meta.min_length is not None:
            said.append(f"At least {meta.min_length} long." if meta.min_length > 1 else "Not blank.")
        if meta.pattern is not None:
            said.append(f"Matches {meta.pattern}.")
        if meta.ge is not None:
            said.append(f"At least {meta.ge}.")
        if meta.le is not None:
            said.append(f"At most {meta.le}.")
    return " ".join(dict.fromkeys(said))
