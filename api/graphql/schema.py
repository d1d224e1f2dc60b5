"""The schema: every query and mutation put together, once."""

from collections.abc import Sequence
from functools import cache

import strawberry
from graphql import GraphQLSchema
from strawberry.schema.config import StrawberryConfig
from strawberry.types.field import StrawberryField

from .commands import mutations
from .measures import metric_queries
from .queries import book_queries
from .replays import replay_queries
from .rows import relate
from .scalars import SCALARS
from .standing import standing_queries


@cache
def schema() -> strawberry.Schema:
    """The one schema of this process."""
    queries = [*book_queries(), *metric_queries(), *replay_queries(), *standing_queries()]
    relate()
    return strawberry.Schema(
        query=_root("Query", "What can be asked. Every query takes atLeast, to read what was just written.", queries),
        mutation=_root("Mutation", "What can be done: one mutation for each command of the domain.", mutations()),
        config=StrawberryConfig(scalar_map=SCALARS),
    )


def executable() -> GraphQLSchema:
    """The schema as graphql-core executes it."""
    return schema()._schema


def sdl() -> str:
    """The schema in GraphQL's schema language, as it is committed."""
    return schema().as_str() + "\n"


def _root(name: str, doc: str, fields: Sequence[StrawberryField]) -> type:
    namespace = {field.python_name: field for field in sorted(fields, key=lambda field: field.python_name)}
    assert len(namespace) == len(fields), f"two fields of {name} have one name"
    return strawberry.type(type(name, (), namespace), name=name, description=doc)
