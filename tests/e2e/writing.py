"""A process of several clerks who give commands to the ledger and print each one as it is acknowledged.

``python -m tests.e2e.writing SEED`` goes on until its standard input is closed; it finds the ledger in the environment.
"""

import json
import os
import sys
import threading
import time
from datetime import UTC, datetime
from random import Random

import psycopg
from psycopg_pool import PoolTimeout

from api.settings import load
from api.wiring import open_desk
from domain.command import Actor, Context
from domain.vocabulary import ActorKind
from ledger.application import Ledger
from ledger.database import DatabaseUnavailable
from ledger.writer import WriteFailed, WriterBusy
from tests.e2e.story import Given, Made, command_id, tell

CLERKS = 4
AGAIN = (WriteFailed, WriterBusy, DatabaseUnavailable, PoolTimeout, psycopg.OperationalError)
"""After these the same command is given again."""


def main(seed: str) -> None:
    """Write until standard input is closed."""
    closed = threading.Event()
    with open_desk(load()) as desk:
        clerks = [
            threading.Thread(target=write, args=(desk.ledger, f"{seed} clerk {n}", closed), daemon=True)
            for n in range(CLERKS)
        ]
        for clerk in clerks:
            clerk.start()
        sys.stdin.read()
        closed.set()
        for clerk in clerks:
            clerk.join()


def write(ledger: Ledger, name: str, closed: threading.Event) -> None:
    """Give one command after the other, each until it is acknowledged."""
    chance = Random(name)
    story = tell(chance)
    given = next(story)
    while not closed.is_set():
        made = acknowledged(ledger, given, name, chance, closed)
        if made is None:
            return
        given = story.send(made)


def acknowledged(ledger: Ledger, given: Given, name: str, chance: Random, closed: threading.Event) -> Made | None:
    """Give a command until it is acknowledged, and print that; ``None`` when there was no answer before the end."""
    key = command_id(chance)
    actor = Actor(kind=ActorKind.EMPLOYEE, id=f"{name} {given.role}", role=given.role)
    at = datetime.now(UTC)
    while True:
        try:
            done = ledger.execute(given.name, given.input, Context(at=at, actor=actor, command_id=key))
        except AGAIN:
            if closed.is_set():
                return None
            time.sleep(0.02)
            continue
        line = {"command": str(key), "id": str(done.stream_id), "position": done.position, "repeated": done.repeated}
        os.write(1, json.dumps(line).encode() + b"\n")
        return Made(str(done.stream_id), done.position)


if __name__ == "__main__":
    main(sys.argv[1])
