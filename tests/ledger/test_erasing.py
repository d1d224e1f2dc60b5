"""Erasing a person: the entry and the keys in one transaction, for good, and whoever had the keys in memory."""

import hashlib
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.event import events
from domain.person import RelationshipPart
from domain.vocabulary import Role
from ledger import bulk, canonical, database
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.reading import decoded, line
from ledger.vault import Vault
from tests.conftest import MASTER_KEY, acting
from tests.ledger.erasing import LONG_AGO, alive, complain, erase, everything, register, sealed_names, stranger
from tests.ledger.refusals import refused_with

Pool = ConnectionPool[Connection[Any]]


@pytest.fixture(name="vault")
def with_a_list(pool: Pool, listed: DestroyedKeys) -> Vault:
    """The vault of the ledger, with a list of destroyed keys."""
    return Vault(pool, MASTER_KEY, "test-1", destroyed=listed)


def test_the_entry_says_what_was_destroyed_and_the_key_is_gone(
    ledger: Ledger, pool: Pool, admin: Connection[Any], listed: DestroyedKeys
) -> None:
    ada, bob = register(ledger), register(ledger, "Bob")
    complain(ledger, ada)
    before = everything(admin)

    done = erase(ledger, ada)

    entry = ledger.entry(done.position)
    assert isinstance(entry, Customer.Erased)
    assert (done.stream_id, entry.stream_id, entry.customer_id) == (ada, ada, ada)
    assert (entry.keys, entry.reason, entry.survivor_id) == ([ada], "R-1", None)
    assert entry.sealed == ["Case.Opened.description", "Customer.Registered.name"]
    assert alive(admin) == {bob}
    assert stranger(pool).open_many(sealed_names(admin)) == [None, "Bob"]
    assert [(line.customer, line.keys, line.position) for line in listed.lines()] == [(ada, [ada], done.position)]
    assert everything(admin)[0][: len(before[0])] == before[0], "what stood in the ledger stands there"


def test_every_leaf_is_that_of_the_bytes_as_they_stand(ledger: Ledger, admin: Connection[Any]) -> None:
    ada = register(ledger)
    complain(ledger, ada)
    leaves = admin.execute("SELECT leaf FROM ledger.entries ORDER BY position").fetchall()

    erase(ledger, ada)

    rows = admin.execute("SELECT leaf, recorded_at, data FROM ledger.entries ORDER BY position").fetchall()
    entries = [decoded(text) for (text,) in admin.execute(ENTRIES).fetchall()]
    assert [row[:1] for row in rows[:-1]] == leaves
    for (stored, recorded_at, data), event in zip(rows, entries, strict=True):
        whole = canonical.entry(event.position, canonical.stamp(recorded_at), canonical.body(event, data))
        assert stored == hashlib.sha256(b"\0" + whole).digest()


ENTRIES = "SELECT " + line().as_string() + " FROM ledger.entries ORDER BY position"


def test_the_same_command_again_gets_the_first_answer_and_another_one_is_told_so(
    ledger: Ledger, admin: Connection[Any]
) -> None:
    ada, key = register(ledger), uuid4()
    first = erase(ledger, ada, key)
    before = everything(admin)

    assert erase(ledger, ada, key) == first._replace(repeated=True)
    with refused_with("CUSTOMER_ALREADY_ERASED", ledger):
        erase(ledger, ada)
    assert everything(admin) == before


def test_nobody_but_the_admin_erases(ledger: Ledger, admin: Connection[Any]) -> None:
    ada = register(ledger)
    before = everything(admin)

    for role in set(Role) - {Role.ADMIN}:
        with refused_with("FORBIDDEN", ledger):
            ledger.execute("erase_customer", {"id": ada, "reason": "R-1"}, acting(role))
    with refused_with("NOT_FOUND", ledger):
        erase(ledger, uuid4())
    assert everything(admin) == before


