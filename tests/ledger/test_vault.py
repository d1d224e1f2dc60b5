"""The vault: sealed text opens unaltered, in its place, with its key, and for nobody once that is destroyed."""

import subprocess
import sys
from base64 import b64decode, urlsafe_b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.customer import Customer
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, ContactKind, Direction
from ledger.application import Ledger
from ledger.subjects import subject_of
from ledger.vault import HEAD, PREFIX, Vault, VaultError
from tests.conftest import MASTER_KEY, acting

Pool = ConnectionPool[Connection[Any]]
TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=200)


@pytest.fixture
def vault(module_pool: Pool) -> Vault:
    """A vault that has read no key yet."""
    return Vault(module_pool, MASTER_KEY, "test-1")


def registered(name: str | None, subject: UUID | None = None) -> Customer.Registered:
    """The entry of a customer's registration."""
    subject = subject or uuid4()
    return Customer.Registered(name=name, stream_id=subject, stream_version=1, customer_id=subject)


def sealed_name(vault: Vault, event: Customer.Registered) -> str:
    """The name as it is stored."""
    stored = vault.sealed(event)["name"]
    assert isinstance(stored, str)
    return stored


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=TEXT)
def test_any_text_is_sealed_and_opened_again(vault: Vault, text: str) -> None:
    sealed = sealed_name(vault, registered(text))

    assert vault.open("name", sealed) == text
    assert text.encode() not in b64decode(sealed.removeprefix(PREFIX), altchars=b"-_") or len(text.encode()) < 3


def test_the_same_text_is_sealed_differently_each_time(vault: Vault) -> None:
    event = registered("王小明")

    assert sealed_name(vault, event) != sealed_name(vault, event)


def test_what_is_not_personal_stays_in_clear_and_what_is_absent_stays_absent(vault: Vault) -> None:
    event = replace(registered(None), country="France")

    assert vault.sealed(event) == {"kind": event.kind, "name": None, "country": "France", "reference": None}


def test_several_values_of_several_subjects_open_in_order(vault: Vault) -> None:
    names = ["Ada", "王小明", "Müller"]
    sealed = [("name", sealed_name(vault, registered(name))) for name in names]

    assert vault.open_many(sealed) == names


def test_a_value_moved_to_another_field_does_not_open(vault: Vault) -> None:
    sealed = sealed_name(vault, registered("Ada"))

    with pytest.raises(VaultError, match=r"^A sealed value does not open: it was altered or moved\.$"):
        vault.open("value", sealed)


def test_a_value_moved_to_another_entry_does_not_open(vault: Vault) -> None:
    event = registered("Ada")
    raw = bytearray(b64decode(sealed_name(vault, event).removeprefix(PREFIX), altchars=b"-_"))

    for other in (
        HEAD.pack(event.stream_id.bytes, uuid4().bytes, 1),
        HEAD.pack(event.stream_id.bytes, event.stream_id.bytes, 2),
    ):
        with pytest.raises(VaultError, match="it was altered or moved"):
            vault.open("name", packed(other + bytes(raw[HEAD.size :])))


