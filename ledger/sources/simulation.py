"""Enters a simulated world into the ledger: published policies first, then everybody's lives in order of time."""

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple, Protocol
from uuid import NAMESPACE_OID, UUID, uuid5

import msgspec
from psycopg import Connection, sql

from domain.command import Actor, Context
from domain.event import Event
from domain.policy import POLICY_STREAMS, AuthorityLimit, Policy, RemedyAuthority, ServiceTargets, TierRule
from domain.vocabulary import ActorKind, Role
from ledger import bulk
from ledger.reading import decoded, line
from ledger.vault import Vault

from .world.chronicle import Chronicle
from .world.diary import SOURCE, Stage
from .world.life import live
from .world.parameters import DAY, World
from .world.phrases import ADMIN

__all__ = ["Advance", "Progress", "Summary", "World", "WorldClashes", "house_rules", "imagine", "silent", "simulate"]

ENTERED_AT_ONCE_MAX = 5_000
"""Why: some 300 ms of holding the ledger's head, which other writers wait for; larger pages are hardly faster."""

PUBLISHED = sql.SQL(
    "SELECT {} FROM ledger.entries WHERE stream_id IN (SELECT json_array_elements_text(%s::json)::uuid)"
    " ORDER BY stream_id, stream_version"
).format(line())


class Advance(Protocol):
    """Told how far the work has got."""

    def __call__(self, done: int, total: int | None = None, /) -> None:
        """``done`` units of ``total`` are done."""


Progress = Callable[[str, int | None], AbstractContextManager[Advance]]
"""Shows one stage of the work, by its name and its total; gives what is told how far it got."""


class Summary(NamedTuple):
    """What a simulation wrote."""

    world: UUID
    """Names the world; its entries carry it as correlation id."""
    customers: int
    entries: int
    """How many entries the world has, policies that were published for it included."""
    new: int
    """How many of them were not in the ledger before."""
    by_type: dict[str, int]
    """How many entries of each type the world has, by the stored name."""


class WorldClashes(Exception):
    """Entries of the world stand in the ledger with other content."""


@contextmanager
def silent(_what: str, _total: int | None = None) -> Iterator[Advance]:
    """Show no progress."""

    def advance(_done: int, _total: int | None = None, /) -> None:
        return

    yield advance


def simulate(connection: Connection[Any], vault: Vault, world: World, progress: Progress = silent) -> Summary:
    """Write a simulated world into the ledger, once: a second time adds nothing, after an interruption the rest.

    The connection needs the importer's duty. Policies of a kind that the ledger has not published yet are published
    as of the world's start; where there are some, the world lives under them, and before they take effect without
    any. Every entry is decided by the domain's own aggregates. Memory is bounded whatever the size of the world.

    ``progress`` shows the two stages of the work, the first counted in customers, the second in entries;
    ``api.cli.report.progress`` is one. Raises :class:`WorldClashes` where entries of this world stand in the ledger
    with other content, and :class:`~ledger.vault.VaultError` where one of its customers was erased.
    """
    policies, published = _establish_policies(connection, vault, world)
    stage = Stage(world, policies)
    types = Counter(event.type_name for event in published)
    new = len(published)
    with Chronicle() as chronicle:
        with progress("Imagining customers", world.customers) as advance:
            for number in range(1, world.customers + 1):
                life = live(stage, number)
                types.update(event.type_name for event in life)
                chronicle.add(life)
                advance(number, world.customers)
        with progress("Entering", len(chronicle)) as advance:
            for fresh, done in _entered(connection, vault, iter(chronicle)):
                new += fresh
                advance(done, len(chronicle))
    return Summary(stage.id, world.customers, sum(types.values()), new, dict(sorted(types.items())))


def imagine(world: World, policies: list[Event]) -> Iterator[list[Event]]:
    """The life of each customer of a world under published policies, without any ledger."""
    stage = Stage(world, policies)
    return (live(stage, number) for number in range(1, world.customers + 1))


def house_rules(world: World) -> list[Event]:
    """The policies that are published for a world where a ledger has none, in force from its start."""
    start = world.start
    tier_rule = TierRule(effective_from=start, currency=world.currency, service_cost_per_hour_minor=2_400)
    limits = [
        AuthorityLimit(role=Role.AGENT, amount_minor=5_000),
        AuthorityLimit(role=Role.SUPERVISOR, amount_minor=50_000),
    ]
    authority = RemedyAuthority(effective_from=start, currency=world.currency, limits=limits)
    targets = ServiceTargets(
        effective_from=start, acknowledge_within_s=DAY, resolve_within_s=10 * DAY, reopen_within_days=30
    )
    return [
        _published(Policy.publish_tier_rule, tier_rule, start),
        _published(Policy.publish_remedy_authority, authority, start),
        _published(Policy.publish_service_targets, targets, start),
    ]


def _published(publish: Callable[[Policy, Context, Any], None], fact: Event, at: datetime) -> Event:
    stream_id = POLICY_STREAMS[type(fact)]
    external_id = f"policy/{stream_id}/1"
    context = Context(
        at=at,
        actor=Actor(kind=ActorKind.EMPLOYEE, id=ADMIN, role=Role.ADMIN),
        command_id=uuid5(NAMESPACE_OID, external_id),
        source=SOURCE,
        external_id=external_id,
    )
    policy = Policy.unwritten(stream_id)
    publish(policy, context, fact)
    (event,) = policy.collect_events()
    assert isinstance(event, Event)
    return event


def _establish_policies(connection: Connection[Any], vault: Vault, world: World) -> tuple[list[Event], list[Event]]:
    """All published policies, and those among them that were published just now."""
    streams = msgspec.json.encode(list(POLICY_STREAMS.values())).decode()
    with connection.transaction():
        # The head stays locked, so that nobody publishes between the look and the entry.
        connection.execute("SELECT ledger.take_head()")
        found = [decoded(row[0]) for row in connection.execute(PUBLISHED, (streams,))]
        missing = POLICY_STREAMS.keys() - {type(event) for event in found}
        published = [event for event in house_rules(world) if type(event) in missing]
        if published:
            bulk.enter(connection, vault, published)
    # In the order they would be read in, so that the world is the same the second time.
    return sorted(found + published, key=lambda event: (event.stream_id, event.stream_version)), published


def _entered(connection: Connection[Any], vault: Vault, entries: Iterator[Event]) -> Iterator[tuple[int, int]]:
    """Enter everything; gives after each chunk how many of its entries were new, and how many entries were seen."""
    done, look_first = 0, False
    while chunk := list(islice(entries, ENTERED_AT_ONCE_MAX)):
        with connection.transaction():
            entered = bulk.enter(connection, vault, chunk, look_first=look_first)
            if entered.clashing:
                first = chunk[entered.clashing[0]].external_id
                raise WorldClashes(
                    f"{len(entered.clashing)} entries of this world stand in the ledger with other content, the first"
                    f" of them under {first}; choose another seed."
                )
        done, look_first = done + len(chunk), entered.looked
        yield len(entered.fresh), done