def test_it_is_judged_by_the_rules_of_now(ledger: Ledger, admin: Connection[Any]) -> None:
    ada, key = register(ledger), uuid4()
    complain(ledger, ada, datetime.now(UTC) - timedelta(days=400))
    policy = {"effective_from": (datetime.now(UTC) - timedelta(days=2)).isoformat(), "complaint_months": 0}
    ledger.execute("publish_retention_periods", policy, acting(Role.ADMIN))
    policy = {"effective_from": datetime.now(UTC).isoformat(), "complaint_months": 60}
    ledger.execute("publish_retention_periods", policy, acting(Role.ADMIN))
    before = everything(admin)

    yesterday = acting(Role.ADMIN, "root", at=datetime.now(UTC) - timedelta(days=1), command_id=key)
    with refused_with("ERASURE_BACKDATED", ledger, field="occurredAt"):
        ledger.execute("erase_customer", {"id": ada, "reason": "R-1"}, yesterday)
    with refused_with("ERASURE_RETAINED", ledger):
        erase(ledger, ada, key)
    assert everything(admin) == before


def test_a_legal_hold_and_a_complaint_stand_against_it_until_they_no_longer_do(
    ledger: Ledger, admin: Connection[Any]
) -> None:
    ada = register(ledger)
    complaint = complain(ledger, ada, datetime.now(UTC) - timedelta(days=400))
    hold = {"customer_id": ada, "reference": "HC-17", "reason": "A claim."}
    placed = [ledger.execute("place_legal_hold", hold, acting(Role.SUPERVISOR)).stream_id for _ in range(2)]
    before = everything(admin)

    with refused_with("ERASURE_HELD", ledger):
        erase(ledger, ada)
    assert everything(admin) == before

    ledger.execute("release_legal_hold", {"id": placed[0], "reason": "over"}, acting(Role.AUDITOR))
    with refused_with("ERASURE_HELD", ledger):
        erase(ledger, ada)
    ledger.execute("release_legal_hold", {"id": placed[1], "reason": "over"}, acting(Role.AUDITOR))
    with refused_with("ERASURE_RETAINED", ledger) as refusal:
        erase(ledger, ada)
    assert refusal.value.values["id"] == complaint

    policy = {"effective_from": datetime.now(UTC).isoformat(), "complaint_months": 12}
    ledger.execute("publish_retention_periods", policy, acting(Role.ADMIN))
    assert erase(ledger, ada).position == ledger.recorder.max_notification_id()
    assert alive(admin) == set()


def test_those_merged_into_a_customer_are_erased_with_them(ledger: Ledger, pool: Pool, admin: Connection[Any]) -> None:
    ada, twin, third, bob = (register(ledger, name) for name in ("Ada", "A. L.", "Ada L.", "Bob"))
    supervisor = Role.SUPERVISOR
    ledger.execute("merge_customer", {"id": third, "survivor_id": twin}, acting(supervisor))
    ledger.execute("merge_customer", {"id": twin, "survivor_id": ada}, acting(supervisor))
    hold = {"customer_id": third, "reference": "HC-17", "reason": "A claim."}
    held = ledger.execute("place_legal_hold", hold, acting(supervisor)).stream_id

    with refused_with("CUSTOMER_ERASE_SURVIVOR", ledger):
        erase(ledger, twin)
    with refused_with("ERASURE_HELD", ledger):
        erase(ledger, ada)
    ledger.execute("release_legal_hold", {"id": held, "reason": "over"}, acting(supervisor))
    done = erase(ledger, ada)

    entries = [ledger.entry(position) for position in range(done.first, done.position + 1)]
    told = {entry.stream_id: (entry.survivor_id, entry.keys) for entry in entries}  # type: ignore[attr-defined]
    assert told == {ada: (None, [ada]), twin: (ada, [twin]), third: (ada, [third])}
    assert entries[0].stream_id == ada
    assert alive(admin) == {bob}
    assert stranger(pool).open_many(sealed_names(admin)) == [None, None, None, "Bob"]
    for each in (ada, twin, third):
        with refused_with("PERSON_ERASED", ledger):
            ledger.execute("change_customer_profile", {"id": each, "name": "Ada"}, acting())


