"""``daybook verify``: is every stored row what was entered, and is everything sealed still there."""

from pathlib import Path
from typing import Annotated

import typer

from ledger import database, verifying
from ledger.database import Duty
from ledger.verifier import Unproven, keys_from
from ledger.verifying import Finding, Kind, Readers, Report, Trust
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine.certifying import Compared, compare_certificates

from ..sealing import vkeys
from ..settings import Settings, load
from ..wiring import ready_url
from .report import JsonFlag, as_json, counted, fail, grouped, out, progress
from .workers import PROCESSES_MAX, workers

SHOWN_MAX = 20
"""Why: a screenful; --json gives them all."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("verify")(verify)


def verify(
    incremental: Annotated[
        bool, typer.Option("--incremental", help="Hash only what was entered since the ledger was verified last.")
    ] = False,
    copies: Annotated[
        Path | None,
        typer.Option(exists=True, file_okay=False, help="A folder of checkpoints kept apart from the database."),
    ] = None,
    key: Annotated[
        list[str] | None,
        typer.Option(help="A public key that signs checkpoints, or a file of such; those of the settings by default."),
    ] = None,
    books: Annotated[
        bool, typer.Option(help="Also fold read models anew, and compare them with their certificates.")
    ] = True,
    processes: Annotated[int, typer.Option(min=1, max=PROCESSES_MAX, help="How many processes hash side by side.")] = 1,
    json: JsonFlag = False,
) -> None:
    """Hash every row again from its columns, and compare with all that was ever sealed; exit code 1 for any fault."""
    settings = load()
    trust, url = _trust(settings, key), ready_url(settings)
    with database.connect(url, Duty.AUDITOR) as connection:
        since = verifying.last_verified(connection) if incremental else None
        with progress("Verifying") as advance, workers(processes) as executor:
            readers = Readers(executor, processes, url) if executor else None
            report = verifying.verify(connection, trust, copies=copies, since=since, readers=readers, advance=advance)
        readable = not any(found.kind is Kind.SHAPE_ALTERED for found in report.findings.kept)
        certificates = _certificates(url, report) if books and readable and not incremental else []
        verifying.remember(connection, report)
    _tell(report, certificates, json)
    first = report.findings.first()
    if first:
        fail(f"{counted(report.findings.counted, 'fault')}; the first: {_where(first)}{first.what}")


def _trust(settings: Settings, given: list[str] | None) -> Trust:
    try:
        keys = keys_from(given or vkeys(settings))
    except Unproven as error:
        fail(str(error), code=2)
    return Trust(keys, None if given else settings.origin)


def _certificates(url: str, report: Report) -> list[Compared]:
    with (
        database.connect(url, Duty.PROJECTOR) as reader,
        database.connect(url, Duty.PROJECTOR) as writer,
        progress("Folding read models anew") as advance,
    ):
        compared = compare_certificates(reader, writer, advance)
    for each in compared:
        if each.wrong:
            text = f"{each.model} was certified at {each.stated.position} with other rows than its entries give."
            report.findings.add(Kind.CERTIFICATE_WRONG, None, text)
    report.findings.sort()
    return compared


def _tell(report: Report, certificates: list[Compared], json: bool) -> None:
    findings = report.findings
    if json:
        as_json(
            report._asdict()
            | {
                "root": report.root.hex() if report.root else None,
                "certificates": [
                    {"model": each.model, "position": each.stated.position, "compared": each.found is not None}
                    for each in certificates
                ],
                "findings": [found._asdict() for found in findings.kept],
                "faults": findings.counted,
            }
        )
        return
    out.print(
        f"{counted(report.head - report.since, 'row')} hashed again from the columns, {grouped(report.head)} in all."
    )
    compared = (
        counted(report.checkpoints, "checkpoint"),
        counted(report.cosignatures, "cosignature"),
        counted(report.copies, "copy", "copies"),
        counted(sum(each.found is not None for each in certificates), "certificate"),
    )
    out.print(f"{', '.join(compared)} compared.")
    if report.sealed:
        # Where entries were taken away there are fewer than were sealed, and the findings say so.
        later = max(report.head - report.sealed, 0)
        out.print(
            f"The last checkpoint is over {counted(report.sealed, 'entry', 'entries')}"
            f"{f'; not sealed yet: {later}' if later else ''}."
        )
    else:
        out.print("Nothing is sealed yet, so rows were compared with their own leaves alone. Run: daybook seal")
    if not report.keys_given:
        out.print("Signatures were checked with keys of the database itself. Name yours with: --key, or the settings")
    if report.unguarded:
        out.print(f"What refuses changes was taken away from: {', '.join(report.unguarded)}.", markup=False)
    for found in findings.kept[:SHOWN_MAX]:
        out.print(f"{_where(found)}{found.what} ({found.kind})", markup=False)
    if not findings.kept:
        out.print("Nothing was altered.")
    if report.since:
        out.print(f"The rows up to {report.since} were verified before, and not all of them were hashed again.")


def _where(found: Finding) -> str:
    if found.position is None:
        return ""
    if found.until not in (None, found.position):
        return f"Entries {found.position} to {found.until}: "
    return f"Entry {found.position}: "
