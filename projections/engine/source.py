"""What a class does, as its source tells it: without words, layout, and whatever it does not use."""

import ast
import hashlib
import inspect
import textwrap
from collections.abc import Iterator
from functools import cache
from typing import Any

SILENT = {"ctx", "kind", "type_comment", "type_params"}
"""Why: these fields say nothing that the others do not, and not every version of Python has them all."""


@cache
def digest(cls: type) -> str:
    """A digest of the class and of all in its own module that it uses, by whatever way.

    It does not change with comments, docstrings and layout, nor from one version of Python to the next. What is
    imported is not looked into. It is computed once, since the file may change while the process runs.
    """
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls)))
    parts = [*tree.body, *_used(tree, _definitions(cls))]
    return hashlib.sha256("\n".join(_told(part) for part in parts).encode()).hexdigest()


def _definitions(cls: type) -> dict[str, list[ast.stmt]]:
    """What the module of the class defines by itself, by name, the class aside."""
    module = inspect.getmodule(cls)
    assert module is not None
    found: dict[str, list[ast.stmt]] = {}
    for statement in ast.parse(inspect.getsource(module)).body:
        for name in _bound(statement):
            if name != cls.__name__:
                found.setdefault(name, []).append(statement)
    return found


def _bound(statement: ast.stmt) -> set[str]:
    """The names that a statement of a module gives something to."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    return {node.id for node in ast.walk(statement) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def _used(tree: ast.AST, definitions: dict[str, list[ast.stmt]]) -> list[ast.stmt]:
    """The definitions that a tree names, and those that they name in turn, by name."""
    used: dict[str, list[ast.stmt]] = {}
    todo = [tree]
    while todo:
        for name in (node.id for node in ast.walk(todo.pop()) if isinstance(node, ast.Name)):
            if name in definitions and name not in used:
                used[name] = definitions[name]
                todo += definitions[name]
    return [statement for name in sorted(used) for statement in used[name]]


def _told(node: Any) -> str:
    """A node as text, in which only what is executed counts."""
    if isinstance(node, ast.AST):
        return f"{type(node).__name__}({','.join(_fields(node))})"
    if isinstance(node, list):
        return f"[{','.join(_told(each) for each in node if not _is_text(each))}]"
    return repr(node)


def _fields(node: ast.AST) -> Iterator[str]:
    for name, value in ast.iter_fields(node):
        absent = value == [] or (value is None and not isinstance(node, ast.Constant))
        if name not in SILENT and not absent:
            yield f"{name}={_told(value)}"


def _is_text(node: Any) -> bool:
    """Whether a statement is only text: a docstring, or what stands under a field."""
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
