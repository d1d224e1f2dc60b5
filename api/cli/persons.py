"""``daybook erase``, ``receipt`` and ``export-subject``: what a person may ask of whoever holds their data."""

import os
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID, uuid4

import msgspec
import typer
from msgspec.structs import replace

from domain.command import Context
from domain.vocabulary import Role

from ..receipts import receipt, receipt_of
from ..settings import load
from ..subject import held, survivor
from ..subject_page import page
from ..wiring import open_desk
from .files import room_for
from .operator import operator
from .report import JsonFlag, as_json, err, facts, fail

Customer = Annotated[str, typer.Argument(help="The customer's id.")]


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("erase")(erase)
    app.command("receipt")(receipt_)
    app.command("export-subject")(export_subject)


def erase(
    customer: Customer,
    reason: Annotated[str, typer.Option(help="Why, such as the number of the request; it stays on record.")],
    key: Annotated[UUID | None, typer.Option(help="Names the command; sent again it gives the first answer.")] = None,
    json: JsonFlag = False,
) -> None:
    """Forget a person for good, and print the signed receipt; refused while a legal hold or a duty to keep runs."""
    named, by = _id(customer), replace(operator(), role=Role.ADMIN)
    context = Context(at=datetime.now(UTC), actor=by, command_id=key or uuid4())
    with open_desk(load()) as desk:
        done = desk.ledger.execute("erase_customer", {"id": named, "reason": reason}, context)
        with desk.pool.connection() as connection:
            note = receipt(connection, done.first, desk.signers)
    if json:
        as_json({"customer": done.stream_id, "position": done.first, "repeated": done.repeated, "receipt": note})
        return
    _say_unsigned(note)
    typer.echo(note, nl=False)


def receipt_(customer: Customer, json: JsonFlag = False) -> None:
    """Print the signed receipt of an erasure once more."""
    named = _id(customer)
    with open_desk(load()) as desk, desk.pool.connection() as connection:
        note = receipt_of(connection, named, desk.signers)
    if json:
        as_json({"receipt": note})
        return
    _say_unsigned(note)
    typer.echo(note, nl=False)


def export_subject(
    customer: Customer,
    output: Annotated[
        Path | None, typer.Option(help="The folder for the two files; by default the current one.", file_okay=False)
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Write everything held about a person, in clear, as JSON and as a page to read; only the owner can read them."""
    named = _id(customer)
    with ExitStack() as room:
        with open_desk(load()) as desk, desk.pool.connection() as connection, connection.transaction():
            connection.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
            name = f"subject-{survivor(connection, named)}"
            paths = [(output or Path()) / f"{name}.{kind}" for kind in ("json", "html")]
            room.enter_context(room_for(paths, over=False))
            found = held(connection, desk, named, operator())
        # Only now, as by now it is noted who saw it.
        _write(paths[0], msgspec.json.format(msgspec.json.encode(found)).decode() + "\n")
        _write(paths[1], page(found))
    facts(
        {
            "customers": [str(each) for each in found.customers] if json else len(found.customers),
            "entries": len(found.entries),
            "position": found.position,
            "files": [str(path) for path in paths] if json else ", ".join(map(str, paths)),
        },
        json,
    )


def _write(path: Path, text: str) -> None:
    """Write a file that only its owner reads; one that is there already is left as it is."""
    try:
        opened = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        fail(f"{path} is there already; move it away, or name another folder with --output.")
    with os.fdopen(opened, "w", encoding="utf-8") as file:
        file.write(text)


def _say_unsigned(note: str) -> None:
    if note.endswith("}\n"):
        err.print("Nobody signed it: set DAYBOOK_ORIGIN and DAYBOOK_SEAL_KEY.", markup=False)


def _id(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        fail(f"A customer is named by its id, a UUID, not {text!r}; find it with the query customers.", code=2)
