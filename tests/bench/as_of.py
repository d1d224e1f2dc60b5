"""As-of of one customer with a thousand entries against one indexed read of the same entries."""

from collections.abc import Iterator
from datetime import UTC, datetime
from uuid import UUID, uuid4

from psycopg import sql

from domain.customer import Customer
from domain.event import Event
from domain.purchase import Line, Purchase
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, Direction
from ledger import bulk, database
from ledger.database import Duty
from ledger.reading import line
from ledger.sources.simulation import simulate
from ledger.sources.world.parameters import World
from ledger.vault import Vault
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.customer_profile import CustomerProfile
from projections.engine.cut import Cut
from projections.engine.model import ReadModel, envelope_needed
from projections.engine.refolding import refold
from projections.purchase_behaviour import PurchaseBehaviour
from tests.bench.measure import Result, alternating, fresh_database, rate
from tests.conftest import MASTER_KEY

ENTRIES = 1_000
RUNS = 41
AT = datetime(2026, 6, 1, tzinfo=UTC)


def results(server_url: str) -> Iterator[Result]:
    """Entries folded a second for one key, in a ledger of some hundred thousand."""
    with fresh_database(server_url) as url:
        keys = _filled(url)
        for model, key in keys.items():
            ours, theirs = _measured(url, model, key)
            yield Result(
                f"as-of of {model.spec.name}, one key, {ENTRIES} entries",
                ours,
                "one indexed read of the same lines",
                theirs,
                "aim ≥ 0.33",
            )


def _filled(url: str) -> dict[type[ReadModel], UUID]:
    """A simulated world, and in it a customer with many contacts and one with many purchases."""
    talker, buyer = uuid4(), uuid4()
    with database.connect(url, Duty.IMPORTER) as connection, database.pool(url, Duty.IMPORTER, size=1) as pool:
        vault = Vault(pool, MASTER_KEY, "bench")
        simulate(connection, vault, World(customers=1_000, months=24, seed=1, until=AT))
        for start in range(0, ENTRIES, 100):
            told: list[Event] = [
                each for n in range(start, start + 100) for each in (_contact(talker, n), _sale(buyer, n))
            ]
            bulk.enter(connection, vault, told)
    with database.connect(url) as admin:
        admin.execute("VACUUM ANALYZE ledger.entries")
    return {CustomerProfile: talker, PurchaseBehaviour: buyer}


def _contact(customer: UUID, number: int) -> Event:
    if number == 0:
        return Customer.Registered(
            stream_id=customer, stream_version=1, customer_id=customer, occurred_at=AT, actor_kind="employee",
            actor_id="ann", command_id=uuid4(), country="FR",
        )  # fmt: skip
    return Touchpoint.Recorded(
        stream_id=uuid4(), stream_version=1, customer_id=customer, occurred_at=AT, actor_kind="employee",
        actor_id="ann", command_id=uuid4(), channel=Channel.PHONE, direction=Direction.INBOUND,
        purpose=f"delivery date {number}", duration_s=number,
    )  # fmt: skip


def _sale(customer: UUID, number: int) -> Event:
    lines = [Line(sku=f"A{number % 50}", quantity=1, amount_minor=500)]
    return Purchase.Recorded(
        stream_id=uuid4(), stream_version=1, customer_id=customer, occurred_at=AT, actor_kind="employee",
        actor_id="ann", command_id=uuid4(), currency="EUR", reference=f"I{number}", lines=lines, total_minor=500,
    )  # fmt: skip


def _measured(url: str, model: type[ReadModel], key: UUID) -> tuple[float, float]:
    read = sql.SQL(
        "SELECT {line} FROM ledger.entries WHERE customer_id = %s AND position <= %s ORDER BY position"
    ).format(line=line(envelope_needed(model)))
    with database.connect(url, Duty.API) as connection:
        (head,) = connection.execute("SELECT position FROM ledger.head").fetchone() or (0,)

        def fold() -> None:
            assert refold(connection, model, [key], Cut(head))[key].row is not None

        def fetch() -> None:
            assert len(connection.execute(read, (key, head)).fetchall()) == ENTRIES

        return alternating(RUNS, lambda: rate(ENTRIES, fold), lambda: rate(ENTRIES, fetch))
