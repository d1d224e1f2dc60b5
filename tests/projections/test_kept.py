"""What a ledger told of merges and erasures is read once: later only what was added, and never what was taken back."""

from base64 import urlsafe_b64encode
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import pairwise
from threading import Event as Signal
from typing import Any
from uuid import UUID

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from domain.customer import Customer
from domain.event import Event
from ledger import bulk, database
from ledger.database import Duty
from ledger.reading import head
from projections.customer_profile import CustomerProfile
from projections.engine.cut import Cut
from projections.engine.links import Links
from projections.engine.refolding import refold
from tests.projections.facts import fact, named, registered, touched
from tests.projections.world import World, merges

PEOPLE = ("ann", "bob", "eve", "ida", "max")
STEPS = st.lists(
    st.tuples(
        st.sampled_from(["merge", "unmerge", "erase", "touch"]), st.sampled_from(PEOPLE), st.sampled_from(PEOPLE)
    ),
    max_size=12,
)


def merged(absorbed: str, survivor: str, at: str = "2026-06-01") -> Event:
    """A customer was merged into another."""
    return fact(Customer.Merged, absorbed, at, customer_id=named(absorbed), survivor_id=named(survivor))


def unmerged(absorbed: str, survivor: str, at: str) -> Event:
    """That was undone."""
    told = {"survivor_id": named(survivor), "reason": "father and son"}
    return fact(Customer.Unmerged, absorbed, at, customer_id=named(absorbed), **told)


def erased(customer: str) -> Event:
    """A customer was erased."""
    own = {"customer_id": named(customer), "keys": [named(customer)]}
    return fact(Customer.Erased, customer, "2026-02-01", reason="asked", **own)


def told(steps: Sequence[tuple[str, str, str]]) -> list[Event]:
    """Everybody registered, and then what steps can be told of them."""
    into: dict[str, str] = {}
    events, gone = [*map(registered, PEOPLE)], set[str]()
    for number, (what, one, other) in enumerate(steps):
        at = f"2026-03-01T00:{number:02}"
        if what == "merge" and one != other and not {one, other} & into.keys():
            into[one] = other
            events.append(merged(one, other, at))
        elif what == "unmerge" and one in into:
            events.append(unmerged(one, into.pop(one), at))
        elif what == "erase" and one not in gone:
            gone.add(one)
            events.append(erased(one))
        else:
            events.append(touched(f"t{number}", one, at))
    return events


@contextmanager
def watched(connection: psycopg.Connection[Any]) -> Iterator[list[tuple[str, int]]]:
    """The statements that a connection executes meanwhile, each with how much goes to and fro.

    That is the number of rows it gives and of the values in the lists among its parameters.
    """
    seen: list[tuple[str, int]] = []

    class Watched(psycopg.Cursor[Any]):
        def execute(self, query: Any, params: Any = None, **options: Any) -> Any:
            done = super().execute(query, params, **options)
            given = params.values() if isinstance(params, dict) else params or ()
            seen.append((str(query), max(self.rowcount, 0) + sum(len(p) for p in given if isinstance(p, list))))
            return done

    before, connection.cursor_factory = connection.cursor_factory, Watched
    try:
        yield seen
    finally:
        connection.cursor_factory = before


def about_persons(seen: Sequence[tuple[str, int]]) -> list[int]:
    """How many rows each statement gave that asks who was merged or erased."""
    return [size for query, size in seen if "survivor_id" in query]


def crowd(number: int) -> list[Event]:
    """So many customers who were erased, and as many who were merged into one who never is, so texts can be sealed."""
    names = [f"p{n}" for n in range(2 * number)]
    gone, absorbed = names[:number], names[number:]
    return [*map(registered, names), *map(erased, gone), *(merged(name, "kim") for name in absorbed)]


def posted_with_a_crowd(world: World, number: int) -> list[tuple[str, int]]:
    """The statements by which one entry is posted where so many were erased and merged."""
    world.wipe()
    world.given(registered("kim", name="Kim"), *crowd(number))
    world.given(touched("t0", "kim", "2026-07-01", summary="said"))
    world.enter([touched("t1", "kim", "2026-07-02", summary="said")])
    with watched(world.connection) as seen:
        world.post()
    return seen


def test_a_batch_without_news_reads_and_sends_no_more_however_many_were_merged_and_erased(world: World) -> None:
    few, many = posted_with_a_crowd(world, 2), posted_with_a_crowd(world, 60)

    assert [size for _, size in many] == [size for _, size in few]
    assert about_persons(many)[0] == 1, "the last that is known, to see that it still stands"


def test_a_batch_with_news_reads_the_news(world: World) -> None:
    world.given(registered("kim"), registered("bob"), *crowd(60))
    world.enter([merged("bob", "kim"), erased("bob")])

    with watched(world.connection) as seen:
        world.post()

    assert max(about_persons(seen)) == 3


def test_a_question_of_another_connection_finds_it_read(world: World) -> None:
    world.given(registered("kim", name="Kim"), *crowd(60))
    head = world.positions()["customer_profile"]

    with database.connect(world.url, Duty.API) as connection, watched(connection) as seen:
        for position in (head, head - 1, head - 100, 1):
            refold(connection, CustomerProfile, [named("kim")], Cut(position))

    assert max(about_persons(seen)) <= 1


