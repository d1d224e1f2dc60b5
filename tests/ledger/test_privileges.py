"""What the database refuses, whoever asks: nobody changes an entry, and each role does its duty and no more."""

from collections.abc import Iterator
from typing import Any, LiteralString, cast

import pytest
from psycopg import Connection, errors, sql

from ledger import database
from ledger.application import Ledger
from ledger.database import Duty
from tests.conftest import acting

API, IMPORTER, PROJECTOR = Duty.API, Duty.IMPORTER, Duty.PROJECTOR
SEALER, AUDITOR = Duty.SEALER, Duty.AUDITOR
ENTRY: LiteralString = (
    "INSERT INTO ledger.entries SELECT {position}, gen_random_uuid(), 1, type, schema, customer_id, case_id,"
    " occurred_at, {recorded_at}, actor_kind, actor_id, actor_role, command_id, causation_id, correlation_id,"
    " source, external_id, data, leaf FROM ledger.entries WHERE position = 1"
)
TABLES = (
    "ledger.entries",
    "ledger.commands",
    "ledger.head",
    "ledger.imports",
    "vault.keys",
    "public.daybook_migrations",
    "seals.tiles",
    "seals.checkpoints",
    "seals.cosignatures",
    "seals.publications",
    "seals.troubles",
    "seals.verifications",
)
SEALS = {f"seals.{name}" for name in ("checkpoints", "cosignatures", "publications", "troubles")}
READS = {
    API: set(TABLES) - {"seals.verifications"},
    IMPORTER: {"ledger.entries", "ledger.head", "ledger.imports", "vault.keys", "public.daybook_migrations"},
    PROJECTOR: {"ledger.entries", "ledger.head", "public.daybook_migrations", *SEALS},
    # Of entries it reads positions and leaves, so not the whole of a row.
    SEALER: {"ledger.head", "public.daybook_migrations", "seals.tiles", *SEALS},
    AUDITOR: set(TABLES) - {"ledger.imports", "vault.keys"},
}
WRITES = {
    API: {("vault.keys", "INSERT")},
    IMPORTER: {
        ("vault.keys", "INSERT"),
        ("ledger.entries", "INSERT"),
        ("ledger.imports", "INSERT"),
        ("ledger.imports", "UPDATE"),
    },
    PROJECTOR: set[tuple[str, str]](),
    SEALER: {
        (f"seals.{name}", "INSERT") for name in ("tiles", "checkpoints", "cosignatures", "publications", "troubles")
    }
    | {("seals.troubles", "UPDATE"), ("seals.troubles", "DELETE")},
    AUDITOR: {("seals.verifications", "INSERT")},
}
EXECUTES = {
    API: {"append", "destroy"},
    IMPORTER: {"take_head"},
    PROJECTOR: set[str](),
    SEALER: set[str](),
    AUDITOR: set[str](),
}


@pytest.fixture(scope="module", autouse=True)
def entries(module_ledger: Ledger) -> None:
    """A few entries to have designs on."""
    for name in ("Ada", "Bob", "王小明"):
        module_ledger.execute("register_customer", {"name": name}, acting())


@pytest.fixture(params=list(Duty))
def role(request: pytest.FixtureRequest, module_url: str) -> Iterator[tuple[Duty, Connection[Any]]]:
    """Each role in turn, with a connection under it."""
    with database.connect(module_url, request.param) as connection:
        yield request.param, connection


def under(url: str, duty: Duty) -> Connection[Any]:
    """A connection under a duty."""
    return database.connect(url, duty)


def everything(admin: Connection[Any]) -> list[Any]:
    """What stands in the ledger, by value."""
    tables = ("ledger.entries", "ledger.commands", "ledger.head", "vault.keys")
    queries = (sql.SQL("SELECT t::text FROM {} t ORDER BY 1").format(sql.SQL(table)) for table in tables)
    return [admin.execute(query).fetchall() for query in queries]


# Nobody changes an entry.


@pytest.mark.parametrize("table", ["ledger.entries", "ledger.commands"])
@pytest.mark.parametrize(
    ("action", "statement"),
    [
        ("UPDATE", "UPDATE {} SET stream_id = stream_id"),
        ("UPDATE", "UPDATE {} SET stream_id = stream_id WHERE false"),
        ("DELETE", "DELETE FROM {}"),
        ("TRUNCATE", "TRUNCATE {}"),
        ("TRUNCATE", "TRUNCATE {} CASCADE"),
    ],
)
@pytest.mark.parametrize("mode", ["origin", "replica"])
def test_not_even_the_owner_changes_what_was_entered(
    module_admin: Connection[Any], table: LiteralString, action: str, statement: LiteralString, mode: str
) -> None:
    before = everything(module_admin)

    with pytest.raises(errors.InsufficientPrivilege) as error, module_admin.transaction():
        module_admin.execute(sql.SQL("SET LOCAL session_replication_role = {}").format(mode))
        module_admin.execute(sql.SQL(statement).format(sql.SQL(table)))

    assert f"the ledger is append-only: {action} on {table} is refused" in str(error.value)
    assert everything(module_admin) == before


