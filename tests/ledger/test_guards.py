"""It is told where what refuses changes was taken away, and that alone is no fault."""

from typing import Any

import pytest
from psycopg import Connection

from ledger import verifying
from ledger.verifying.guards import GUARDED, unguarded
from tests.ledger.sealed_world import TRUST


def test_nothing_is_unguarded_as_it_is_made_and_in_an_empty_ledger_nothing_is_wrong(admin: Connection[Any]) -> None:
    report = verifying.verify(admin, TRUST)

    assert (report.head, report.findings.kept, report.unguarded) == (0, [], [])


@pytest.mark.parametrize("table", GUARDED)
@pytest.mark.parametrize("how", ["DISABLE TRIGGER append_only", "ENABLE TRIGGER append_only", "DISABLE TRIGGER USER"])
def test_a_trigger_that_is_off_or_can_be_got_round_is_told(admin: Connection[Any], table: str, how: str) -> None:
    admin.execute(f"ALTER TABLE {table} {how}".encode())

    report = verifying.verify(admin, TRUST)

    assert report.unguarded == [table]
    assert report.findings.kept == []


def test_a_trigger_that_is_gone_or_lets_everything_pass_is_told(admin: Connection[Any]) -> None:
    admin.execute("DROP TRIGGER append_only ON seals.tiles")
    admin.execute(
        "CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger LANGUAGE plpgsql"
        " AS $$ BEGIN RETURN NULL; END $$"
    )

    assert unguarded(admin) == ["ledger.commands", "ledger.entries", "seals.tiles"]
