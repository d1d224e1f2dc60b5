"""Pieces of Markdown."""

import re
from collections.abc import Iterable, Sequence

NOTICE = "<!-- Made from the declarations by `make schema`; change those, not this page. -->"


def page(title: str, *parts: str) -> str:
    """A whole page; empty parts are left out."""
    return "\n\n".join([NOTICE, f"# {title}", *filter(None, parts)]) + "\n"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table, or nothing when there are no rows."""
    lines = ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(["| " + " | ".join(head) + " |", "|" + " --- |" * len(head), *lines])


def code(text: str) -> str:
    """A word or phrase as code."""
    return f"`{text}`"


def codes(words: Iterable[str]) -> str:
    """Several words as code, in a row."""
    return ", ".join(map(code, words))


def link(text: str, page: str = "") -> str:
    """A link to the heading ``text`` of this or another page."""
    return f"[{text}]({page}#{anchor(text)})"


def anchor(heading: str) -> str:
    """The anchor that GitHub gives a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
