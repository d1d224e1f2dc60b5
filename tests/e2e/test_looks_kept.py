"""Who saw personal text stands in the ledger, be the server stopped in the very next moment."""

import json
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import httpx
import pytest

from ledger import database
from ledger.database import Duty
from projections.engine import posting, projector
from tests.api.test_serving import daybook, environment, free_port, serving

NAMES = ("王小明", "Zoë Ångström", "Иван", "محمد")
REGISTER = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { id } }"
READ = "query ($id: UUID!) { customer(id: $id) { name } }"
LOOKED = """
    SELECT customer_id::text, actor_id, data -> 'fields' FROM ledger.entries
     WHERE type = 'Look.Recorded' ORDER BY customer_id, position"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_what_was_seen_before_a_server_was_stopped_is_entered(url: str, tmp_path: Path, stop: signal.Signals) -> None:
    projector.prepare(url)
    env = environment(url, free_port(), tmp_path)
    address = f"http://127.0.0.1:{env['DAYBOOK_PORT']}/graphql"
    told = daybook("token", "--role", "agent", "--subject", "bob", "--json", env=env)
    headers = {"authorization": f"Bearer {json.loads(told.stdout)['token']}"}

    with serving(env) as process, httpx.Client(headers=headers) as client:
        ids = []
        for name in NAMES:
            given = {"input": {"idempotencyKey": str(uuid4()), "name": name}}
            answer = client.post(address, json={"query": REGISTER, "variables": given}).json()
            ids.append(answer["data"]["registerCustomer"]["id"])
        with database.connect(url, Duty.PROJECTOR) as connection:
            while posting.catch_up(connection):
                pass
        seen = [client.post(address, json={"query": READ, "variables": {"id": each}}).json() for each in ids]
        process.send_signal(stop)
        rest = process.communicate(timeout=20)[0]

    assert [answer["data"]["customer"]["name"] for answer in seen] == list(NAMES)
    assert (process.returncode, rest) == (0, "")
    with database.connect(url) as connection:
        assert connection.execute(LOOKED).fetchall() == [(each, "bob", ["name"]) for each in sorted(ids)]


def test_whoever_got_an_answer_while_the_server_stopped_is_told_of(url: str, tmp_path: Path) -> None:
    """Readers go on asking until nobody answers any more; each of those who saw the name has looked."""
    projector.prepare(url)
    env = environment(url, free_port(), tmp_path)
    address = f"http://127.0.0.1:{env['DAYBOOK_PORT']}/graphql"
    readers = [f"reader {number}" for number in range(8)]
    tokens = {who: daybook("token", "--role", "agent", "--subject", who, env=env).stdout.strip() for who in readers}

    with serving(env) as process:
        given = {"input": {"idempotencyKey": str(uuid4()), "name": "Ann"}}
        headers = {"authorization": f"Bearer {tokens[readers[0]]}"}
        answer = httpx.post(address, json={"query": REGISTER, "variables": given}, headers=headers).json()
        customer = answer["data"]["registerCustomer"]["id"]
        with database.connect(url, Duty.PROJECTOR) as connection:
            while posting.catch_up(connection):
                pass

        def read(who: str) -> bool:
            time.sleep(readers.index(who) / 20)
            with suppress(httpx.TransportError):
                body = {"query": READ, "variables": {"id": customer}}
                asked = httpx.post(address, json=body, headers={"authorization": f"Bearer {tokens[who]}"})
                return bool(asked.json()["data"]["customer"]["name"] == "Ann")
            return False

        with ThreadPoolExecutor(len(readers)) as threads:
            reading = {who: threads.submit(read, who) for who in readers}
            time.sleep(0.2)
            process.send_signal(signal.SIGTERM)
            saw = {who for who in readers if reading[who].result()}
        process.communicate(timeout=20)

    assert process.returncode == 0
    assert saw
    with database.connect(url) as connection:
        assert {who for _, who, _ in connection.execute(LOOKED)} >= saw
