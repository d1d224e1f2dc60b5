"""An endless run of commands about customers, as one clerk gives them: each depends on what came of those before."""

from collections.abc import Generator
from random import Random
from typing import Any, NamedTuple
from uuid import UUID

from domain.vocabulary import Role


class Given(NamedTuple):
    """A command to be given, in the words of the ledger."""

    name: str
    input: dict[str, Any]
    role: Role = Role.AGENT


class Made(NamedTuple):
    """What came of it."""

    id: str
    position: int


Story = Generator[Given, Made, None]


def tell(chance: Random) -> Story:
    """Customers one after the other, each with a life of some entries; send back what came of each command."""
    while True:
        customer = (yield Given("register_customer", {"name": f"顾客 {chance.random()}", "country": "CN"})).id
        for _ in range(chance.randrange(1, 4)):
            yield from _bought(chance, customer)
        contact = {"customer_id": customer, "channel": "phone", "direction": "inbound", "purpose": "回访"}
        yield Given("record_touchpoint", contact | {"duration_s": chance.randrange(900)})
        yield from _complained(chance, customer)


def _bought(chance: Random, customer: str) -> Story:
    lines = [{"sku": f"A{n}", "quantity": 1 + n, "amount_minor": chance.randrange(1000)} for n in range(3)]
    purchase = yield Given("record_purchase", {"customer_id": customer, "currency": "EUR", "lines": lines})
    if chance.random() < 0.3:
        back = [lines[0] | {"amount_minor": 0}]
        yield Given("return_purchase", {"id": purchase.id, "lines": back})
    elif chance.random() < 0.3:
        void = {"position": purchase.position, "reason": "entered twice"}
        yield Given("void_entry", void, Role.SUPERVISOR)


def _complained(chance: Random, customer: str) -> Story:
    opened = {"customer_id": customer, "kind": "complaint", "channel": "email", "description": "它坏了"}
    case = (yield Given("open_case", opened)).id
    for name, more in (
        ("acknowledge_case", {"channel": "email"}),
        ("confirm_case_facts", {"restatement": "it broke"}),
        ("propose_solution", {"kind": "fix"}),
        ("accept_solution", {}),
        ("resolve_case", {"resolution": "mended"}),
    ):
        if chance.random() < 0.2:
            return
        yield Given(name, {"id": case} | more)


def command_id(chance: Random) -> UUID:
    """A key for a command; the same in every attempt to give it."""
    return UUID(int=chance.getrandbits(128), version=4)
