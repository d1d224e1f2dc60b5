"""Killed at any moment, in the middle of writing and posting: nothing acknowledged is lost, nothing is there twice."""

import os
import random
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest

from api import auth
from api.settings import load
from domain.vocabulary import Role
from ledger import database
from ledger.database import Duty
from projections import catalogue  # noqa: F401  (fills the catalogue of read models)
from projections.engine import posting, rebuilding
from projections.engine.model import models
from tests.e2e.household import PATIENCE_S, Acknowledged, Household, until
from tests.e2e.story import Given, Made, command_id, tell

VICTIMS = [
    "postmaster",
    "postmaster",
    "session",
    "session",
    "server",
    "server",
    "projector",
    "projector",
    "writer",
    "writer",
]
CLIENTS = 4
UNSURE = {"UNAVAILABLE", "BUSY", "TOO_SLOW", "NOT_BUILT"}
"""Codes after which the same command is given again."""


@pytest.fixture
def house(monkeypatch: pytest.MonkeyPatch) -> Iterator[Household]:
    # Not in pytest's own folder: every run of pytest closes that to other users, and PostgreSQL runs as one under root.
    with tempfile.TemporaryDirectory(prefix="daybook-faults-") as folder:
        home = Path(folder) / "home"
        monkeypatch.delenv("DATABASE_URL", raising=False)
        monkeypatch.setenv("DAYBOOK_HOME", str(home))
        with Household(home) as opened:
            yield opened
            print(opened.log())


