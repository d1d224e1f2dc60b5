"""``errors.md``: every rule that refuses, with its code and sentence."""

from domain.command import commands
from domain.rule import Rule, rules

from . import markdown
from .commands import EVERY
from .inspection import rules_of
from .markdown import code, link

INTRODUCTION = """
Why something may be refused. The heading is the code: it is stable and meant for programs. The sentence is meant for
people and may change; words in braces are filled in. GraphQL gives both in `userErrors`, with the input field at fault
where there is one.
"""


def page() -> str:
    """The page."""
    parts = [INTRODUCTION.strip()]
    for rule in rules():
        parts += [f"## {rule.code}", f"> {rule.sentence}", _told(rule)]
    return markdown.page("Errors", *parts)


def _told(rule: Rule) -> str:
    by = [link(command.name, "commands.md") for command in commands() if rule in rules_of(command)]
    told = [f"The field at fault is {code(rule.field)}."] if rule.field else []
    if rule in EVERY:
        told.append("Given by any command.")
    elif by:
        told.append(f"Given by {', '.join(by)}.")
    return " ".join(told)
