"""What a command's code names: the events it records and the rules it may refuse by.

Both are looked up as names in the compiled method, and in the functions and methods of the same module that it
calls, so the pages need no list that could go stale.
"""

import inspect
from collections.abc import Iterator
from typing import Any, get_args

from domain.command import Command, commands
from domain.event import Event
from domain.rule import Rule


def recorded(command: Command) -> tuple[type[Event], ...]:
    """The events a command records: the fact it is given, or else those its code makes."""
    for hint in command.parameters.values():
        for part in (hint, *get_args(hint)):
            if _is_event_of(command.aggregate, part):
                return (part,)
    named = (vars(command.aggregate).get(name) for function in _functions(command) for name in _names(function))
    return tuple(dict.fromkeys(event for event in named if _is_event_of(command.aggregate, event)))


def recorded_by(event: type[Event]) -> list[Command]:
    """The commands that record an event, by name."""
    return [command for command in commands() if event in recorded(command)]


def rules_of(command: Command) -> list[Rule]:
    """The rules by which a command may refuse beyond those of every command, by code."""
    named = (function.__globals__.get(name) for function in _functions(command) for name in _names(function))
    return sorted({rule for rule in named if isinstance(rule, Rule)}, key=lambda rule: rule.code)


def _is_event_of(aggregate: type[Any], found: Any) -> bool:
    return isinstance(found, type) and issubclass(found, Event) and getattr(found, "aggregate", None) is aggregate


def _functions(command: Command) -> Iterator[Any]:
    """The method of a command and what it calls in its own module and class."""
    waiting, seen = [_plain(vars(command.aggregate)[command.method])], set()
    while waiting:
        function = waiting.pop()
        if function in seen:
            continue
        seen.add(function)
        yield function
        for name in _names(function):
            for place in (function.__globals__, vars(command.aggregate)):
                called = _plain(place.get(name))
                if inspect.isfunction(called) and called.__module__ == function.__module__:
                    waiting.append(called)


def _names(function: Any) -> Iterator[str]:
    codes = [function.__code__]
    while codes:
        code = codes.pop()
        yield from code.co_names
        codes += filter(inspect.iscode, code.co_consts)


def _plain(found: Any) -> Any:
    return getattr(found, "__func__", found)
