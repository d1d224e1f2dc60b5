"""``daybook seal`` and ``seal-key``: issue signed checkpoints of the ledger, and print the key that verifies them."""

from typing import Annotated

import typer

from ledger import checkpoints, database, outside, sealing
from ledger.database import Duty
from ledger.notes import Signing

from ..sealing import places, receipt_signers, signers, vkeys, witnesses
from ..settings import Settings, SettingsError, load
from ..wiring import ready_url
from .report import JsonFlag, as_json, err, facts, fail, out
from .stopping import told_to_stop

EVERY_S = 60.0
"""Why: an auditor waits a minute at most until an entry is sealed, and a year has half a million minutes."""

NO_KEY = "Set DAYBOOK_ORIGIN and DAYBOOK_SEAL_KEY; make a key with: openssl rand -base64 32"


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("seal")(seal)
    app.command("seal-key")(seal_key)


def seal(
    every: Annotated[
        float, typer.Option(min=0.05, help="Issue a checkpoint so many seconds after the last, if entries were added.")
    ] = EVERY_S,
    once: Annotated[bool, typer.Option("--once", help="Issue one now, hand it out, and stop.")] = False,
    attached: Annotated[
        bool, typer.Option("--attached", help="Say nothing but faults, and stop when standard input closes.")
    ] = False,
    late_max: Annotated[
        float | None,
        typer.Option(
            min=0, help="Seal nothing; exit with 1 when entries are not sealed though so many seconds have passed."
        ),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Issue signed checkpoints as entries come in, publish them, and have them witnessed, until stopped with Ctrl-C."""
    settings = load()
    keys = _signers(settings)
    url = ready_url(settings)
    if late_max is not None:
        _refuse_late(url, late_max)
        return
    if once:
        _seal_once(settings, keys, url, json)
        return
    stopping = told_to_stop(attached=attached)
    if not attached:
        err.print(f"Sealing as {keys[0].vkey}; stop with Ctrl-C.", markup=False)
    sealing.run(
        url,
        every,
        keys,
        places(settings),
        witnesses(settings),
        stopping.is_set,
        lambda text: err.print(text, markup=False),
    )


def _seal_once(settings: Settings, keys: list[Signing], url: str, json: bool) -> None:
    with database.connect(url, Duty.SEALER) as connection:
        published_at, cosigned_by = places(settings), witnesses(settings)
        outside.refuse_forgotten(connection, cosigned_by)
        issued = sealing.seal(connection, keys, published_at)
        failed = sealing.hand_out(connection, published_at, cosigned_by)
        last = checkpoints.latest(connection)
    told = {"size": last.size if last else 0, "issued": issued is not None, "root": last.root.hex() if last else None}
    facts(told | {"failed": failed} if json else told, json)
    if failed:
        fail(" ".join(failed))


def _refuse_late(url: str, late_max: float) -> None:
    with database.connect(url, Duty.SEALER) as connection:
        late = sealing.late(connection)
    if late > late_max:
        fail(f"Entries were added and nothing was sealed for {late:.0f} s; is daybook seal running?")


def seal_key(json: JsonFlag = False) -> None:
    """Print the public keys that verify this ledger's checkpoints, the current one first; hand them to auditors.

    Where receipts are signed with a key of their own, its public key is the last one.
    """
    settings = load()
    found = list(dict.fromkeys([*vkeys(settings), *(signer.vkey for signer in receipt_signers(settings))]))
    if not found:
        raise SettingsError(NO_KEY)
    if json:
        as_json({"vkey": found[0], "vkeys": found})
        return
    for vkey in found:
        out.print(vkey, markup=False)


def _signers(settings: Settings) -> list[Signing]:
    found = signers(settings)
    if not found:
        raise SettingsError(NO_KEY)
    return found
