"""What a request selects: fields merged by response key, with fragments opened and directives obeyed."""

from collections.abc import Callable, Iterable, Mapping
from enum import Enum
from typing import Any, NamedTuple

from graphql import (
    DirectiveNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLField,
    OperationDefinitionNode,
    SelectionSetNode,
    Undefined,
    VariableNode,
    print_ast,
    value_from_ast,
)

Variables = Mapping[str, Any]
Later = Callable[[Variables], Any]


class Scope(NamedTuple):
    """What names in a selection stand for."""

    fragments: Mapping[str, FragmentDefinitionNode]
    variables: Variables


class Selected(NamedTuple):
    """One field of the answer, with all places that select it."""

    key: str
    """What it is called in the answer."""
    name: str
    nodes: list[FieldNode]


def selected(nodes: Iterable[FieldNode | OperationDefinitionNode], scope: Scope) -> list[Selected]:
    """The fields that are selected below some places of one field, in order.

    No type here is an interface or union, so every fragment applies.
    """
    found: dict[str, list[FieldNode]] = {}
    opened: set[str] = set()

    def visit(selection_set: SelectionSetNode) -> None:
        for selection in selection_set.selections:
            if selection.directives and not included(selection.directives, scope):
                continue
            if isinstance(selection, FieldNode):
                key = selection.alias.value if selection.alias else selection.name.value
                found.setdefault(key, []).append(selection)
            elif not isinstance(selection, FragmentSpreadNode):
                visit(selection.selection_set)  # type: ignore[attr-defined]
            elif selection.name.value not in opened:
                opened.add(selection.name.value)
                visit(scope.fragments[selection.name.value].selection_set)

    for node in nodes:
        if node.selection_set:
            visit(node.selection_set)
    return [Selected(key, places[0].name.value, places) for key, places in found.items()]


def selects(nodes: Iterable[FieldNode], scope: Scope, *path: str) -> bool:
    """Whether a field is selected, some levels below, by whatever names in the answer."""
    below = [chosen for chosen in selected(nodes, scope) if chosen.name == path[0]]
    return bool(below) and (len(path) == 1 or any(selects(each.nodes, scope, *path[1:]) for each in below))


def included(directives: Iterable[DirectiveNode], scope: Scope) -> bool:
    """Whether ``@skip`` and ``@include`` leave a place in."""
    for directive in directives:
        if directive.name.value in ("skip", "include"):
            (argument,) = directive.arguments or ()
            value: Any = argument.value
            holds = scope.variables[value.name.value] if isinstance(value, VariableNode) else value.value
            if holds == (directive.name.value == "skip"):
                return False
    return True


class Arguments:
    """The arguments of one field: some shape the answer's plan, others are only values for it."""

    def __init__(self, field: GraphQLField, node: FieldNode, scope: Scope) -> None:
        """Read the arguments ``node`` gives to ``field``."""
        self._field, self._scope = field, scope
        self._given = {argument.name.value: argument.value for argument in node.arguments or ()}

    @property
    def variables(self) -> Variables:
        """The variables the plan is made for."""
        return self._scope.variables

    def now(self, name: str) -> Any:
        """The value, or its default; ``None`` where there is neither. Part of the plan."""
        if name not in self._field.args:
            return None
        argument = self._field.args[name]
        if (given := self._given.get(name)) is None or self._missing(given):
            return None if argument.default_value is Undefined else argument.default_value
        return plain(value_from_ast(given, argument.type, dict(self._scope.variables)))

    def later(self, name: str) -> Later | None:
        """How to get the value from the variables of a request; ``None`` where none or null is given."""
        given = self._given.get(name)
        if given is None:
            return None
        if isinstance(given, VariableNode):
            variable = given.name.value
            if self._scope.variables.get(variable) is None:
                return None
            return lambda variables: plain(variables[variable])
        type_ = self._field.args[name].type
        constant = plain(value_from_ast(given, type_))
        if constant is Undefined:
            # It is an object with variables in it.
            return lambda variables: value_from_ast(given, type_, dict(variables))
        return None if constant is None else lambda _: constant

    def written(self, name: str) -> str:
        """The value as it is written in the operation."""
        return print_ast(self._given[name])

    def _missing(self, given: Any) -> bool:
        return isinstance(given, VariableNode) and given.name.value not in self._scope.variables


def plain(value: Any) -> Any:
    """An enumeration's member as the code that is stored; anything else as it is."""
    return value.value if isinstance(value, Enum) else value
