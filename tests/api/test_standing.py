"""What the API tells of the projector, of what each read model is made of, and of rows that are wrong."""

import os
import re
import socket

import psycopg
import pytest

from domain.purchase import Purchase
from domain.vocabulary import Role
from ledger import database
from ledger.database import Duty
from projections.engine import builds, checking
from projections.engine.lease import Lease
from projections.engine.model import Fold, fingerprint, folds, models
from projections.sales import Sales
from tests.api.asking import Api

HERE = f"process {os.getpid()} on {socket.gethostname()}"
PROJECTOR = "{ projector { state process since lastHeardAt } }"
SET_ASIDE = "{ setAside { model key position since } }"
ALARMS = "{ alarms { model key position columns seenAt } }"


def test_the_projector_is_told_with_its_process_and_when_it_was_last_heard_of(fresh_api: Api) -> None:
    ours = Lease()
    never = fresh_api.ask(PROJECTOR)["projector"]
    with database.connect(fresh_api.url, Duty.PROJECTOR) as connection:
        ours.keep(connection)
        posting = fresh_api.ask(PROJECTOR)["projector"]
        connection.execute("UPDATE books.lease SET beat_at = beat_at - interval '7 s', until = until - interval '7 s'")
        lost = fresh_api.ask(PROJECTOR)["projector"]
        ours.keep(connection)
        ours.give_back(connection)
        stopped = fresh_api.ask(PROJECTOR)["projector"]

    assert never == {"state": "STOPPED", "process": None, "since": None, "lastHeardAt": None}
    assert (posting["state"], posting["process"]) == ("POSTING", HERE)
    assert posting["since"] == posting["lastHeardAt"]
    assert posting["since"].endswith("+00:00")
    assert (lost["state"], lost["process"], lost["since"]) == ("LOST", HERE, posting["since"])
    assert lost["lastHeardAt"] < posting["lastHeardAt"]
    assert (stopped["state"], stopped["process"]) == ("STOPPED", HERE)


def test_a_server_that_is_far_behind_tells_what_became_of_the_projector(fresh_api: Api) -> None:
    with database.connect(fresh_api.url, Duty.PROJECTOR) as connection, psycopg.connect(fresh_api.url) as admin:
        Lease().keep(connection)
        admin.execute("UPDATE ledger.head SET position = 20000")
        admin.commit()
        posting = fresh_api.request("GET", "/readyz")
        connection.execute("UPDATE books.lease SET beat_at = beat_at - interval '7 s', until = until - interval '7 s'")
        lost = fresh_api.request("GET", "/readyz")

    assert posting.status_code == lost.status_code == 503
    assert posting.json()["faults"] == [
        f"The read models are 20000 entries behind; the projector ({HERE}) is posting them."
    ]
    (fault,) = lost.json()["faults"]
    assert re.fullmatch(
        rf"The read models are 20000 entries behind; the projector \({HERE}\) was last heard of [78] s ago;"
        " start one with: daybook project",
        fault,
    )


def test_a_lost_projector_alone_does_not_keep_the_server_from_answering(fresh_api: Api) -> None:
    with database.connect(fresh_api.url, Duty.PROJECTOR) as connection:
        Lease().keep(connection)
        connection.execute("UPDATE books.lease SET until = until - interval '7 s'")

    assert fresh_api.request("GET", "/readyz").json() == {"ready": True, "faults": []}


def test_a_read_model_tells_its_fingerprint_and_the_checksum_it_was_put_in_service_with(fresh_api: Api) -> None:
    fresh_api.done("registerCustomer", name="Ann")

    told = fresh_api.ask("{ projections { model fingerprint checksum certifiedPosition alarms position } }")

    with database.connect(fresh_api.url, Duty.API) as connection:
        certificates = builds.certificates(connection)
    assert {each["model"]: each for each in told["projections"]} == {
        name: {
            "model": name,
            "fingerprint": fingerprint(model),
            "checksum": certificates[name].checksum,
            "certifiedPosition": 0,
            "alarms": 0,
            "position": 1,
        }
        for name, model in models().items()
    }


@pytest.fixture
def wrong(fresh_api: Api) -> Api:
    """An API over a ledger where one row was changed behind its back, and was found out."""
    fresh_api.done("recordPurchase", currency="EUR", lines=[{"sku": "A", "quantity": 1, "amountMinor": 5}])
    with psycopg.connect(fresh_api.url, autocommit=True) as admin:
        admin.execute("UPDATE books.sales SET amount_minor = 6")
    with database.connect(fresh_api.url, Duty.PROJECTOR) as connection:
        for _ in checking.every(connection, Sales, lambda _done, _total: None):
            pass
    return fresh_api


def test_alarms_name_the_row_and_the_columns_that_differ_but_not_what_is_in_them(wrong: Api) -> None:
    (alarm,) = wrong.ask(ALARMS)["alarms"]
    counted = wrong.ask("{ projections { model alarms } }")["projections"]

    assert alarm.pop("seenAt").endswith("+00:00")
    assert alarm == {"model": "sales", "key": "1", "position": 1, "columns": ["amount_minor"]}
    assert {each["model"]: each["alarms"] for each in counted} == dict.fromkeys(models(), 0) | {"sales": 1}


def test_keys_that_are_set_aside_are_told_with_the_entry_that_failed_but_not_what_was_wrong(
    fresh_api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: Sales, e: Purchase.Recorded) -> None:
        raise ValueError(f"cannot take {e.lines}")

    line = {"sku": "A", "quantity": 1, "amountMinor": 5}
    fresh_api.done("recordPurchase", currency="EUR", lines=[line])
    monkeypatch.setitem(folds(Sales), Purchase.Recorded, [Fold(failing, "position", amends=False, own=False)])
    fresh_api.done("recordPurchase", currency="EUR", lines=[line])

    (aside,) = fresh_api.ask(SET_ASIDE)["setAside"]
    counted = fresh_api.ask("{ projections { model quarantined } }")["projections"]

    assert aside.pop("since").endswith("+00:00")
    assert aside == {"model": "sales", "key": "2", "position": 2}
    assert {each["model"]: each["quarantined"] for each in counted} == dict.fromkeys(models(), 0) | {"sales": 1}


@pytest.mark.parametrize(("query", "none"), [(ALARMS, {"alarms": []}), (SET_ASIDE, {"setAside": []})])
@pytest.mark.parametrize(
    ("role", "sees"), [(role, role in (Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN)) for role in Role]
)
def test_alarms_and_keys_that_are_set_aside_are_for_those_who_may_see_the_audit_trail(
    api: Api, query: str, none: dict[str, list[str]], role: Role, sees: bool
) -> None:
    if sees:
        assert api.ask(query, role=role) == none
    else:
        assert api.code(query, role=role) == "FORBIDDEN"