def test_a_value_does_not_open_with_the_key_of_another(vault: Vault) -> None:
    ada, bob = registered("Ada"), registered("Bob")
    sealed_name(vault, bob)
    raw = b64decode(sealed_name(vault, ada).removeprefix(PREFIX), altchars=b"-_")

    with pytest.raises(VaultError, match="it was altered or moved"):
        vault.open("name", packed(bob.stream_id.bytes + raw[16:]))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_an_altered_value_does_not_open(vault: Vault, data: st.DataObject) -> None:
    raw = bytearray(b64decode(sealed_name(vault, registered("Ada")).removeprefix(PREFIX), altchars=b"-_"))
    bit = data.draw(st.integers(0, len(raw) * 8 - 1))
    raw[bit // 8] ^= 1 << bit % 8

    try:
        opened = vault.open("name", packed(bytes(raw)))
    except VaultError:
        return
    # The subject was altered into one that has no key.
    assert (opened, bit < 16 * 8) == (None, True)


@pytest.mark.parametrize(
    "text",
    ["", "Ada", "s1.", "s1.Ada", "s1.====", "s1.é", "s1." + "A" * 40, "s2." + "A" * 200, "s1." + "A" * 201],
)
def test_what_was_never_sealed_is_named_as_such(vault: Vault, text: str) -> None:
    with pytest.raises(VaultError, match=r"^This is not a sealed value\.$"):
        vault.open("name", text)


@pytest.mark.parametrize("spoil", [lambda s: s + "\n", lambda s: s[:9] + " " + s[9:], lambda s: s + "=", str.upper])
def test_a_sealed_value_has_one_way_of_being_written(vault: Vault, spoil: Any) -> None:
    with pytest.raises(VaultError):
        vault.open("name", spoil(sealed_name(vault, registered("Ada"))))


def test_a_wrong_master_key_is_named_as_such_and_not_shown(vault: Vault, module_pool: Pool) -> None:
    sealed = sealed_name(vault, registered("Ada"))
    stranger = Vault(module_pool, b"another master key, of 32 bytes!", "test-1")

    with pytest.raises(VaultError) as error:
        stranger.open("name", sealed)

    assert str(error.value) == ("The master key is not the one this ledger was sealed with; check DAYBOOK_MASTER_KEY.")


@pytest.mark.parametrize("length", [0, 16, 31, 33])
def test_a_master_key_has_32_bytes(module_pool: Pool, length: int) -> None:
    with pytest.raises(VaultError, match="must have 32 bytes"):
        Vault(module_pool, b"x" * length, "test-1")


def test_the_key_of_a_subject_is_stored_only_wrapped(vault: Vault, module_admin: Connection[Any]) -> None:
    event = registered("Ada")
    vault.sealed(event)

    row = module_admin.execute(
        "SELECT length(wrapped), master_key_id FROM vault.keys WHERE subject_id = %s", (event.stream_id,)
    ).fetchone()

    # Nonce, 32 bytes of key, and the tag that tells a wrong master key.
    assert row == (12 + 32 + 16, "test-1")


def test_a_person_who_was_erased_cannot_be_read_again(
    vault: Vault, module_pool: Pool, module_admin: Connection[Any]
) -> None:
    gone, there = registered("Ada"), registered("Bob")
    sealed = [("name", sealed_name(vault, event)) for event in (gone, there)]

    erase(module_admin, gone.stream_id)

    after = Vault(module_pool, MASTER_KEY, "test-1")
    assert after.open_many(sealed) == [None, "Bob"]
    assert after.erased([gone.stream_id, there.stream_id, uuid4()]) == {gone.stream_id}


def test_nothing_more_is_sealed_for_a_person_who_was_erased(
    vault: Vault, module_pool: Pool, module_admin: Connection[Any]
) -> None:
    event = registered("Ada")
    vault.sealed(event)
    erase(module_admin, event.stream_id)

    with pytest.raises(VaultError, match=f"The subject {event.stream_id} was erased"):
        Vault(module_pool, MASTER_KEY, "test-1").sealed(event)


def test_without_a_customer_the_stream_is_the_subject(vault: Vault) -> None:
    stream = uuid4()
    event = Touchpoint.Recorded(
        channel=Channel.CHAT, direction=Direction.INBOUND, purpose="x", summary="Ada", stream_id=stream
    )

    assert subject_of(event) == stream
    assert vault.open("summary", vault.sealed(event)["summary"]) == "Ada"


def test_threads_that_need_the_same_new_keys_agree(module_pool: Pool, vault: Vault) -> None:
    subjects = [uuid4() for _ in range(20)]
    other = Vault(module_pool, MASTER_KEY, "test-1")

    with ThreadPoolExecutor(16) as threads:
        vaults = [vault, other] * 8
        # Each in another order: two that waited for each other would be an error here.
        sealed = list(threads.map(lambda n: seal_all(vaults[n], subjects[n:] + subjects[:n]), range(16)))

    opened = Vault(module_pool, MASTER_KEY, "test-1").open_many([("name", text) for one in sealed for text in one])
    assert opened == ["Ada"] * 16 * 20


def seal_all(vault: Vault, subjects: list[UUID]) -> list[str]:
    """One name for each subject, all keys asked for at once."""
    vault.provide(subjects)
    return [sealed_name(vault, registered("Ada", subject)) for subject in subjects]


SEALING = """
import sys
from uuid import UUID
from ledger import database
from ledger.database import Duty
from ledger.vault import Vault
from tests.ledger.test_vault import registered, sealed_name
from tests.conftest import MASTER_KEY

with database.pool(sys.argv[1], Duty.API, size=2) as pool:
    vault = Vault(pool, MASTER_KEY, "test-1")
    sys.stdin.readline()
    for subject in sys.argv[2:]:
        print(sealed_name(vault, registered("王小明", UUID(subject))))
"""


@pytest.fixture
def two_processes(module_url: str) -> Iterator[tuple[list[UUID], list[list[str]]]]:
    """Subjects, and their name as two processes sealed it, started at the same instant."""
    subjects = [uuid4() for _ in range(40)]
    command = [sys.executable, "-c", SEALING, module_url, *map(str, subjects)]
    sealers = [subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    for sealer in sealers:
        assert sealer.stdin
        sealer.stdin.write("go\n")
        sealer.stdin.flush()
    yield subjects, [sealer.communicate(timeout=60)[0].split() for sealer in sealers]
    assert [sealer.returncode for sealer in sealers] == [0, 0]


def test_processes_that_need_the_same_new_keys_agree(
    vault: Vault, two_processes: tuple[list[UUID], list[list[str]]]
) -> None:
    subjects, sealed = two_processes

    opened = [vault.open_many([("name", text) for text in texts]) for texts in sealed]

    assert opened == [["王小明"] * len(subjects)] * 2


def test_a_fingerprint_needs_the_master_key(vault: Vault, module_pool: Pool) -> None:
    """Input holds names; a plain digest of it could be guessed from the database alone, even after an erasure."""
    stranger = Vault(module_pool, b"another master key, of 32 bytes!", "test-1")

    assert vault.fingerprint(b"Ada") == vault.fingerprint(b"Ada") != vault.fingerprint(b"Bob")
    with pytest.raises(VaultError, match="The master key is not the one"):
        stranger.fingerprint(b"Ada")


def test_no_personal_text_reaches_the_tables(module_ledger: Ledger, module_admin: Connection[Any]) -> None:
    secret = "Müller-Lüdenscheidt"
    customer = module_ledger.execute("register_customer", {"name": secret}, acting()).stream_id
    contact = {"id": customer, "contact": "home", "kind": ContactKind.PHONE, "value": f"at {secret}'s"}
    module_ledger.execute("add_contact_point", contact, acting())
    case = {"customer_id": customer, "kind": "complaint", "channel": "phone", "description": f"{secret} is angry"}
    module_ledger.execute("open_case", case, acting())

    rows = module_admin.execute(
        "SELECT e::text FROM ledger.entries e UNION ALL SELECT c::text FROM ledger.commands c"
        " UNION ALL SELECT k::text FROM vault.keys k"
    ).fetchall()

    assert len(rows) > 6
    assert [row for (row,) in rows if secret in row] == []


def erase(admin: Connection[Any], subject: UUID) -> None:
    """Destroy a subject's key."""
    admin.execute("UPDATE vault.keys SET wrapped = NULL, destroyed_at = now() WHERE subject_id = %s", (subject,))


def packed(raw: bytes) -> str:
    """A sealed value of these parts."""
    return PREFIX + urlsafe_b64encode(raw).decode()
