"""``commands.md``: every command with what it asks for, records and may refuse."""

from itertools import groupby

from domain.aggregate import Aggregate
from domain.command import Command, commands
from domain.event import Event
from domain.policy import POLICY_STREAMS
from domain.rule import FORBIDDEN, IDEMPOTENCY_CONFLICT, INVALID_INPUT, NOT_FOUND, OCCURRED_IN_FUTURE, VERSION_CONFLICT
from domain.text import first_sentence
from ledger.input import kind_of

from ..graphql.names import camel
from . import markdown
from .inspection import recorded, rules_of
from .markdown import code, codes, link, table

EVERY = (FORBIDDEN, IDEMPOTENCY_CONFLICT, INVALID_INPUT, NOT_FOUND, OCCURRED_IN_FUTURE, VERSION_CONFLICT)
INTRODUCTION = f"""
Everything that can be asked of the ledger, by aggregate. In GraphQL a command is a mutation: `open_case` is
`openCase`, its input is `OpenCaseInput`. The fields of the recorded event that the caller gives are part of the input.

Any command may also be refused with {codes(rule.code for rule in EVERY)}. A refused command records nothing.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    listed = sorted(commands(), key=lambda command: command.aggregate.__name__)
    for aggregate, group in groupby(listed, key=lambda command: command.aggregate):
        parts += [f"## {aggregate.__name__}", first_sentence(aggregate.__doc__)]
        for command in group:
            parts += [f"### {command.name}", command.doc, table(("", ""), _facts(command))]
    return markdown.page("Commands", *parts)


def _facts(command: Command) -> list[tuple[str, str]]:
    """What there is to say of a command, one pair a line."""
    facts = [
        ("GraphQL", code(camel(command.name))),
        ("roles", codes(role.value for role in command.roles)),
        ("writes to", _target(command)),
        ("asks for", ", ".join(_asked(command))),
        ("judges by", ", ".join(_policies(command))),
        ("records", ", ".join(link(event.type_name, "events.md") for event in recorded(command))),
        ("may refuse", ", ".join(link(rule.code, "errors.md") for rule in rules_of(command))),
    ]
    return [(name, told) for name, told in facts if told]


def _target(command: Command) -> str:
    kind = command.aggregate.__name__
    if command.creates:
        return f"a new {kind}"
    if command.stream:
        return f"the one {kind} its input names"
    return f"the {kind} named by `id`"


def _asked(command: Command) -> list[str]:
    """The parameters that the caller names by id, and the entry named by its position."""
    asked = []
    for name, hint in command.parameters.items():
        kind = kind_of(hint)
        if kind is Event:
            asked.append("`position` of an entry")
        elif issubclass(kind, Aggregate):
            asked.append(f"`{name}_id` of a {kind.__name__}" + ("" if kind is hint else ", where there is one"))
    return asked


def _policies(command: Command) -> list[str]:
    kinds = map(kind_of, command.parameters.values())
    return [link(kind.type_name, "events.md") + " in force" for kind in kinds if kind in POLICY_STREAMS]