def test_an_upsert_changes_no_entry_either(module_admin: Connection[Any]) -> None:
    with pytest.raises(errors.InsufficientPrivilege):
        module_admin.execute(
            "INSERT INTO ledger.entries SELECT * FROM ledger.entries"
            " ON CONFLICT (position) DO UPDATE SET actor_id = 'mallory'"
        )


@pytest.mark.parametrize(
    ("position", "recorded_at", "problem"),
    [
        ("h.position + 2", "clock_timestamp()", "do not continue the ledger"),
        ("h.position - 100", "clock_timestamp()", "do not continue the ledger"),
        ("h.position + 1", "h.recorded_at - interval '1 microsecond'", "would run backwards"),
        ("h.position + 1", "clock_timestamp() + interval '1 minute'", "would run ahead"),
        ("h.position + 1", "'infinity'", "would run ahead"),
    ],
)
@pytest.mark.parametrize("duty", [None, IMPORTER])
def test_entries_continue_the_ledger_without_a_gap_and_in_time_whoever_enters_them(
    module_url: str,
    module_admin: Connection[Any],
    duty: Duty | None,
    position: str,
    recorded_at: str,
    problem: str,
) -> None:
    before = everything(module_admin)
    at = {"h.position": "(SELECT position FROM ledger.head)", "h.recorded_at": "(SELECT recorded_at FROM ledger.head)"}
    for name, query in at.items():
        position, recorded_at = position.replace(name, query), recorded_at.replace(name, query)
    statement = cast(LiteralString, ENTRY.format(position=position, recorded_at=recorded_at))

    with database.connect(module_url, duty) as connection, pytest.raises(errors.IntegrityConstraintViolation) as error:
        connection.execute(statement)

    assert problem in str(error.value)
    assert everything(module_admin) == before


def test_the_importer_enters_a_dense_continuation(url: str, ledger: Ledger) -> None:
    ledger.execute("register_customer", {}, acting())
    statement = cast(
        LiteralString,
        ENTRY.format(position="(SELECT position + 1 FROM ledger.head)", recorded_at="clock_timestamp()"),
    )

    with under(url, IMPORTER) as importer:
        importer.execute(statement)

    assert ledger.recorder.max_notification_id() == 2
    assert ledger.execute("register_customer", {}, acting()).position == 3


def test_a_stream_takes_each_version_once(module_url: str) -> None:
    with under(module_url, IMPORTER) as importer, pytest.raises(errors.UniqueViolation):
        importer.execute(
            "INSERT INTO ledger.entries SELECT (SELECT position + 1 FROM ledger.head), stream_id, stream_version, type,"
            " schema, customer_id, case_id, occurred_at, clock_timestamp(), actor_kind, actor_id, actor_role,"
            " command_id, causation_id, correlation_id, source, external_id, data, leaf"
            " FROM ledger.entries WHERE position = 1"
        )


# Each role does its duty and no more.


def test_a_role_reads_what_it_needs_and_no_more(role: tuple[Duty, Connection[Any]]) -> None:
    duty, connection = role

    def reads(table: LiteralString) -> bool:
        try:
            connection.execute(sql.SQL("SELECT * FROM {} LIMIT 1").format(sql.SQL(table)))
        except errors.InsufficientPrivilege:
            return False
        return True

    assert {table for table in TABLES if reads(table)} == READS[duty]


def test_a_role_writes_what_it_needs_and_no_more(module_admin: Connection[Any], role: tuple[Duty, Any]) -> None:
    """Every table of every schema of ours is asked about, also those a later migration brings."""
    held = module_admin.execute(
        "SELECT format('%%I.%%I', n.nspname, c.relname), p.privilege"
        " FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace,"
        " unnest(ARRAY['INSERT','UPDATE','DELETE','TRUNCATE','REFERENCES','TRIGGER','MAINTAIN']) AS p (privilege)"
        " WHERE n.nspname IN ('ledger', 'vault', 'seals', 'public') AND c.relkind IN ('r', 'p', 'v')"
        " AND (has_table_privilege(%(role)s, c.oid, p.privilege)"
        "      OR p.privilege IN ('INSERT', 'UPDATE', 'REFERENCES')"
        "         AND has_any_column_privilege(%(role)s, c.oid, p.privilege))",
        {"role": role[0].value},
    ).fetchall()

    assert set(held) == WRITES[role[0]]


