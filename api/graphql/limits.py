"""Limits on what one request may ask, checked before anything is asked of the database.

The cost of an operation is the number of rows its answer can hold, pages multiplied by the pages inside them, plus a
weight for what is computed rather than read. It is told in ``extensions.cost``.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    GraphQLObjectType,
    IntValueNode,
    NullValueNode,
    OperationDefinitionNode,
    SelectionNode,
    SelectionSetNode,
    VariableNode,
    get_named_type,
)

from domain.rule import Rule

from .paging import PAGE_MAX, PAGE_USUAL

TOKENS_MAX = 2_000
"""Why: some ten times the longest operation of a real client, and parsed in milliseconds."""
ALIASES_MAX = 30
"""Why: a page needs a handful; many aliases are one field asked over and over."""
REPEATS_MAX = 10
"""Why: checking that repeated fields agree takes time with the square of their number."""
DEPTH_MAX = 15
"""Why: a customer's cases' histories are ten levels deep; nothing useful is much deeper."""
COST_MAX = 10_000
"""Why: so many rows take some tens of milliseconds and a few megabytes; more belongs in several requests."""
TOTAL_COST = 50
"""Why: a total counts up to 10 000 index entries, about as long as reading fifty rows takes."""
AS_OF_COST = 500
"""Why: up to 20 000 entries are read and folded, for all rows at once, which keeps a core busy as a metric does."""

TEXT_MAX = 50_000
"""Why: ten times the longest operation a frontend needs; 500 of them are kept, comments and all."""

TOO_LARGE = Rule("OPERATION_TOO_LARGE", "{problem}")

Fragments = Mapping[str, FragmentDefinitionNode]


def refuse_length(text: str) -> None:
    """Refuse ``OPERATION_TOO_LARGE`` for too long a text; runs before it is parsed and kept."""
    TOO_LARGE.refuse_if(
        len(text) > TEXT_MAX, problem=f"The operation has {len(text)} characters; at most {TEXT_MAX} are taken."
    )


def refuse_repetition(document: DocumentNode) -> None:
    """Refuse ``OPERATION_TOO_LARGE`` for too many aliases or repetitions; runs before validation, on bare syntax."""
    aliases = 0
    for selection_set in _selection_sets(document):
        selections: Any = selection_set.selections
        aliased = [node.alias.value for node in selections if getattr(node, "alias", None)]
        plain = [node.name.value for node in selections if hasattr(node, "name") and not getattr(node, "alias", None)]
        aliases += len(aliased)
        for name, times in Counter([*aliased, *plain]).items():
            TOO_LARGE.refuse_if(
                times > REPEATS_MAX, problem=f"{name} is selected more than {REPEATS_MAX} times in one place."
            )
    TOO_LARGE.refuse_if(
        aliases > ALIASES_MAX, problem=f"The operation has {aliases} aliases; at most {ALIASES_MAX} are taken."
    )


def _selection_sets(document: DocumentNode) -> Iterator[SelectionSetNode]:
    waiting: list[Any] = [getattr(definition, "selection_set", None) for definition in document.definitions]
    while waiting:
        if selection_set := waiting.pop():
            yield selection_set
            waiting.extend(getattr(node, "selection_set", None) for node in selection_set.selections)


def refuse_depth(operation: OperationDefinitionNode, fragments: Fragments) -> None:
    """Refuse ``OPERATION_TOO_LARGE`` for too deep a selection."""
    depth = _Measure(fragments, partial(max, default=0), lambda _, below: 1 + below).of(operation.selection_set)
    TOO_LARGE.refuse_if(
        depth > DEPTH_MAX, problem=f"The operation is {depth} levels deep; at most {DEPTH_MAX} are taken."
    )


class _Measure:
    """Each fragment is measured once, however often it is spread."""

    def __init__(
        self,
        fragments: Fragments,
        together: Callable[[Iterable[int]], int],
        field: Callable[[FieldNode, int], int],
    ) -> None:
        self._fragments, self._together, self._field = fragments, together, field
        self._known: dict[str, int] = {}

    def of(self, selection_set: SelectionSetNode | None) -> int:
        return self._together(map(self._below, selection_set.selections)) if selection_set else 0

    def _below(self, node: SelectionNode) -> int:
        if isinstance(node, FragmentSpreadNode):
            name = node.name.value
            if name not in self._known:
                self._known[name] = self.of(self._fragments[name].selection_set)
            return self._known[name]
        if isinstance(node, FieldNode):
            # Introspection has a limit of its own.
            return 0 if node.name.value.startswith("__") else self._field(node, self.of(node.selection_set))
        return self.of(node.selection_set)  # type: ignore[attr-defined]


def cost(
    root: GraphQLObjectType, operation: OperationDefinitionNode, fragments: Fragments, variables: Mapping[str, Any]
) -> int:
    """What an operation costs with these variables; refuses ``OPERATION_TOO_LARGE`` above ``COST_MAX``."""
    past = _Measure(fragments, sum, lambda node, below: below + asks_past(node, variables))
    total = _Cost(fragments, variables).of(root, operation.selection_set, 1)
    total += AS_OF_COST * past.of(operation.selection_set)
    TOO_LARGE.refuse_if(
        total > COST_MAX, problem=f"The operation costs {total}, at most {COST_MAX} is taken; ask for smaller pages."
    )
    return total


class _Cost:
    """Each fragment is counted once for each size of page it is spread in."""

    def __init__(self, fragments: Fragments, variables: Mapping[str, Any]) -> None:
        self._fragments, self._variables = fragments, variables
        self._known: dict[tuple[str, int], int] = {}

    def of(self, type_: GraphQLObjectType, selection_set: SelectionSetNode, size: int) -> int:
        """The cost of a selection inside a page of that size."""
        return sum(self._node(type_, node, size) for node in selection_set.selections)

    def _node(self, type_: GraphQLObjectType, node: SelectionNode, size: int) -> int:
        if isinstance(node, FragmentSpreadNode):
            known = (node.name.value, size)
            if known not in self._known:
                self._known[known] = self.of(type_, self._fragments[node.name.value].selection_set, size)
            return self._known[known]
        if not isinstance(node, FieldNode):
            return self.of(type_, node.selection_set, size)  # type: ignore[attr-defined]
        if node.name.value.startswith("__"):
            return 0
        return self._field(type_.fields[node.name.value], node, size)

    def _field(self, field: GraphQLField, node: FieldNode, size: int) -> int:
        if node.name.value == "totalCount":
            return TOTAL_COST
        named = get_named_type(field.type)
        below = 0
        if node.selection_set and isinstance(named, GraphQLObjectType):
            below = self.of(named, node.selection_set, self._page(node) if "first" in field.args else size)
        if node.name.value == "edges":
            # Rows are read for their cursors, too.
            return size * max(below, 1)
        if node.name.value == "nodes":
            return size * (below + 1)
        if node.name.value == "pageInfo":
            # To know whether a page has a next one, it is read.
            return size
        return below + weight(field)

    def _page(self, node: FieldNode) -> int:
        """The largest page the arguments may give."""
        sizes = [
            self._size(argument.value) for argument in node.arguments or () if argument.name.value in ("first", "last")
        ]
        return max([1, *(size for size in sizes if size is not None)]) if any(sizes) else PAGE_USUAL

    def _size(self, value: Any) -> int | None:
        if isinstance(value, VariableNode):
            given = self._variables.get(value.name.value)
            return given if isinstance(given, int) else None
        return min(int(value.value), PAGE_MAX**3) if isinstance(value, IntValueNode) else None


def asks_past(node: FieldNode, variables: Mapping[str, Any]) -> bool:
    """Whether a field asks as of a moment of the past."""
    given = [argument.value for argument in node.arguments or () if argument.name.value == "asOf"]
    return any(
        variables.get(value.name.value) is not None
        if isinstance(value, VariableNode)
        else not isinstance(value, NullValueNode)
        for value in given
    )


def weight(field: GraphQLField) -> int:
    """The cost of a field by itself: what its declaration says, or one for an object, or nothing."""
    declared = field.extensions.get("strawberry-definition")
    said = declared.metadata.get("cost") if declared else None
    return said if said is not None else int(isinstance(get_named_type(field.type), GraphQLObjectType))
