"""The server as a process: it starts, answers, and stops in order; and the commands beside it."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import psycopg
import pytest

from api import auth
from api.cli.schema import COMMITTED
from projections.engine import projector
from tests.api.asking import SECRET

PROJECT = Path(__file__).parent.parent.parent
MASTER_KEY = "YSBtYXN0ZXIga2V5IGZvciB0ZXN0cywgMzIgYnl0ZXM="


def environment(url: str, port: int, home: Path) -> dict[str, str]:
    return os.environ | {
        "DATABASE_URL": url,
        "DAYBOOK_PORT": str(port),
        "DAYBOOK_HOME": str(home),
        "DAYBOOK_MASTER_KEY": MASTER_KEY,
        "DAYBOOK_TOKEN_SECRET": SECRET,
    }


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def daybook(*arguments: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "api", *arguments]
    return subprocess.run(command, env=env, cwd=PROJECT, capture_output=True, text=True, timeout=60)


@contextmanager
def serving(env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A server that has said that it answers."""
    command = [sys.executable, "-m", "api", "serve"]
    process = subprocess.Popen(
        command, env=env, cwd=PROJECT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        assert f"http://127.0.0.1:{env['DAYBOOK_PORT']}/graphql" in process.stdout.readline()
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_server_answers_over_http_and_stops_in_order(url: str, tmp_path: Path, stop: signal.Signals) -> None:
    projector.prepare(url)
    env = environment(url, free_port(), tmp_path)
    with serving(env) as process:
        told = daybook("token", "--role", "agent", "--subject", "ann", "--json", env=env)
        headers = {"authorization": f"Bearer {json.loads(told.stdout)['token']}"}
        query = "mutation ($input: RegisterCustomerInput!) { registerCustomer(input: $input) { position } }"
        body = {"query": query, "variables": {"input": {"idempotencyKey": str(uuid4())}}}
        address = f"http://127.0.0.1:{env['DAYBOOK_PORT']}"

        answer = httpx.post(f"{address}/graphql", json=body, headers=headers)
        taken = daybook("serve", env=env)
        process.send_signal(stop)
        rest = process.communicate(timeout=20)[0]

    assert answer.json()["data"] == {"registerCustomer": {"position": 1}}
    assert taken.returncode == 1
    assert taken.stderr.startswith(f"daybook: Port {env['DAYBOOK_PORT']} on 127.0.0.1 is not to be had")
    assert taken.stderr.count("\n") == 1
    assert (process.returncode, rest) == (0, "")


def test_a_database_without_shape_is_a_clear_error(empty_url: str, tmp_path: Path) -> None:
    done = daybook("serve", env=environment(empty_url, free_port(), tmp_path))

    assert (done.returncode, done.stderr) == (1, "daybook: The database is empty; run: daybook migrate\n")


def test_a_database_that_is_not_there_is_a_clear_error(tmp_path: Path) -> None:
    done = daybook("serve", env=environment("postgresql://localhost:1/nothing", free_port(), tmp_path))

    assert done.returncode == 1
    assert done.stderr.startswith("daybook: The database cannot be reached")
    assert "Traceback" not in done.stderr


def test_a_token_names_who_and_what_and_how_long(tmp_path: Path) -> None:
    env = environment("postgresql://unused", 1, tmp_path)

    made = daybook("token", "--role", "auditor", "--subject", "王", "--hours", "1", env=env).stdout.strip()
    refused = daybook("token", "--role", "auditor", "--subject", "x", "--hours", "100000", env=env)

    assert auth.Door(SECRET).viewer(f"Bearer {made}") == auth.Viewer("王", auth.Role.AUDITOR)
    assert refused.returncode == 2
    assert refused.stderr == "daybook: A token is good for more than 0 and up to 744 hours, not 100000.\n"


def test_the_schema_is_printed_as_committed_and_checked(tmp_path: Path) -> None:
    env = environment("postgresql://unused", 1, tmp_path)
    earlier = tmp_path / "earlier.graphql"
    earlier.write_text(COMMITTED.read_text("utf-8") + "\nextend type Query { gone: Int }\n", "utf-8")

    assert daybook("schema", env=env).stdout == COMMITTED.read_text("utf-8")
    assert daybook("schema", "--check", env=env).returncode == 0
    missing = daybook("schema", "--against", "nowhere.graphql", env=env)
    assert (missing.returncode, missing.stderr) == (1, "daybook: nowhere.graphql: No such file or directory.\n")
    for wrong in (b"root:x:0:0", b"type Query { a: Missing }", b"", b"\xff"):
        (tmp_path / "wrong").write_bytes(wrong)
        refused = daybook("schema", "--against", str(tmp_path / "wrong"), env=env)
        assert (refused.returncode, refused.stderr) == (
            1, f"daybook: {tmp_path / 'wrong'} is no GraphQL schema; make one with: daybook schema > FILE\n"
        )  # fmt: skip
    broken = daybook("schema", "--against", str(earlier), env=env)
    assert broken.returncode == 1
    assert "Query.gone was removed" in broken.stderr


def test_a_case_is_replayed_in_a_terminal(url: str, tmp_path: Path) -> None:
    env = environment(url, 1, tmp_path)

    unknown = daybook("replay", str(uuid4()), env=env)
    unnamed = daybook("replay", "K-1", env=env)

    assert unknown.stderr.startswith("daybook: There is no case with the id")
    assert (unknown.returncode, unnamed.returncode) == (1, 2)
    assert unnamed.stderr.startswith("daybook: A case is named by its id, a UUID, not 'K-1'")
    with psycopg.connect(url) as connection:
        assert connection.execute("SELECT position FROM ledger.head").fetchone() == (0,)