def test_a_role_calls_the_functions_it_needs_and_no_more(module_admin: Connection[Any], role: tuple[Duty, Any]) -> None:
    callable_ = module_admin.execute(
        "SELECT p.proname FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
        " WHERE n.nspname IN ('ledger', 'vault', 'seals', 'public') AND p.prorettype <> 'trigger'::regtype"
        " AND has_function_privilege(%s, p.oid, 'EXECUTE')",
        (role[0].value,),
    ).fetchall()

    assert {name for (name,) in callable_} == EXECUTES[role[0]]


def test_a_role_makes_nothing_where_the_ledger_lives(role: tuple[Duty, Connection[Any]]) -> None:
    for schema in ("ledger", "vault", "seals", "public"):
        with pytest.raises(errors.InsufficientPrivilege):
            role[1].execute(sql.SQL("CREATE TABLE {}.mine ()").format(sql.Identifier(schema)))


def test_a_role_changes_neither_triggers_nor_rights(role: tuple[Duty, Connection[Any]]) -> None:
    statements: list[LiteralString] = [
        "ALTER TABLE ledger.entries DISABLE TRIGGER append_only",
        "ALTER TABLE ledger.entries DISABLE TRIGGER keep_dense",
        "DROP TRIGGER append_only ON ledger.entries",
        "DROP TABLE ledger.entries",
        "ALTER TABLE ledger.entries OWNER TO CURRENT_USER",
        "ALTER FUNCTION ledger.append SECURITY INVOKER",
        "UPDATE ledger.head SET position = 0",
        "DELETE FROM ledger.head",
        "SELECT position FROM ledger.head FOR UPDATE",
    ]
    for statement in statements:
        with pytest.raises(errors.InsufficientPrivilege):
            role[1].execute(statement)
    # Nobody has a right to grant; PostgreSQL says so by a warning and does nothing.
    role[1].execute("GRANT DELETE ON ledger.head TO PUBLIC")
    assert role[1].execute("SELECT has_table_privilege('ledger.head', 'DELETE')").fetchone() == (False,)


def test_the_api_cannot_enter_anything_but_through_the_one_function(module_url: str) -> None:
    statement = cast(
        LiteralString, ENTRY.format(position="(SELECT position + 1 FROM ledger.head)", recorded_at="clock_timestamp()")
    )

    with under(module_url, API) as api:
        for attempt in (statement, "SELECT ledger.take_head()"):
            with pytest.raises(errors.InsufficientPrivilege):
                api.execute(cast(LiteralString, attempt))


def test_a_key_once_made_is_replaced_by_nobody(role: tuple[Duty, Connection[Any]]) -> None:
    for statement in (
        "UPDATE vault.keys SET wrapped = 'x'",
        "DELETE FROM vault.keys",
        "INSERT INTO vault.keys SELECT * FROM vault.keys ON CONFLICT (subject_id) DO UPDATE SET wrapped = 'x'",
    ):
        with pytest.raises(errors.InsufficientPrivilege):
            role[1].execute(cast(LiteralString, statement))


def test_no_key_is_destroyed_but_by_an_entry_that_says_so(module_url: str, module_admin: Connection[Any]) -> None:
    before = everything(module_admin)

    with under(module_url, API) as api:
        for position in ("1", "0", "999", "NULL"):
            with pytest.raises(errors.InsufficientPrivilege, match="does not say that a customer was erased"):
                api.execute(cast(LiteralString, f"SELECT vault.destroy({position})"))

    assert everything(module_admin) == before


def test_a_function_does_not_look_where_its_caller_wants(module_url: str) -> None:
    """A caller's own table of the same name must not be written instead of the ledger's."""
    with under(module_url, API) as api:
        api.execute("CREATE TEMP TABLE entries (LIKE ledger.entries)")
        api.execute("SET search_path = pg_temp, ledger")
        api.execute("SELECT * FROM ledger.append('[]', '', '[]')")
        assert api.execute("SELECT count(*) FROM pg_temp.entries").fetchone() == (0,)

        functions = api.execute(
            "SELECT p.proname, p.proconfig FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace"
            " WHERE n.nspname IN ('ledger', 'vault') AND p.prosecdef"
        ).fetchall()

    assert {name for name, _ in functions} == {"append", "take_head", "keep_dense", "destroy"}
    assert all("search_path=pg_catalog, pg_temp" in settings for _, settings in functions)


def test_the_login_takes_the_role_on_connecting(role: tuple[Duty, Connection[Any]]) -> None:
    assert role[1].execute("SELECT current_user").fetchone() == (role[0].value,)