class Client:
    """Gives one command after the other over HTTP, each under its key until it is acknowledged, and some once more."""

    def __init__(self, house: Household, name: str, ended: threading.Event) -> None:
        self.house, self.name, self.ended, self.chance = house, name, ended, random.Random(name)
        self.http = httpx.Client(base_url=f"http://127.0.0.1:{house.port}", timeout=10)
        settings = load()
        self.tokens = {
            role: auth.issue(settings, subject=f"{name} {role}", role=role, hours=1)
            for role in (Role.AGENT, Role.SUPERVISOR)
        }
        self.asked_again = 0

    def run(self) -> None:
        """Until the end is told."""
        story = tell(self.chance)
        given = next(story)
        with self.http:
            while not self.ended.is_set():
                key = command_id(self.chance)
                first = self.give(given, key)
                self.house.acknowledged.append(first)
                if self.chance.random() < 0.1:
                    assert self.give(given, key) == first._replace(repeated=True)
                    self.asked_again += 1
                given = story.send(Made(first.id, first.position))

    def give(self, given: Given, key: UUID) -> Acknowledged:
        """Give a command until there is an answer to it."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            if (answer := self.attempt(given, key)) is not None:
                return answer
            assert time.monotonic() < deadline, f"{given} was not answered in {PATIENCE_S} s"
            time.sleep(0.05)

    def attempt(self, given: Given, key: UUID) -> Acknowledged | None:
        title = pascal(given.name)
        query = (
            f"mutation ($input: {title}Input!) {{ done: {title[0].lower()}{title[1:]}(input: $input)"
            " { id position repeated userErrors { code message } } }"
        )
        variables = {"input": graphql(given.input) | {"idempotencyKey": str(key)}}
        headers = {"authorization": f"Bearer {self.tokens[given.role]}"}
        try:
            answer = self.http.post("/graphql", json={"query": query, "variables": variables}, headers=headers).json()
        except (httpx.TransportError, ValueError):
            return None
        if codes := {error["extensions"]["code"] for error in answer.get("errors", ())}:
            assert codes <= UNSURE, answer
            return None
        done = answer["data"]["done"]
        assert done["userErrors"] == [], (given, answer)
        return Acknowledged(str(key), done["id"], done["position"], done["repeated"])


def graphql(given: dict[str, Any]) -> dict[str, Any]:
    """An input of the ledger in the words of GraphQL."""
    enums = {"kind", "channel", "direction"}
    return {
        camel(name): value.upper() if name in enums else [*map(graphql, value)] if isinstance(value, list) else value
        for name, value in given.items()
    }


def pascal(name: str) -> str:
    return "".join(part.title() for part in name.split("_"))


def camel(name: str) -> str:
    return name[0] + pascal(name)[1:]


def test_ten_kills_lose_nothing_double_nothing_and_leave_the_books_true(house: Household) -> None:
    seed = int(os.environ.get("DAYBOOK_FAULT_SEED") or time.time())
    print(f"repeat this run with DAYBOOK_FAULT_SEED={seed}")
    began = time.monotonic()
    chance, ended = random.Random(seed), threading.Event()
    victims = chance.sample(VICTIMS, len(VICTIMS))
    clients = [Client(house, f"{seed} client {n}", ended) for n in range(CLIENTS)]

    with ThreadPoolExecutor() as threads:
        running = [threads.submit(client.run) for client in clients]
        try:
            for victim in victims:
                goes_on(house, running)
                time.sleep(chance.uniform(0, 0.5))
                print(f"{time.monotonic() - began:.1f} s: kill the {victim}")
                house.kill(victim)
            goes_on(house, running)
        finally:
            ended.set()
        for each in running:
            each.result()
    assert house.living() == {"projector": True, "server": True, "writer": True}, house.log()
    house.stop()

    assert sum(client.asked_again for client in clients) > 0
    entries_are_whole(house)
    books_are_true(house)


def goes_on(house: Household, clients: Sequence[Future[None]]) -> None:
    """Wait until commands are acknowledged over both ways and posted, after what happened last."""

    def all_is_well() -> bool:
        for client in clients:
            assert not client.done() or client.result() is not None, "a client gave up"
        assert all(house.living().values()), f"{house.living()}\n{house.log()}"
        return True

    until(lambda: all_is_well() and house.answers(), "an answer of the server")
    until(lambda: house.position() >= 0, "an answer of the database")
    by_writer, in_all, head = house.written, len(house.acknowledged), house.position()
    until(lambda: all_is_well() and house.written > by_writer + 10, "acknowledgements to the writer")
    if clients:
        until(
            lambda: all_is_well() and len(house.acknowledged) - house.written > in_all - by_writer + 10, "and by HTTP"
        )
    until(lambda: all_is_well() and house.posted() > head, "posting of what was written")


def entries_are_whole(house: Household) -> None:
    """Every acknowledged command stands there once, at the position it was told, and positions have no gap."""
    with database.connect(house.url) as connection:
        commands = {
            str(command): (str(stream), first, last)
            for command, stream, first, last in connection.execute(
                "SELECT command_id, stream_id, first_position, last_position FROM ledger.commands"
            )
        }
        entries = connection.execute("SELECT position, command_id FROM ledger.entries ORDER BY position").fetchall()
    told = {ack.command: ack for ack in house.acknowledged}

    assert len(told) > 300
    assert [position for position, _ in entries] == [*range(1, len(entries) + 1)]
    assert house.position() == len(entries)
    assert len({command for _, command in entries}) == len(entries), "every command here enters one entry"
    assert {str(command): position for position, command in entries} == {
        c: last for c, (_, _, last) in commands.items()
    }
    for ack in house.acknowledged:
        assert commands[ack.command] == (ack.id, ack.position, ack.position)
    assert any(ack.repeated for ack in told.values()), "some were acknowledged only when they were given again"


def books_are_true(house: Household) -> None:
    """What was posted through all the kills is what a rebuild gives."""
    with database.connect(house.url, Duty.PROJECTOR) as reader, database.connect(house.url, Duty.PROJECTOR) as writer:
        while posting.catch_up(writer):
            pass
        posted = {name: dump(writer, name) for name in models()}
        for model in models().values():
            rebuilding.rebuild(reader, writer, model)
        assert {name: dump(writer, name) for name in models()} == posted
        assert writer.execute("SELECT count(*) FROM books.quarantine").fetchone() == (0,)
    assert len(posted["audit_trail"]) == house.position()


def dump(connection: Any, name: str) -> list[str]:
    return [row for (row,) in connection.execute(f"SELECT row_to_json(r)::text FROM books.{name} r ORDER BY 1")]
