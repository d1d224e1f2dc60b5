"""``daybook prove`` and ``daybook check``: write evidence of what the ledger says, and check it anywhere."""

import os
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from domain.event import UnknownSchema
from domain.vocabulary import Role
from ledger import verifier
from ledger.verifier import Checked, ProvenDossier, Unproven

from ..dossiers import About, as_text, dossier, refuse_misreckoned
from ..opening import note_taken
from ..proofs import checkpoint, growth, proof
from ..settings import load
from ..wiring import Desk, open_desk
from .files import room_for
from .operator import operator
from .report import JsonFlag, as_json, fail, out


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("prove")(prove)
    app.command("check")(check)


def prove(
    position: Annotated[int | None, typer.Argument(min=1, help="The position of one entry.")] = None,
    case: Annotated[UUID | None, typer.Option(help="A case, by its id: a dossier of all its entries.")] = None,
    customer: Annotated[UUID | None, typer.Option(help="A customer, by id: a dossier of all their entries.")] = None,
    between: Annotated[
        tuple[int, int] | None,
        typer.Option(help="The sizes of two checkpoints: that the newer continues the older.", metavar="OLD NEW"),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--checkpoint", min=1, help="Prove against the checkpoint of this size; the last by default."),
    ] = None,
    open_for: Annotated[
        Role | None, typer.Option(help="Open personal fields, for a reader of this role; they stay sealed without.")
    ] = None,
    folder: Annotated[
        Path, typer.Option("--out", help="The folder the files are written to.", file_okay=False)
    ] = Path(),
    json: JsonFlag = False,
) -> None:
    """Write a proof of an entry, a dossier of a case or a customer, or a proof between two checkpoints."""
    if sum(each is not None for each in (position, case, customer, between)) != 1:
        fail("Say what to prove: a position, --case ID, --customer ID or --between OLD NEW.", code=2)
    if open_for and not (case or customer):
        fail("Only a dossier opens text: --open-for goes with --case or --customer.", code=2)
    if between and size is not None:
        fail("Two checkpoints are named by --between already; leave --checkpoint out.", code=2)
    about = About("case", case) if case else About("customer", customer) if customer else None
    paths = [folder / name for name in _names(about, between, position)]
    with room_for(paths, over=True):
        with open_desk(load()) as desk:
            if about:
                texts = _dossier(desk, about, size, open_for)
            elif between:
                texts = _growth(desk, *between)
            else:
                assert position is not None
                texts = _proof(desk, position, size)
        # Only now, as by now it is noted who took it.
        for path, text in zip(paths, texts, strict=True):
            with open(path, "wb", opener=_private if open_for else None) as file:
                file.write(text.encode())
    written = [str(path) for path in paths]
    if json:
        as_json({"files": written})
        return
    for name in written:
        out.print(name, markup=False)
    out.print("Check them with the ledger's public key: daybook check FILE --key KEY", markup=False)


def _names(about: About | None, between: tuple[int, int] | None, position: int | None) -> list[str]:
    """What the files are called, in the order of their texts."""
    if about:
        return [f"{about.kind}-{about.id}.dossier.{kind}" for kind in ("json", "html")]
    if between:
        return [f"{min(between)}-{max(between)}.consistency.json"]
    return [f"entry-{position}.tlog-proof"]


def _private(path: str, flags: int) -> int:
    """Open a file that its owner alone reads, be it there already: what it holds in clear is for whom it was made."""
    opened = os.open(path, flags, 0o600)
    if os.name != "nt":
        os.fchmod(opened, 0o600)
    return opened


def _dossier(desk: Desk, about: About, size: int | None, role: Role | None) -> list[str]:
    with desk.pool.connection() as connection:
        sealed = checkpoint(connection, size)
    made = as_text(dossier(desk, about, sealed, operator(), role=role, partly=size is not None))
    return [made, verifier.page(made)]


def _growth(desk: Desk, old: int, new: int) -> list[str]:
    with desk.pool.connection() as connection:
        earlier, later = sorted((checkpoint(connection, old), checkpoint(connection, new)))
        return [as_text(growth(connection, earlier, later))]


def _proof(desk: Desk, position: int, size: int | None) -> list[str]:
    with desk.pool.connection() as connection:
        made = proof(connection, position, checkpoint(connection, size))
    note_taken(desk, [desk.ledger.entry(position)], operator(), f"proof of entry {position}")
    return [made]


def check(
    files: Annotated[
        list[str], typer.Argument(help="Proofs, dossiers, their pages and checkpoints.", metavar="FILE...")
    ],
    key: Annotated[
        list[str], typer.Option(help="The public key of the ledger, or of a witness, or a file of such keys.")
    ],
    witnesses: Annotated[int, typer.Option(min=0, help="How many of the keys must have cosigned.")] = 0,
    json: JsonFlag = False,
) -> None:
    """Check evidence, with nothing at hand but the public key; exit code 1 when anything is not proven."""
    try:
        keys = verifier.keys_from(key)
    except (Unproven, OSError) as error:
        fail(str(error), code=2)
    found = [_reckoned(checked) for checked in verifier.check_files(files, keys, witnesses)]
    if json:
        as_json([{"file": each.file, "proven": each.proven is not None, "says": each.says} for each in found])
    else:
        for each in found:
            out.print(verifier.told_of(each), end="", markup=False)
    if not all(each.proven for each in found):
        raise typer.Exit(1)


def _reckoned(checked: Checked) -> Checked:
    """The account of a dossier reckoned once more from its entries, which takes more than the verifier knows."""
    if not isinstance(checked.proven, ProvenDossier):
        return checked
    try:
        again = refuse_misreckoned(checked.proven)
    except Unproven as error:
        return Checked(checked.file, None, [str(error)])
    except UnknownSchema as error:
        return checked._replace(says=[*checked.says, f"What they changed could not be reckoned again: {error}"])
    said = (
        "What they changed was reckoned once more just now, and it is the same."
        if again
        else "What they changed could not be reckoned again, as another version of Daybook made this."
    )
    return checked._replace(says=[*checked.says, said])
