"""Everything personal is planted in every script, and looked for in every byte there is: before, and after the erasure.

The cluster is the test's own, so that its very files can be read, the log of what was written included.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import pytest
from psycopg import Connection, conninfo, sql
from psycopg_pool import ConnectionPool

from domain.event import events, personal_fields
from domain.vocabulary import Role
from ledger import bulk, database, embedded, forgetting, migrate
from ledger.application import Ledger
from ledger.database import Duty
from ledger.destroyed import DestroyedKeys
from ledger.vault import Vault, VaultError
from ledger.writer import Writer
from projections.engine import metric, posting, projector, rebuilding
from projections.engine.model import models
from tests.backups import dump, restore
from tests.conftest import MASTER_KEY, acting
from tests.e2e.markers import SCRIPTS, forms, found, planted
from tests.projections.test_forgotten_world import ASKED
from tests.real import ROOT

CONTROL = "a product that is no secret"
SEALED = re.compile(rb"s1\.[A-Za-z0-9_-]{70,}=*")
AT = datetime(2026, 1, 1, tzinfo=UTC)


class House(NamedTuple):
    """A cluster of its own with markers in it."""

    home: Path
    url: str
    ledger: Ledger
    listed: DestroyedKeys
    customers: list[Any]

    def files(self) -> Iterator[Path]:
        """Every file of the cluster, once all is written to them."""
        with database.connect(self.url) as connection:
            connection.execute("CHECKPOINT")
        yield from (path for path in sorted((self.home / "postgres").rglob("*")) if path.is_file())
        yield from (path for path in sorted(self.home.glob("*")) if path.is_file())

    def post(self) -> None:
        """Bring every read model up to date."""
        with database.connect(self.url, Duty.PROJECTOR) as connection:
            while posting.catch_up(connection):
                pass

    def rebuild(self) -> None:
        """Build every read model anew."""
        with database.connect(self.url, Duty.PROJECTOR) as reader, database.connect(self.url, Duty.PROJECTOR) as writer:
            for model in models().values():
                rebuilding.rebuild(reader, writer, model)

    def figures(self) -> dict[str, Any]:
        """Every metric, and how many rows every read model has that tell of no erasure."""
        with database.connect(self.url, Duty.PROJECTOR) as connection:
            told: dict[str, Any] = {}
            for name, each in metric.metrics().items():
                asked = {field: ASKED[field] for field in each.Params.__struct_fields__ if field in ASKED}
                told[name] = metric.compute(connection, each, asked, AT).rows
            for name in models().keys() - {"customer_history", "audit_trail"}:
                query = sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier("books", name))
                told[f"rows of {name}"] = connection.execute(query).fetchone()
            return told


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    """A ledger with markers in every personal field, in five scripts, posted and rebuilt."""
    home = tmp_path_factory.mktemp("forgetting") / "home"
    url = embedded.start(home)
    with database.connect(url) as connection:
        migrate.migrate(connection)
    listed = DestroyedKeys(home / "destroyed-keys")
    with database.pool(url, Duty.API) as pool:
        ledger = Ledger(pool, Writer(url), Vault(pool, MASTER_KEY, "test-1", destroyed=listed))
        with database.connect(url, Duty.IMPORTER) as importer, database.pool(url, Duty.IMPORTER, size=2) as keys:
            customers = _plant(importer, keys)
        customers += _give(ledger)
        house = House(home, url, ledger, listed, customers)
        projector.prepare(url)
        house.post()
        house.rebuild()
        yield house
        ledger.close()


def _plant(importer: Connection[Any], keys: ConnectionPool[Connection[Any]]) -> list[Any]:
    """As an import enters them: everything in the name of one customer for each script."""
    scripts = list(SCRIPTS)
    first = {script: planted(script, uuid4())[0].customer_id for script in scripts}
    for script, then in zip(scripts, scripts[1:] + scripts[:1], strict=True):
        other = first[then]
        assert other is not None
        bulk.enter(importer, Vault(keys, MASTER_KEY, "test-1"), planted(script, other))
    return list(first.values())


def _give(ledger: Ledger) -> list[Any]:
    """As people enter them: a command at a time, by the group commit."""
    made = []
    for text in SCRIPTS.values():
        known = acting(at=datetime(2015, 1, 1, tzinfo=UTC))
        customer = ledger.execute("register_customer", {"name": text}, known).stream_id
        case = {"customer_id": customer, "kind": "complaint", "channel": "phone", "product": CONTROL}
        ledger.execute("open_case", case | {"description": text}, acting(at=datetime(2015, 1, 2, tzinfo=UTC)))
        made.append(customer)
    return made


@pytest.fixture(scope="module")
def erased(house: House, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What was there before everybody was erased: the figures, a backup, and a dump that can be read."""
    folder = tmp_path_factory.mktemp("dumps")
    before = {
        "figures": house.figures(),
        "backup": dump(house.url, folder / "backup"),
        "dump": dump(house.url, folder / "before.sql", "--format=plain"),
        "entries": _entries(house.url),
        "folder": folder,
    }
    for customer in house.customers:
        given = {"id": customer, "reason": "R-1"}
        house.ledger.execute("erase_customer", given, acting(Role.ADMIN, "root"))
    house.post()
    return before


def _entries(url: str) -> list[Any]:
    with database.connect(url) as connection:
        return connection.execute("SELECT e::text FROM ledger.entries e ORDER BY position").fetchall()


def sealed_in(path: Path) -> set[str]:
    """Every sealed value in a file."""
    return {text.decode() for text in SEALED.findall(path.read_bytes())}