def test_one_whose_merge_was_undone_is_left_alone(ledger: Ledger, admin: Connection[Any]) -> None:
    ada, twin = register(ledger), register(ledger, "Twin")
    ledger.execute("merge_customer", {"id": twin, "survivor_id": ada}, acting(Role.SUPERVISOR))
    ledger.execute("unmerge_customer", {"id": twin, "reason": "two persons"}, acting(Role.SUPERVISOR))

    erase(ledger, ada)

    assert alive(admin) == {twin}


def test_a_customer_whose_registration_is_void_can_be_erased_all_the_same(
    ledger: Ledger, admin: Connection[Any]
) -> None:
    ada = register(ledger)
    ledger.execute("void_entry", {"position": 1, "reason": "a test"}, acting(Role.SUPERVISOR))

    erase(ledger, ada)

    assert alive(admin) == set()
    with refused_with("CUSTOMER_ALREADY_ERASED", ledger):
        erase(ledger, ada)


def test_what_was_recorded_before_the_customer_was_known_is_theirs_too(
    url: str, ledger: Ledger, pool: Pool, admin: Connection[Any]
) -> None:
    """An import tells of contacts whose customer it does not know; each has a key of its own."""
    touchpoints = [uuid4(), uuid4()]
    facts = [
        events()["Touchpoint.Recorded"](
            channel="phone", direction="inbound", purpose="x", summary=text, stream_id=stream, occurred_at=LONG_AGO,
            actor_kind="import", actor_id="x", command_id=uuid4(),
        )
        for stream, text in zip(touchpoints, ("of Ada", "of nobody"), strict=True)
    ]  # fmt: skip
    with database.connect(url, Duty.IMPORTER) as importer, database.pool(url, Duty.IMPORTER, size=2) as keys:
        bulk.enter(importer, Vault(keys, MASTER_KEY, "test-1"), facts)
    ada = register(ledger)
    case = complain(ledger, ada)
    ledger.execute("link_touchpoint_to_case", {"id": touchpoints[0], "case_id": case}, acting())

    done = erase(ledger, ada)

    entry = ledger.entry(done.position)
    assert isinstance(entry, Customer.Erased)
    assert entry.keys == [ada, touchpoints[0]]
    assert "Touchpoint.Recorded.summary" in entry.sealed
    assert alive(admin) == {touchpoints[1]}


def test_of_two_persons_in_one_entry_only_one_is_forgotten(ledger: Ledger, pool: Pool, admin: Connection[Any]) -> None:
    firm, ada = register(ledger, "Acme"), register(ledger, "Ada")
    said = {"id": firm, "person_id": ada, "part": RelationshipPart.PAYER, "note": "since May", "position_held": "CFO"}
    position = ledger.execute("declare_relationship", said, acting()).position

    def told() -> list[str | None]:
        row = admin.execute("SELECT data FROM ledger.entries WHERE position = %s", (position,)).fetchone()
        assert row is not None
        return stranger(pool).open_many([(field, row[0][field]) for field in ("note", "position_held")])

    assert told() == ["since May", "CFO"]
    done = erase(ledger, ada)
    assert told() == ["since May", None]
    erased = ledger.entry(done.position)
    assert isinstance(erased, Customer.Erased)
    assert erased.sealed == ["Customer.Registered.name", "Customer.RelationshipDeclared.position_held"]
    with refused_with("PERSON_ERASED", ledger):
        ledger.execute("declare_relationship", said | {"part": RelationshipPart.BENEFICIARY}, acting())

    erase(ledger, firm)
    assert told() == [None, None]
