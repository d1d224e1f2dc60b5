"""Operations: a request's text, parsed, validated and measured once, however often it is sent."""

from collections.abc import Callable, Hashable, Mapping
from functools import lru_cache
from typing import Any

from graphql import (
    ArgumentNode,
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    parse,
    recommended_rules,
    specified_rules,
    validate,
    visit,
)
from graphql.validation import NoSchemaIntrospectionCustomRule

from . import cursors, limits

OPERATIONS_MAX = 500
"""Why: the operations of a few clients; some 20 MB of syntax trees and plans."""
KEPT_MAX = 64
"""Why: one operation has a plan for each root field and set of arguments; more come only of sizes that vary."""
ERRORS_MAX = 20
"""Why: nobody mends more than that at once."""
SHAPING = ("first", "last", "orderBy", "oldestFirst", "if")
"""Arguments whose values make another statement; of the others it only matters whether they are given."""


class Operation:
    """One operation of a valid document, with the plans that were made for it."""

    def __init__(self, document: DocumentNode, node: OperationDefinitionNode) -> None:
        """Take the operation ``node`` of ``document``."""
        self.document, self.node = document, node
        self.fragments: Mapping[str, FragmentDefinitionNode] = _fragments(document)
        self._kept: dict[Hashable, Any] = {}
        self._used = _Variables()
        visit(document, self._used)

    @property
    def writes(self) -> bool:
        """Whether it is a mutation."""
        return self.node.operation is OperationType.MUTATION

    def form(self, variables: Mapping[str, Any]) -> Hashable:
        """What of the variables decides on plans and cost; refuses ``BAD_CURSOR``."""
        return tuple((name, self._formed(name, value)) for name, value in variables.items())

    def _formed(self, name: str, value: Any) -> Hashable:
        if name in self._used.shaping:
            return value  # type: ignore[no-any-return]
        if value is None:
            return "absent"
        return "at null" if name in self._used.cursors and cursors.stands_at_null(value) else "given"

    def kept(self, key: Hashable, make: Callable[[], Any]) -> Any:
        """What was made for this operation under that key, or is made now and kept for the next time."""
        if key not in self._kept:
            if len(self._kept) >= KEPT_MAX:
                self._kept.clear()
            self._kept[key] = make()
        return self._kept[key]

    def cost(self, schema: GraphQLSchema, variables: Mapping[str, Any], form: Hashable) -> int:
        """What it costs with variables of that form; refuses ``OPERATION_TOO_LARGE``."""
        root = schema.get_root_type(self.node.operation)
        assert root is not None
        made: int = self.kept(("cost", form), lambda: limits.cost(root, self.node, self.fragments, variables))
        return made


class _Variables(Visitor):
    """Finds the variables that shape a plan, and those that hold cursors."""

    def __init__(self) -> None:
        super().__init__()
        self.shaping: set[str] = set()
        self.cursors: set[str] = set()

    def enter_argument(self, node: ArgumentNode, *_: Any) -> None:
        if isinstance(node.value, VariableNode):
            if node.name.value in SHAPING:
                self.shaping.add(node.value.name.value)
            if node.name.value in ("after", "before"):
                self.cursors.add(node.value.name.value)


class Operations:
    """Prepares operations for one schema, and keeps them."""

    def __init__(self, schema: GraphQLSchema, *, introspection: bool) -> None:
        """Check against ``schema``; without ``introspection`` its types are neither told nor hinted at."""
        self._schema, self._hidden = schema, not introspection
        self._rules = [*specified_rules, *recommended_rules]
        if not introspection:
            self._rules.append(NoSchemaIntrospectionCustomRule)
        self._kept = lru_cache(maxsize=OPERATIONS_MAX)(self._prepare)

    def prepared(self, text: str, name: str | None) -> Operation | list[GraphQLError]:
        """The operation of that name in a text, or what is wrong with it; refuses ``OPERATION_TOO_LARGE``."""
        limits.refuse_length(text)
        return self._kept(text, name)

    def _prepare(self, text: str, name: str | None) -> Operation | list[GraphQLError]:
        try:
            document = parse(text, max_tokens=limits.TOKENS_MAX, allow_empty_selection_sets=False)
        except GraphQLError as error:
            return [error]
        limits.refuse_repetition(document)
        if errors := validate(self._schema, document, self._rules, ERRORS_MAX, self._hidden):
            return errors
        found = [node for node in document.definitions if isinstance(node, OperationDefinitionNode)]
        named = [node for node in found if name is None or (node.name and node.name.value == name)]
        if len(named) != 1:
            known = ", ".join(node.name.value for node in found if node.name)
            return [GraphQLError(f"Name one of the operations with operationName: {known}.")]
        limits.refuse_depth(named[0], _fragments(document))
        return Operation(document, named[0])


def _fragments(document: DocumentNode) -> dict[str, FragmentDefinitionNode]:
    found = (node for node in document.definitions if isinstance(node, FragmentDefinitionNode))
    return {fragment.name.value: fragment for fragment in found}
