"""The diary of one simulated customer: writes through the aggregates, and hands over what was written."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from random import Random
from typing import Any, TypeVar
from uuid import NAMESPACE_OID, uuid5

import msgspec

from domain.aggregate import Aggregate
from domain.command import Actor, Context
from domain.event import NIL, Event
from domain.policy import RemedyAuthority, ServiceTargets
from domain.vocabulary import ActorKind, Role

from .parameters import YEAR, World
from .phrases import STAFF, SUPERVISORS

SOURCE = "simulation"
"""The source that entries of simulated worlds name."""
EDITION = 1
"""Goes up whenever the same parameters would give another world, so that no world is continued by another's entries."""

AGENTS = tuple(Actor(kind=ActorKind.EMPLOYEE, id=person, role=Role.AGENT) for person in STAFF)
LEADS = tuple(Actor(kind=ActorKind.EMPLOYEE, id=person, role=Role.SUPERVISOR) for person in SUPERVISORS)
SHOP = Actor(kind=ActorKind.SYSTEM, id="webshop")
BOT = Actor(kind=ActorKind.BOT, id="chatbot")

A = TypeVar("A", bound=Aggregate)
T = TypeVar("T")


class WorldEnds(Exception):
    """What was about to happen lies after the world's end."""


class Stage:
    """What all customers of a world share: its time, its policies and its identity."""

    def __init__(self, world: World, policies: Sequence[Event]) -> None:
        """Set the stage of ``world`` under the published ``policies``, in order of their versions."""
        self.world, self.start, self.length = world, world.start, world.length
        self.follow_up = world.follow_up
        self._targets = [event for event in policies if isinstance(event, ServiceTargets)]
        self._authorities = [event for event in policies if isinstance(event, RemedyAuthority)]
        self.id = uuid5(NAMESPACE_OID, _told(world, [*self._targets, *self._authorities]))
        """Names the world: other parameters or other policies make it another one."""

    def targets(self, at: float) -> ServiceTargets | None:
        """The service targets in force, ``at`` in seconds since the world's start."""
        found: ServiceTargets | None = self._in_force(self._targets, at)
        return found

    def authority(self, at: float) -> RemedyAuthority | None:
        """The remedy authority in force, ``at`` in seconds since the world's start."""
        found: RemedyAuthority | None = self._in_force(self._authorities, at)
        return found

    def _in_force(self, published: list[Any], at: float) -> Any:
        instant = self.start + timedelta(seconds=int(at))
        return next((policy for policy in reversed(published) if policy.effective_from <= instant), None)


def _told(world: World, policies: list[Event]) -> str:
    """What makes a world the one it is; a parameter added later changes nothing while it has its default."""
    fields = {field.name: (getattr(world, field.name), field.default) for field in msgspec.structs.fields(world)}
    chosen = {name: value for name, (value, default) in fields.items() if value != default}
    lived_under = [[event.type_name, _said(event.payload())] for event in policies]
    return msgspec.json.encode([EDITION, chosen, lived_under], order="deterministic").decode()


def _said(payload: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in payload.items() if value is not None}


class Diary:
    """Keeps the aggregates of one customer and the circumstances of what happens to them.

    Instants are seconds since the world's start. Every draw comes from :attr:`random`, which depends on the world's
    seed and the customer's number alone.
    """

    def __init__(self, stage: Stage, number: int) -> None:
        """Open the diary of customer ``number``."""
        self.stage, self.world, self.number = stage, stage.world, number
        self.random = Random(f"{stage.world.seed}/{number}")  # noqa: S311  (a world to be drawn again, no secret)
        self._streams: list[tuple[str, Aggregate]] = []
        self._begun: Counter[str] = Counter()

    def begin(self, create: Callable[..., A], at: float, actor: Actor, *arguments: Any) -> A:
        """Create an aggregate by one of its commands; raises :class:`WorldEnds` after the end."""
        kind = create.__self__.__name__.lower()  # type: ignore[attr-defined]
        label = f"{self.number}/{kind}{self._begun[kind] + 1}"
        created = create(self._context(at, actor), uuid5(self.stage.id, label), *arguments)
        self._begun[kind] += 1
        self._streams.append((label, created))
        return created

    def do(self, command: Callable[..., None], at: float, actor: Actor, *arguments: Any) -> None:
        """Give a command to an aggregate of this diary; raises :class:`WorldEnds` after the end."""
        command(self._context(at, actor), *arguments)

    def agent(self) -> Actor:
        """Any agent."""
        return self.random.choice(AGENTS)

    def lead(self) -> Actor:
        """Any supervisor."""
        return self.random.choice(LEADS)

    def happens(self, probability: float) -> bool:
        """Whether something of that probability comes true this time."""
        return self.random.random() < probability

    def drawn(self, weights: Mapping[T, float]) -> T:
        """One of the given things, each as likely as its weight."""
        return self.random.choices(tuple(weights), tuple(weights.values()))[0]

    def instants(self, begin: float, end: float, many: int) -> list[float]:
        """So many instants between two, in order."""
        return sorted(self.random.uniform(begin, end) for _ in range(many))

    def arrivals(self, begin: float, end: float, per_year: float) -> Iterator[float]:
        """Instants between two that come by themselves, on average so many in a year."""
        if per_year <= 0:
            return
        at = begin + self.random.expovariate(per_year) * YEAR
        while at < end:
            yield at
            at += self.random.expovariate(per_year) * YEAR

    def entries(self) -> list[Event]:
        """Everything written so far in order of time, under ids that the world, the stream and the version give."""
        written = [
            self._identified(label, event) for label, stream in self._streams for event in stream.collect_events()
        ]
        written.sort(key=lambda event: event.occurred_at)
        return written

    def _context(self, at: float, actor: Actor) -> Context:
        if at > self.stage.length:
            raise WorldEnds
        occurred_at = self.stage.start + timedelta(seconds=int(at))
        return Context(at=occurred_at, actor=actor, command_id=NIL, correlation_id=self.stage.id, source=SOURCE)

    def _identified(self, label: str, event: Any) -> Event:
        external_id = f"{self.stage.id.hex[:16]}/{label}/{event.stream_version}"
        identified: Event = msgspec.structs.replace(
            event, external_id=external_id, command_id=uuid5(self.stage.id, external_id)
        )
        return identified
