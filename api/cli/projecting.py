"""``daybook project``, ``rebuild``, ``status`` and ``review-tiers``: the read models and what is posted of them."""

import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from psycopg import Connection

from domain.rule import INVALID_INPUT
from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import builds, posting, projector, quarantine, rebuilding
from projections.engine.model import ReadModel, definition, fingerprint, models
from projections.engine.quarantine import Aside
from projections.engine.rebuilding import Advance

from ..settings import load
from ..tier_review import review
from ..wiring import open_desk, ready_url
from .report import JsonFlag, as_json, err, facts, fail, out, progress, rows

ASIDE_SHOWN_MAX = 20
"""Why: a screenful; --json gives them all."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("project")(project)
    app.command("rebuild")(rebuild)
    app.command("status")(status)
    app.command("review-tiers")(review_tiers)


def project(
    once: Annotated[bool, typer.Option("--once", help="Stop as soon as the read models stand at the head.")] = False,
    attached: Annotated[
        bool, typer.Option("--attached", help="Say nothing but faults, and stop when standard input closes.")
    ] = False,
    json: JsonFlag = False,
) -> None:
    """Post entries to the read models as they are entered, until stopped with Ctrl-C."""
    url = ready_url(load())
    built = build_missing(url)
    if once:
        with database.connect(url, Duty.PROJECTOR) as connection:
            posted = catch_up(connection)
        facts({"built": built, "posted": posted} if json else {"built": len(built), "posted": posted}, json)
        return
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopping.set())
    if attached:
        # Whatever becomes of the process that started this one, the system closes the pipe between them.
        threading.Thread(target=_stop_with_stdin, args=(stopping,), daemon=True).start()
    else:
        err.print("Posting to the read models; stop with Ctrl-C.")
    projector.run(url, stopping.is_set, lambda text: err.print(text, markup=False))


def _stop_with_stdin(stopping: threading.Event) -> None:
    sys.stdin.read()
    stopping.set()


def build_missing(url: str) -> list[str]:
    """Build the read models that are missing or outdated, with progress; gives their names."""

    @contextmanager
    def shown(model: type[ReadModel]) -> Iterator[Advance]:
        with progress(f"Building {model.spec.name}") as advance:
            yield advance

    return [build.model for build in projector.prepare(url, shown)]


def catch_up(connection: Connection[Any]) -> int:
    """Post until the read models stand at the head, with progress; gives how many entries were posted."""
    posted = 0
    with progress("Posting") as advance:
        while count := posting.catch_up(connection):
            posted += count
            advance(posted)
    return posted


def rebuild(
    name: Annotated[str | None, typer.Argument(help="The read model, such as case_register.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Rebuild every read model.")] = False,
    json: JsonFlag = False,
) -> None:
    """Build a read model anew from the first entry and put it in service; the old one serves until then."""
    if (name is None) != every:
        fail(f"Name one read model or give --all; there are: {', '.join(sorted(models()))}.", code=2)
    if name is not None and name not in models():
        fail(f"There is no read model {name}; there are: {', '.join(sorted(models()))}.", code=2)
    chosen = [models()[name]] if name else [models()[each] for each in sorted(models())]
    url = ready_url(load())
    done = []
    with database.connect(url, Duty.PROJECTOR) as reader, database.connect(url, Duty.PROJECTOR) as writer:
        for model in chosen:
            with progress(f"Rebuilding {model.spec.name}") as advance:
                done.append(rebuilding.rebuild(reader, writer, model, advance))
    rows(("model", "version", "position"), [(build.model, build.version, build.position) for build in done], json)


def status(
    lag_max: Annotated[
        int | None,
        typer.Option(min=0, help="Exit with 1 when a read model is not in service, or is further behind than this."),
    ] = None,
    json: JsonFlag = False,
) -> None:
    """Show the ledger's head, where each read model stands, and which keys are set aside."""
    with database.connect(ready_url(load()), Duty.PROJECTOR) as connection:
        head = connection.execute("SELECT position FROM ledger.head").fetchone()
        standing = builds.serving(connection)
        aside = quarantine.listed(connection)
    assert head is not None
    lines = [_standing(model, standing.get(name), head[0], aside) for name, model in sorted(models().items())]
    if json:
        as_json(
            {
                "head": head[0],
                "models": [dict(zip(STANDING, line, strict=True)) for line in lines],
                "quarantine": [key._asdict() for key in aside],
            }
        )
    else:
        out.print(f"The ledger's head is at {head[0]:,}.".replace(",", " "))
        rows(STANDING, lines, json)
        _advise(lines, standing, aside)
    late = [name for name, _, state, _, lag, _ in lines if state != "serving" or lag > (lag_max or 0)]
    if lag_max is not None and late:
        fail(f"Not in step: {', '.join(late)}; is daybook project running?")


STANDING = ("model", "version", "state", "position", "lag", "quarantined")


def _standing(
    model: type[ReadModel], build: builds.Build | None, head: int, aside: Sequence[Aside]
) -> tuple[str, int, str, int, int, int]:
    name, version = model.spec.name, model.spec.version
    state = "missing" if build is None else "serving" if build.version == version else "outdated"
    position = build.position if build else 0
    return name, version, state, position, head - position, sum(key.model == name for key in aside)


def _advise(lines: Sequence[Sequence[Any]], standing: dict[str, builds.Build], aside: Sequence[Aside]) -> None:
    for name, _, state, *_ in lines:
        model = models()[name]
        if state != "serving":
            out.print(f"{name} is {state} ({definition(model)}) Run: daybook project")
        elif standing[name].fingerprint != fingerprint(model):
            out.print(f"{name} was built by other code of the same version. Run: daybook rebuild {name}")
    for key in aside[:ASIDE_SHOWN_MAX]:
        out.print(f"{key.model} {key.key} is set aside at entry {key.position}: {key.error}", markup=False)
    if aside:
        out.print(f"{len(aside)} set aside in all. Void the entry, or mend the fold and run: daybook rebuild NAME")


def review_tiers(
    at: Annotated[str | None, typer.Option(help="The instant to judge from, such as 2026-06-30T00:00:00Z.")] = None,
    json: JsonFlag = False,
) -> None:
    """Apply the published tier rule and enter the tiers that change; the same review again enters nothing."""
    instant = parse_instant(at)
    settings = load()
    with open_desk(settings) as desk:
        build_missing(desk.url)
        with database.connect(desk.url, Duty.PROJECTOR) as connection:
            catch_up(connection)
            with desk.pool.connection() as reader, progress("Assigning tiers") as advance:
                found = review(desk.ledger, reader, instant, advance)
            catch_up(connection)
    facts(found._asdict(), json)


def parse_instant(text: str | None) -> datetime:
    """An instant given on the command line, by default now; refuses one without an offset or in the future."""
    now = datetime.now(UTC)
    try:
        instant = datetime.fromisoformat(text) if text else now
    except (ValueError, OverflowError):
        INVALID_INPUT.refuse(problem=f"{text!r} is no instant; write it like 2026-06-30T00:00:00Z.")
    INVALID_INPUT.refuse_if(instant.tzinfo is None, problem=f"{text!r} needs an offset, such as Z for UTC.")
    INVALID_INPUT.refuse_if(instant > now, problem=f"{text} lies in the future.")
    return instant.astimezone(UTC)
