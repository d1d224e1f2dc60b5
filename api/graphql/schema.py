"""The schema: every query and mutation put together, once."""

import sys
from collections.abc import Sequence
from functools import cache

import strawberry
from graphql import GraphQLInputObjectType, GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from domain.rule import Rule

from . import errors
from .commands import mutations
from .entries import entry_queries
from .explanations import explain_queries
from .measures import metric_queries
from .persons import person_queries
from .queries import book_queries, relate
from .replays import replay_queries
from .scalars import SCALARS
from .standing import standing_queries

ASKED = "What can be asked. Every query takes atLeast, to read what was just written."


@cache
def schema() -> strawberry.Schema:
    """The one schema of this process."""
    queries = [
        *book_queries(),
        *metric_queries(),
        *replay_queries(),
        *explain_queries(),
        *entry_queries(),
        *standing_queries(),
        *person_queries(),
    ]
    relate()
    made = strawberry.Schema(
        query=_root("Query", f"{ASKED} {_codes()}", queries),
        mutation=_root("Mutation", "What can be done: one mutation for each command of the domain.", mutations()),
        config=StrawberryConfig(scalar_map=SCALARS),
    )
    for type_ in made._schema.type_map.values():
        if isinstance(type_, GraphQLInputObjectType):
            # Only so does graphql-core check what is written in the operation itself, before anything is planned.
            type_.is_one_of = bool(type_.extensions["strawberry-definition"].is_one_of)
    return made


def executable() -> GraphQLSchema:
    """The schema as graphql-core executes it."""
    return schema()._schema


def sdl() -> str:
    """The schema in GraphQL's schema language, as it is committed."""
    return schema().as_str() + "\n"


def _codes() -> str:
    """The codes that an error may carry, from the rules of this package and the faults it expects."""
    modules = [module for name, module in sorted(sys.modules.items()) if name.startswith(__package__ or "")]
    rules = {value.code for module in modules for value in vars(module).values() if isinstance(value, Rule)}
    codes = sorted(rules | {code for _, code, _ in errors.EXPECTED} | {"INTERNAL"})
    listed = ", ".join(codes)
    return (
        f"An error tells in extensions.code what went wrong: {listed}, or the code of another rule, such as NOT_FOUND."
    )


def _root(name: str, doc: str, fields: Sequence[StrawberryField]) -> type:
    namespace = {field.python_name: field for field in sorted(fields, key=lambda field: field.python_name)}
    assert len(namespace) == len(fields), f"two fields of {name} have one name"
    return strawberry.type(type(name, (), namespace), name=name, description=doc)