def openable(url: str, sealed: set[str], **keys: Any) -> list[str]:
    """Those of the sealed values that open, for a process that has just started, under whatever name of a field."""
    fields = {field for kind in events().values() for field in personal_fields(kind)}
    opened = []
    with database.pool(url, Duty.API, size=2) as pool:
        vault = Vault(pool, MASTER_KEY, "test-1")
        for text in sorted(sealed):
            for field in fields:
                try:
                    clear = vault.open(field, text)
                except VaultError:  # it is the text of another field
                    continue
                opened += [clear] if clear is not None else []
    return opened


def test_every_personal_field_there_is_holds_a_marker() -> None:
    everywhere = {
        (kind.type_name, field)
        for kind in events().values()
        if "<locals>" not in kind.__qualname__
        for field in personal_fields(kind)
    }

    for script, text in SCRIPTS.items():
        entries = planted(script, uuid4())
        assert {(e.type_name, f) for e in entries for f in personal_fields(type(e))} == everywhere
        assert all(getattr(e, f).startswith(text) for e in entries for f in personal_fields(type(e)))


def test_the_search_finds_a_text_in_every_form_it_could_take(tmp_path: Path) -> None:
    for script, text in SCRIPTS.items():
        for number, form in enumerate(forms(text)):
            place = tmp_path / f"{script} {number}"
            place.write_bytes(b"before " + form + b" after")
            assert [name for _, name in found(iter([place]), SCRIPTS)] == [script]
    (tmp_path / "json").write_text(json.dumps({"name": SCRIPTS["emoji"]}))
    assert [name for _, name in found(iter([tmp_path / "json"]), SCRIPTS)] == ["emoji"]


def test_before_anybody_is_erased_no_byte_of_theirs_stands_anywhere(house: House, erased: dict[str, Any]) -> None:
    assert found(iter([erased["dump"], erased["backup"]]), SCRIPTS) == []
    assert len(sealed_in(erased["dump"])) >= len(SCRIPTS) * len(planted("latin", uuid4()))


def test_what_is_no_secret_is_found_so_the_search_looks_where_it_should(house: House, erased: dict[str, Any]) -> None:
    in_files = {Path(place).relative_to(house.home).parts[1] for place, _ in found(house.files(), {"control": CONTROL})}

    assert {"base", "pg_wal"} <= in_files
    assert len(found(iter([erased["dump"]]), {"control": CONTROL})) == 1


def test_afterwards_no_byte_of_theirs_stands_in_a_file_of_the_cluster_or_in_a_dump(
    house: House, erased: dict[str, Any]
) -> None:
    house.rebuild()
    after = dump(house.url, erased["folder"] / "after.sql", "--format=plain")

    assert found(house.files(), SCRIPTS) == []
    assert found(iter([after, house.listed.path]), SCRIPTS) == []


def test_nothing_that_was_sealed_opens(house: House, erased: dict[str, Any]) -> None:
    sealed = sealed_in(erased["dump"])

    assert openable(house.url, sealed) == []


def test_the_read_models_do_not_even_hold_what_was_sealed(house: House, erased: dict[str, Any]) -> None:
    with database.connect(house.url) as connection:
        for name in models():
            query = sql.SQL("SELECT count(*) FROM {} r WHERE r::text LIKE '%s1.%'").format(
                sql.Identifier("books", name)
            )
            assert connection.execute(query).fetchone() == (0,), name


def test_entries_figures_and_counts_are_what_they_were(house: House, erased: dict[str, Any]) -> None:
    assert house.figures() == erased["figures"]
    assert _entries(house.url)[: len(erased["entries"])] == erased["entries"]
    assert len(_entries(house.url)) == len(erased["entries"]) + len(house.customers)


def test_a_backup_of_before_and_the_list_bring_nobody_back(house: House, erased: dict[str, Any]) -> None:
    with database.connect(house.url) as connection:
        connection.execute("CREATE DATABASE restored")
    there = conninfo.make_conninfo(house.url, dbname="restored")
    restore(erased["backup"], there)
    sealed = sealed_in(erased["dump"])
    assert len(openable(there, sealed)) >= len(sealed), "without the list everything opens"

    with database.pool(there, Duty.API, size=2) as pool:
        forgetting.enforce(there, Vault(pool, MASTER_KEY, "test-1", destroyed=house.listed))

    assert openable(there, sealed) == []
    assert found(iter([dump(there, erased["folder"] / "restored.sql", "--format=plain")]), SCRIPTS) == []


def test_a_server_that_opens_the_restored_ledger_does_so_by_itself(house: House, erased: dict[str, Any]) -> None:
    with database.connect(house.url) as connection:
        connection.execute("CREATE DATABASE again")
    there = conninfo.make_conninfo(house.url, dbname="again")
    restore(erased["backup"], there)

    done = subprocess.run(
        [sys.executable, "-c", OPENING, there, str(house.listed.path)], cwd=ROOT, check=True, capture_output=True,
        text=True, timeout=60,
    )  # fmt: skip

    assert done.stdout.split() == ["[]"] or done.stdout.strip() == "[]"
    assert openable(there, sealed_in(erased["dump"])) == []


OPENING = """
import base64, sys
from pathlib import Path
from api.settings import Settings
from api.wiring import open_desk
from tests.conftest import MASTER_KEY

settings = Settings(
    _env_file=None, database_url=sys.argv[1], destroyed_keys=Path(sys.argv[2]),
    master_key=base64.b64encode(MASTER_KEY).decode(), token_secret="x" * 40,
)
with open_desk(settings) as desk, desk.pool.connection() as connection:
    print(connection.execute("SELECT subject_id FROM vault.keys WHERE wrapped IS NOT NULL"
                             " AND subject_id <> '00000000-0000-0000-0000-000000000000'").fetchall())
"""
