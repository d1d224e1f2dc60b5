"""What commands print: a table or JSON on stdout, progress and errors on stderr."""

import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from enum import Enum
from typing import Annotated, Any, NoReturn, Protocol

import msgspec
import psutil
import typer
from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.table import Table
from rich.text import Text

from .instants import respelled, written

JsonFlag = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

out = Console(soft_wrap=True, highlight=False, emoji=False)
err = Console(stderr=True, soft_wrap=True, highlight=False, emoji=False)


LINE_S = 5.0
"""Why: who reads a log wants to know that work goes on, and not much more."""


class Counted(Enum):
    """What progress is counted in."""

    THINGS = "things"
    BYTES = "bytes"


class Advance(Protocol):
    """Tells a progress bar how far the work has got."""

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """``done`` units of ``total`` are done."""


def problem(error: Exception) -> str:
    """What an error says, in words: of a file its name, and what is the matter with it."""
    if not isinstance(error, OSError) or not error.strerror:
        return respelled(str(error))
    return f"{error.filename}: {error.strerror}." if error.filename is not None else f"{error.strerror}."


def grouped(number: int) -> str:
    """A number for people, its digits in threes, such as 9 378."""
    return f"{number:,}".replace(",", " ")


def counted(number: int, one: str, several: str = "") -> str:
    """So many things, such as 1 fault or 9 378 faults."""
    return f"{grouped(number)} {one if number == 1 else several or f'{one}s'}"


def fail(message: str, code: int = 1) -> NoReturn:
    """Print one sentence on stderr and exit."""
    err.print(f"daybook: {message}", style="red", markup=False)
    sys.exit(code)


def as_json(value: Any) -> None:
    """Print a value as one line of JSON."""
    sys.stdout.write(msgspec.json.encode(value, enc_hook=str).decode() + "\n")


def facts(values: Mapping[str, Any], json: bool) -> None:
    """Print named values, one to a line."""
    if json:
        as_json(values)
        return
    width = max(map(len, values), default=0)
    for name, value in values.items():
        out.print(f"{name.replace('_', ' '):<{width}}  {_shown(value)}", markup=False)


def rows(columns: Sequence[str], values: Sequence[Sequence[Any]], json: bool) -> None:
    """Print rows as a table, or as a JSON list of objects."""
    if json:
        as_json([dict(zip(columns, row, strict=True)) for row in values])
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column.replace("_", " "), overflow="fold")
    for row in values:
        table.add_row(*(_shown(value) for value in row))
    out.print(table)


def _shown(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return grouped(value)
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    if isinstance(value, datetime):
        return written(value)
    return "–" if value is None else str(value)


class _Rate(ProgressColumn):
    """Units done per second."""

    def render(self, task: Task) -> Text:
        """The rate so far, or nothing before there is one."""
        speed = task.finished_speed or task.speed
        return Text(f"{speed:,.0f}/s".replace(",", " ") if speed else "", style="progress.data.speed")


class _Memory(ProgressColumn):
    """The memory that the process and those it started hold."""

    def render(self, _: Task) -> Text:
        """The resident memory, in megabytes."""
        own = psutil.Process()
        held = sum(map(_resident, [own, *own.children(recursive=True)]))
        return Text(f"{held / 2**20:.0f} MB", style="progress.data.speed")


def _resident(process: psutil.Process) -> int:
    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        # It ended just now.
        return 0


@contextmanager
def progress(what: str, total: int | None = None, *, counts: Counted = Counted.THINGS) -> Iterator[Advance]:
    """Show on stderr how far work has got: a bar in a terminal, elsewhere a line now and then."""
    if err.is_terminal:
        with _bar(what, total, counts) as advance:
            yield advance
    else:
        yield _lines(what, total, counts)


@contextmanager
def _bar(what: str, total: int | None, counts: Counted) -> Iterator[Advance]:
    """A bar with rate, remaining time and memory."""
    done: tuple[ProgressColumn, ...] = (TextColumn("{task.completed:.0f}"), _Rate())
    if counts is Counted.BYTES:
        done = (DownloadColumn(), TransferSpeedColumn())
    shown = (TextColumn("{task.description}"), BarColumn(), *done, TimeElapsedColumn(), TimeRemainingColumn())
    with Progress(*shown, _Memory(), console=err) as bar:
        task = bar.add_task(what, total=total)

        def advance(done: int, total: int | None = None, /) -> None:
            bar.update(task, completed=done, total=total)

        yield advance


def _lines(what: str, total: int | None, counts: Counted) -> Advance:
    """A line each time so many seconds have passed: short work says nothing."""
    told_at, expected = time.monotonic(), total

    def advance(done: int, total: int | None = None, /) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= LINE_S:
            told_at, whole = time.monotonic(), total or expected
            of = f" of {_amount(whole, counts)}" if whole else ""
            err.print(f"{what}: {_amount(done, counts)}{of}", markup=False)

    return advance


def _amount(number: int, counts: Counted) -> str:
    return filesize.decimal(number) if counts is Counted.BYTES else _shown(number)
