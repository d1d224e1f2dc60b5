"""A projector that hangs is seen to, and another one takes its place; a row changed behind its back is seen as well."""

import json
import os
import signal
import subprocess
import sys
import time
from typing import Any

import pytest

from ledger import database
from projections.engine import alarms, lease
from projections.engine.lease import LEASE_S, ProjectorState
from tests.e2e.household import PATIENCE_S, Household, until
from tests.e2e.test_faults import books_are_true, house  # noqa: F401  (a fixture)
from tests.real import ROOT

NOTICED_S = LEASE_S + 5
"""Within how many seconds it must show that a projector hangs, where everything else runs on the same two cores."""
COMMAND_S = 3 * PATIENCE_S
"""How long a command may take beside a house that keeps the machine busy."""


def standing(house: Household) -> lease.Standing:  # noqa: F811
    with database.connect(house.url) as connection:
        return lease.standing(connection)


def daybook(house: Household, *arguments: str) -> "subprocess.CompletedProcess[str]":  # noqa: F811
    command = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=house.environment, capture_output=True, text=True, timeout=COMMAND_S, check=False
    )


def posts(house: Household, process: "subprocess.Popen[bytes]") -> bool:  # noqa: F811
    found = standing(house)
    return found.state is ProjectorState.POSTING and f"process {process.pid} " in (found.process or "")


def test_a_projector_that_hangs_is_lost_within_seconds_and_posts_nothing_once_another_took_its_place(
    house: Household,  # noqa: F811
    request: pytest.FixtureRequest,
) -> None:
    first = house.processes["projector"]
    request.addfinalizer(first.wait)
    request.addfinalizer(first.kill)
    until(lambda: posts(house, first) and house.posted() > 100, "posting")

    os.kill(first.pid, signal.SIGSTOP)
    stopped_at = time.monotonic()
    until(lambda: standing(house).state is ProjectorState.LOST, "the loss")
    assert time.monotonic() - stopped_at < NOTICED_S
    told, failed = daybook(house, "status", "--json"), daybook(house, "status", "--lag-max", "1000000")
    assert json.loads(told.stdout)["projector"]["state"] == "lost"
    assert failed.returncode == 1
    assert failed.stderr.startswith(f"daybook: The projector (process {first.pid} on ")

    house.start("projector")
    second, head = house.processes["projector"], house.position()
    until(lambda: posts(house, second) and house.posted() > head, "posting by the second projector")
    os.kill(first.pid, signal.SIGCONT)
    until(lambda: f"Another projector has the lease (process {second.pid} on " in house.log(), "standing by")
    head, until_s = house.position(), time.monotonic() + 2
    while time.monotonic() < until_s:
        assert posts(house, second)
    until(lambda: house.posted() > head, "further posting by the second projector")

    first.send_signal(signal.SIGINT)
    assert first.wait(PATIENCE_S) == 0, house.log()
    assert posts(house, second)
    house.stop()
    assert standing(house).state is ProjectorState.STOPPED
    books_are_true(house)


def test_a_row_that_an_administrator_changed_raises_an_alarm_until_it_is_as_it_was(
    house: Household,  # noqa: F811
) -> None:
    until(lambda: house.posted() > 100, "posting")
    writer = house.processes["writer"]
    assert writer.stdin
    writer.stdin.close()
    assert writer.wait(PATIENCE_S) == 0, house.log()
    until(lambda: house.posted() == house.position(), "posting of all")
    assert daybook(house, "spot-check", "--keys", "20").returncode == 0

    head = house.position()
    with database.connect(house.url) as admin:
        was = admin.execute("SELECT actor_id FROM books.audit_trail WHERE position = 7").fetchall()
        change(admin, "mallory")
        found = daybook(house, "spot-check", "audit_trail", "--all", "--json")
        told = json.loads(daybook(house, "status", "--json").stdout)
        change(admin, was[0][0])
        until(lambda: alarms.listed(admin) == [], "the end of the alarm, by the projector's own looks")
    house.stop()

    differing = {"model": "audit_trail", "key": "7", "position": head, "columns": ["actor_id"]}
    assert (found.returncode, json.loads(found.stdout)["differing"]) == (1, [differing])
    assert [{name: alarm[name] for name in differing} for alarm in told["alarms"]] == [differing]
    books_are_true(house)


def change(admin: Any, actor: str) -> None:
    admin.execute("UPDATE books.audit_trail SET actor_id = %s WHERE position = 7", (actor,))
