"""``daybook run``: everything at once, for a first look and for development."""

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.resources import files

import typer
from rich.markup import escape

from domain.policy import TierRule
from domain.vocabulary import Role
from ledger import database, migrate
from ledger.database import Duty
from ledger.reading import head
from ledger.sources.simulation import World, simulate
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)

from .. import auth
from ..server import listening, serve
from ..settings import Mode, Settings, SettingsError, load
from ..tier_review import review
from ..wiring import open_desk, open_intake
from .projecting import build_missing, catch_up
from .report import out, progress

DEMO_CUSTOMERS, DEMO_MONTHS, DEMO_SEED = 400, 24, 1
"""Why: enough for every query to show something, made in a few seconds."""
RESTARTS_MAX = 5
"""Why: a helper that fails more often than this in a row has a fault that starting it again does not cure."""
TOKEN_HOURS = 24 * 7
"""Why: a week of trying things out with one token pasted."""
EXAMPLES = """
    WITH busiest AS (
        SELECT c.customer_id, c.case_id FROM books.case_register c LEFT JOIN books.tier_status t USING (customer_id)
         WHERE c.customer_id IS NOT NULL ORDER BY t.tier IS NULL, c.version DESC, c.case_id LIMIT 1)
    SELECT coalesce((SELECT customer_id FROM busiest),
                    (SELECT customer_id FROM books.customer_profile ORDER BY customer_id LIMIT 1)),
           coalesce((SELECT case_id FROM busiest),
                    (SELECT case_id FROM books.case_register ORDER BY case_id LIMIT 1))"""
"""A customer and a case to show: a customer with a case and a tier where there is one."""
HELPERS = ("project", "seal")
"""The commands that run beside the server."""


def add_to(app: typer.Typer) -> None:
    """Add this file's commands."""
    app.command("run")(run)


def run() -> None:
    """Start the database, fill an empty ledger with a simulated world, post the read models, and serve."""
    settings = load(begin=True)
    if settings.mode is Mode.PRODUCTION:
        raise SettingsError("daybook run is for development; in production start migrate, project and serve apart.")
    # What would keep the server from starting is better told at once than after the world was made.
    listening(settings).close()
    settings.token_secret_text()
    settings.master_key_bytes()
    url = settings.url()
    with database.connect(url) as connection:
        migrate.migrate(connection)
        empty = head(connection) == 0
    if empty:
        _simulate(settings)
    build_missing(url)
    catch_up(url)
    if empty:
        _review(settings, url)
    with helpers():
        serve(settings, opened=lambda: _show(settings, url))


def _simulate(settings: Settings) -> None:
    until = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    world = World(customers=DEMO_CUSTOMERS, months=DEMO_MONTHS, seed=DEMO_SEED, until=until)
    with open_intake(settings) as intake:
        simulate(intake.connection, intake.vault, world, progress)


def _review(settings: Settings, url: str) -> None:
    with open_desk(settings) as desk:
        now = datetime.now(UTC)
        if desk.ledger.in_force(TierRule, now):
            with desk.pool.connection() as reader, progress("Assigning tiers") as advance:
                review(desk.ledger, reader, now, advance)
            catch_up(url)


@contextmanager
def helpers() -> Iterator[None]:
    """Keep projector and sealer running while the block runs; one that ends by itself is started again."""
    stopping = False
    starting = threading.Lock()
    children: list[subprocess.Popen[bytes]] = []

    def keep(command: str) -> None:
        for _ in range(RESTARTS_MAX):
            with starting:
                if stopping:
                    return
                # In a session of its own, so that Ctrl-C reaches the server first and the child is stopped in order.
                asked = [sys.executable, "-m", "api", command, "--attached"]
                child = subprocess.Popen(asked, start_new_session=True, stdin=subprocess.PIPE)  # noqa: S603  (ours)
                children.append(child)
            child.wait()

    keepers = [threading.Thread(target=keep, args=(name,), name=f"{name} keeper", daemon=True) for name in HELPERS]
    for keeper in keepers:
        keeper.start()
    try:
        yield
    finally:
        with starting:
            stopping = True
        for child in children:
            # It stops when its standard input closes.
            if child.stdin:
                child.stdin.close()
        for keeper in keepers:
            keeper.join()


def _show(settings: Settings, url: str) -> None:
    address = escape(settings.address)
    out.print(f"\n[bold]Daybook is open at {address}[/bold]  (GraphiQL in a browser; stop with Ctrl-C)\n")
    out.print("Tokens for development, one for each role; send one as the header Authorization: Bearer …\n")
    for role in Role:
        token = auth.issue(settings, subject=f"dev-{role.value}", role=role, hours=TOKEN_HOURS)
        out.print(f"  {role.value:<11}{token}", markup=False)
    for title, query in queries(url):
        out.print(f"\n[bold]{title}[/bold]")
        out.print(query, markup=False)


def queries(url: str) -> Iterator[tuple[str, str]]:
    """The three first queries with their titles, with ids of this ledger filled in."""
    with database.connect(url, Duty.API) as connection:
        row = connection.execute(EXAMPLES).fetchone()
    assert row is not None
    customer_id, case_id = row[0] or "the id of a customer", row[1] or "the id of a case"
    for name in ("customer_history", "case_replay", "retention_by_handling"):
        text = files("api.queries").joinpath(f"{name}.graphql").read_text("utf-8")
        title, _, query = text.partition("\n")
        yield title.removeprefix("# "), query.replace("CUSTOMER_ID", str(customer_id)).replace("CASE_ID", str(case_id))