@pytest.mark.parametrize("whole", [True, False], ids=["alone", "after others"])
def test_what_was_read_before_it_was_rolled_back_does_not_stay(world: World, whole: bool) -> None:
    world.enter([registered("ann"), registered("bob"), registered("eve")])
    if not whole:
        world.enter([merged("eve", "ann")])
    position = 5 if not whole else 4
    with world.importer.transaction(force_rollback=True):
        bulk.enter(world.importer, world.vault, [merged("bob", "ann"), erased("bob")])
        assert Links.at(world.importer, position + 1).root(named("bob")) == named("ann")

    for connection in (world.connection, world.importer):
        links = Links.at(connection, position + 1)
        assert (links.root(named("bob")), links.forgotten.has_key_of(sealed_of("bob"))) == (named("bob"), False)
    world.enter([merged("bob", "eve") if whole else merged("ann", "bob")])
    assert roots(Links.at(world.connection, position)) == by_the_law(world.entries())


def test_a_ledger_that_was_put_back_is_read_anew(world: World) -> None:
    world.enter(told([("merge", "ann", "bob"), ("erase", "eve", "eve")]))
    assert roots(Links.at(world.connection, 7))["ann"] == "bob"

    world.wipe()
    world.enter(told([("merge", "bob", "ann"), ("erase", "ida", "ida")]))

    links = Links.at(world.connection, 7)
    assert roots(links) == by_the_law(world.entries())
    assert gone(links) == {"ida"}


def test_a_snapshot_that_is_older_than_what_was_read_has_its_own_links_and_spoils_none(world: World) -> None:
    world.enter([registered("ann"), registered("bob"), merged("ann", "bob")])
    ann, bob = named("ann"), named("bob")
    with database.connect(world.url, Duty.API) as older, older.transaction():
        older.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        assert head(older) == 3
        world.enter([unmerged("ann", "bob", "2026-06-02"), merged("ann", "bob", "2026-06-03")])

        for _ in range(2):
            roots = [Links.at(world.connection, position).root(ann) for position in range(1, 6)]
            assert roots == [ann, ann, bob, ann, bob]
            # What it cannot see was not told of.
            assert [Links.at(older, position).root(ann) for position in range(1, 6)] == [ann, ann, bob, bob, bob]


def test_many_may_ask_while_it_is_added_to(world: World) -> None:
    pairs = zip(PEOPLE, [*PEOPLE[1:], PEOPLE[0]], strict=True)
    news = told([(what, *pair) for pair in pairs for what in ("merge", "unmerge", "merge")])
    world.enter(news[: len(PEOPLE)])
    done = Signal()

    def asking() -> dict[int, dict[str, str]]:
        found = {}
        with database.connect(world.url, Duty.API) as connection:
            while not done.is_set():
                position = head(connection)
                found[position] = roots(Links.at(connection, position))
        return found

    with ThreadPoolExecutor(4) as threads:
        answers = [threads.submit(asking) for _ in range(4)]
        try:
            for each in news[len(PEOPLE) :]:
                world.enter([each])
        finally:
            done.set()

    entries = world.entries()
    for answer in answers:
        for position, found in answer.result().items():
            assert found == by_the_law(entries[:position])


@settings(max_examples=60, deadline=None)
@given(steps=STEPS, cuts=st.lists(st.integers(0, 17)), asked=st.lists(st.integers(0, 17), max_size=30))
def test_kept_or_read_anew_the_links_are_those_of_the_ledger(
    shared_world: World, steps: list[tuple[str, str, str]], cuts: list[int], asked: list[int]
) -> None:
    shared_world.wipe()
    events = told(steps)
    edges = sorted({0, len(events), *(cut for cut in cuts if cut < len(events))})
    for first, end in pairwise(edges):
        shared_world.enter(events[first:end])
        entries = shared_world.entries()

        for position in (*(each % (end + 1) for each in asked), end):
            links, until = Links.at(shared_world.reader, position), entries[:position]
            assert roots(links) == by_the_law(until)
            assert gone(links) == {name for name in PEOPLE if named(name) in erasures(until)}
            assert {named(name) for name in PEOPLE if roots(links)[name] != name} == set(links.absorbed())
            for name in PEOPLE:
                alone = roots(links)[name] == name
                theirs = [other for other in PEOPLE if roots(links)[other] == name] if alone else [name]
                assert sorted(links.members([named(name)])) == sorted(map(named, theirs))
            before = Links.at(shared_world.reader, position // 2)
            moved = {named(name) for name in PEOPLE if roots(links)[name] != roots(before)[name]}
            assert links.moved_since(before, merged_in(until[position // 2 :])) == moved


def roots(links: Links) -> dict[str, str]:
    """Whom the entries of each person count for."""
    names = {named(name): name for name in PEOPLE}
    return {name: names[links.root(named(name))] for name in PEOPLE}


def by_the_law(entries: Sequence[Event]) -> dict[str, str]:
    """The same, from the entries themselves."""
    into, found = merges(entries), {name: named(name) for name in PEOPLE}
    for _ in into:
        found = {name: into.get(root, root) for name, root in found.items()}
    names = {named(name): name for name in PEOPLE}
    return {name: names[root] for name, root in found.items()}


def merged_in(entries: Sequence[Event]) -> set[UUID]:
    """The customers that some entries merge, or whose merge they undo."""
    return {entry.stream_id for entry in entries if isinstance(entry, Customer.Merged | Customer.Unmerged)}


def erasures(entries: Sequence[Event]) -> set[UUID]:
    """The keys that some entries destroy."""
    return {key for entry in entries if isinstance(entry, Customer.Erased) for key in entry.keys}


def gone(links: Links) -> set[str]:
    """The persons who were erased."""
    return {name for name in PEOPLE if links.forgotten.has_key_of(sealed_of(name))}


def sealed_of(name: str) -> str:
    """The beginning of what is sealed of a person."""
    return "s1." + urlsafe_b64encode(named(name).bytes).decode()
