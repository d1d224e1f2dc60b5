"""The fenced blocks of a document, which are to be executed."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from markdown_it import MarkdownIt


class Block(NamedTuple):
    """A fenced block of a document."""

    language: str
    mark: str
    """What follows the language: the path of a file, or how the block is to be taken."""
    text: str
    line: int


def blocks(document: Path) -> Iterator[Block]:
    for token in MarkdownIt().parse(document.read_text("utf-8")):
        if token.type == "fence" and token.map:
            language, _, mark = token.info.partition(" ")
            yield Block(language, mark, token.content, token.map[0] + 1)
