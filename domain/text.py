"""Descriptions taken from the declarations themselves: docstrings of classes, fields and types."""

import ast
import inspect
import itertools
import textwrap
from enum import Enum
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import msgspec


def first_sentence(text: str | None) -> str:
    """The first paragraph of a docstring, on one line."""
    return " ".join(inspect.cleandoc(text or "").split("\n\n")[0].split())


@cache
def field_docs(cls: type) -> dict[str, str]:
    """The string literals that stand under the fields of a class or the members of an enumeration, by name."""
    docs: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        if base.__module__ in ("builtins", "typing", "msgspec", "abc", "enum"):
            continue
        try:
            tree = ast.parse(textwrap.dedent(inspect.getsource(base)))
        except (OSError, TypeError):
            continue
        body = tree.body[0].body  # type: ignore[attr-defined]
        for statement, following in itertools.pairwise(body):
            match statement, following:
                case (
                    ast.AnnAssign(target=ast.Name(id=name)) | ast.Assign(targets=[ast.Name(id=name)]),
                    ast.Expr(value=ast.Constant(value=str(text))),
                ):
                    docs[name] = first_sentence(text)
    return docs


def type_doc(hint: Any) -> str:
    """What a type says of itself: the description of an annotated type, or an enum's docstring."""
    if get_origin(hint) is Annotated:
        for extra in get_args(hint)[1:]:
            if isinstance(extra, msgspec.Meta) and extra.description:
                return extra.description
        return type_doc(get_args(hint)[0])
    for argument in get_args(hint):
        if found := type_doc(argument):
            return found
    if isinstance(hint, type) and (issubclass(hint, Enum | msgspec.Struct)):
        return first_sentence(hint.__doc__)
    return ""


def described(cls: type, field: str) -> str:
    """One sentence for a field: its own docstring, or else that of its type; empty when neither has one."""
    return field_docs(cls).get(field) or type_doc(get_type_hints(cls, include_extras=True)[field])
