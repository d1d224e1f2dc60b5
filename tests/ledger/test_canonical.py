"""The leaf of an entry can be computed again from the columns of its row, by anyone, with no code of ours."""

import hashlib
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg import Connection

from domain.customer import Customer
from domain.event import Event
from domain.purchase import Line, Purchase
from domain.vocabulary import AMOUNT_MAX, Role, Tier
from ledger import bulk, canonical, database
from ledger.application import Ledger
from ledger.database import Duty
from tests.conftest import acting

COLUMNS = (
    "actor_id", "actor_kind", "actor_role", "case_id", "causation_id", "command_id", "correlation_id", "customer_id",
    "external_id", "occurred_at", "schema", "source", "stream_id", "stream_version", "type",
)  # fmt: skip

TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1, max_size=60)
TRICKY = st.sampled_from(
    [
        "\\",
        '"',
        "\\u0000",
        "\b\f\n\r\t\x1f\x7f",
        "\u2028.\u2029",
        "é",
        "e\u0301",
        "王小明",
        "👩‍👩‍👧",
        "\U0010ffff",
        "\ufeff",
    ]
)
WORDS = st.one_of(TEXT, TRICKY, st.tuples(TEXT, TRICKY).map("".join)).filter(str.strip)
"""Text that can be entered, so not of blanks alone."""
ZONES = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
INSTANTS = st.builds(
    lambda at, zone, whole: (at.replace(microsecond=0) if whole else at).astimezone(zone),
    st.datetimes(datetime(2, 1, 1), datetime(2024, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001
    ZONES,
    st.booleans(),
)
AMOUNTS = st.one_of(st.integers(0, AMOUNT_MAX), st.sampled_from([0, 1, AMOUNT_MAX, 2**31, 2**32, 10**15]))
MAYBE = st.none() | WORDS

QUICKLY = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def rfc3339(at: datetime, digits: bool = False) -> str:
    """An instant as the canonical bytes hold it: microseconds where there are any, or always."""
    fraction = f".{at.microsecond:06d}" if at.microsecond or digits else ""
    return f"{at.year:04d}{at.astimezone(UTC):-%m-%dT%H:%M:%S}{fraction}Z"


def leaf_again(admin: Connection[Any], position: int) -> tuple[bytes, bytes]:
    """The leaf from the stored columns with the standard library's JSON, and the stored leaf."""
    query = f"SELECT {', '.join(COLUMNS)}, data::text, recorded_at, leaf FROM ledger.entries WHERE position = %s"
    row = admin.execute(query, (position,)).fetchone()  # type: ignore[arg-type]
    assert row is not None
    body = {name: str(value) if isinstance(value, UUID) else value for name, value in zip(COLUMNS, row, strict=False)}
    body["occurred_at"] = rfc3339(row[COLUMNS.index("occurred_at")])
    body["data"] = json.loads(row[-3])
    told = json.dumps(body, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    canonical_bytes = f'[{position},"{rfc3339(row[-2], digits=True)}",{told}]'.encode()
    return hashlib.sha256(b"\0" + canonical_bytes).digest(), row[-1]


def assert_leaf(admin: Connection[Any], position: int) -> None:
    """The stored leaf is the one the columns give."""
    again, stored = leaf_again(admin, position)
    assert again == stored


@pytest.fixture(scope="module")
def importer(module_url: str) -> Iterator[Connection[Any]]:
    """A connection under the importer's duty."""
    with database.connect(module_url, Duty.IMPORTER) as connection:
        yield connection


@QUICKLY
@given(name=MAYBE, country=MAYBE, at=INSTANTS, actor=WORDS, origin=st.none() | st.tuples(WORDS, WORDS))
def test_what_a_command_enters_can_be_hashed_again(
    module_ledger: Ledger,
    module_admin: Connection[Any],
    name: str | None,
    country: str | None,
    at: datetime,
    actor: str,
    origin: tuple[str, str] | None,
) -> None:
    context = acting(at=at, actor=actor)
    if origin:
        context = replace(context, source=origin[0], external_id=f"{origin[1]} {uuid4()}", causation_id=uuid4())

    done = module_ledger.execute("register_customer", {"name": name, "country": country}, context)

    assert_leaf(module_admin, done.position)
    entry = module_ledger.entry(done.position)
    assert isinstance(entry, Customer.Registered)
    assert (entry.name, entry.country, entry.actor_id) == (name, country, actor)
    assert (entry.source, entry.external_id, entry.causation_id) == (
        context.source,
        context.external_id,
        context.causation_id,
    )
    assert (entry.occurred_at, entry.occurred_at.utcoffset()) == (at, timedelta(0))


@QUICKLY
@given(
    lines=st.lists(
        st.tuples(WORDS, st.integers(1, 2**31), st.integers(0, AMOUNT_MAX // 8), MAYBE), min_size=1, max_size=5
    )
)
def test_lists_large_numbers_and_empty_places_can_be_hashed_again(
    module_ledger: Ledger, module_admin: Connection[Any], lines: list[tuple[str, int, int, str | None]]
) -> None:
    given = [
        {"sku": sku, "quantity": quantity, "amount_minor": amount, "name": name}
        for sku, quantity, amount, name in lines
    ]

    done = module_ledger.execute("record_purchase", {"currency": "EUR", "lines": given}, acting())

    assert_leaf(module_admin, done.position)
    entry = module_ledger.entry(done.position)
    assert isinstance(entry, Purchase.Recorded)
    assert [(line.sku, line.quantity, line.amount_minor, line.name) for line in entry.lines] == lines
    assert entry.total_minor == sum(amount for _, _, amount, _ in lines)


@QUICKLY
@given(reason=WORDS, expires_at=INSTANTS.map(lambda at: at + timedelta(days=400_000)))
def test_times_within_a_payload_can_be_hashed_again(
    module_ledger: Ledger, module_admin: Connection[Any], reason: str, expires_at: datetime
) -> None:
    supervisor = acting(Role.SUPERVISOR, at=datetime(1000, 1, 1, tzinfo=UTC))
    customer = module_ledger.execute("register_customer", {}, acting(at=supervisor.at)).stream_id
    given = {"id": customer, "tier": "gold", "reason": reason, "expires_at": expires_at}

    done = module_ledger.execute("override_tier", given, supervisor)

    assert_leaf(module_admin, done.position)
    entry = module_ledger.entry(done.position)
    assert isinstance(entry, Customer.TierOverridden)
    assert (entry.tier, entry.reason, entry.expires_at) == (Tier.GOLD, reason, expires_at)


FACTS = st.one_of(
    st.builds(Customer.Registered, name=MAYBE, country=MAYBE, reference=MAYBE),
    st.builds(
        Purchase.Recorded,
        currency=st.just("EUR"),
        lines=st.lists(
            st.builds(Line, sku=WORDS, quantity=st.integers(1, 9), amount_minor=AMOUNTS, name=MAYBE), max_size=4
        ),
        total_minor=AMOUNTS,
    ),
)


@QUICKLY
@given(
    facts=st.lists(st.tuples(FACTS, INSTANTS, WORDS, st.none() | st.tuples(WORDS, WORDS)), min_size=1, max_size=8),
)
def test_what_is_entered_in_bulk_can_be_hashed_again(
    module_ledger: Ledger,
    module_admin: Connection[Any],
    importer: Connection[Any],
    facts: list[tuple[Event, datetime, str, tuple[str, str] | None]],
) -> None:
    events = [
        replace(
            fact,
            stream_id=uuid4(),
            stream_version=1,
            customer_id=uuid4(),
            occurred_at=at,
            actor_kind="import",
            actor_id=actor,
            command_id=uuid4(),
            source=origin and origin[0],
            external_id=origin and f"{origin[1]} {uuid4()}",
        )
        for fact, at, actor, origin in facts
    ]

    head = bulk.enter(importer, module_ledger.vault, events).head

    for position, event in enumerate(events, head - len(events) + 1):
        assert_leaf(module_admin, position)
        entry = module_ledger.entry(position)
        assert entry == replace(
            event, position=position, recorded_at=entry.recorded_at, occurred_at=event.occurred_at.astimezone(UTC)
        )


def test_an_altered_row_gives_another_leaf(url: str, ledger: Ledger, admin: Connection[Any]) -> None:
    done = ledger.execute("register_customer", {"country": "France"}, acting())
    assert_leaf(admin, done.position)

    admin.execute("ALTER TABLE ledger.entries DISABLE TRIGGER append_only")
    admin.execute("""UPDATE ledger.entries SET data = jsonb_set(data, '{country}', '"Italy"')""")

    again, stored = leaf_again(admin, done.position)
    assert again != stored


def test_the_keys_of_the_body_are_the_ones_that_are_documented() -> None:
    event = Customer.Registered(stream_id=uuid4(), occurred_at=datetime(2024, 1, 1, tzinfo=UTC))

    body = json.loads(canonical.body(event, {}))

    assert tuple(body) == canonical.BODY == tuple(sorted((*COLUMNS, "data")))
    assert body["occurred_at"] == "2024-01-01T00:00:00Z"
