"""Two servers, many streams, keys given twice, versions that are right or stale: a model foretells the ledger.

The model is a few dictionaries. Some steps are given all at once from many threads; then not the order but the count
of what is accepted is foretold, and the model learns the order from the answers.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    multiple,
    rule,
    run_state_machine_as_test,
)
from psycopg import Connection
from psycopg_pool import ConnectionPool

from domain.rule import Refused
from ledger.application import Done, Ledger
from ledger.vault import Vault
from ledger.writer import Writer
from tests.conftest import MASTER_KEY, acting

WHO = st.integers(0, 1)
EXPECT = st.sampled_from(["nothing", "current", "stale", "ahead"])


class Given(NamedTuple):
    """A command that was accepted, and its answer."""

    name: str
    input: dict[str, Any]
    key: UUID
    expected: int | None
    done: Done


class LedgerLife(RuleBasedStateMachine):
    """What two servers on one database are asked to do."""

    cases, accepted = Bundle("cases"), Bundle("accepted")

    def __init__(self, servers: tuple[Ledger, Ledger], admin: Connection[Any], threads: ThreadPoolExecutor) -> None:
        super().__init__()
        self.servers, self.admin, self.threads = servers, admin, threads

    @initialize()
    def begins(self) -> None:
        """There is one customer."""
        self.versions: dict[UUID, int] = {}
        self.by_key: dict[UUID, Done] = {}
        self.start = self.servers[0].recorder.max_notification_id() or 0
        self.customer = self.give(0, "register_customer", {}, uuid4(), None).done.stream_id

    def give(self, who: int, name: str, given: dict[str, Any], key: UUID, expected: int | None) -> Given:
        """Give a command that must be accepted, as the next entry; gives it with its answer."""
        stream = given.get("id")
        done = self.servers[who].execute(name, given, acting(command_id=key), expected_version=expected)
        position = self.start + len(self.by_key) + 1
        assert done[1:] == (self.versions.get(stream, 0) + 1, position, position, False)
        assert stream in (None, done.stream_id)
        self.note(key, done)
        return Given(name, given, key, expected, done)

    def note(self, key: UUID, done: Done) -> None:
        """Enter an answer in the model."""
        self.versions[done.stream_id], self.by_key[key] = done.version, done

    def expected(self, case: UUID, expect: str) -> int | None:
        """The version to expect, as a number."""
        away = {"nothing": None, "current": 0, "stale": -1, "ahead": 1}[expect]
        return None if away is None else self.versions[case] + away

    @rule(target=cases, who=WHO)
    def open_case(self, who: int) -> Any:
        """A case begins a stream."""
        given = {"customer_id": self.customer, "kind": "complaint", "channel": "phone"}
        return self.give(who, "open_case", given, uuid4(), None).done.stream_id

    @rule(target=accepted, who=WHO, case=cases, handler=st.sampled_from(["bob", "王", "eve"]), expect=EXPECT)
    def assign(self, who: int, case: UUID, handler: str, expect: str) -> Any:
        """A case is assigned, by somebody who knows its version, or does not, or thinks they do."""
        given, expected = {"id": case, "handler": handler}, self.expected(case, expect)
        if expect in ("nothing", "current"):
            return self.give(who, "assign_case", given, uuid4(), expected)
        code = self.refused(who, "assign_case", given, uuid4(), expected)
        assert code == ("VERSION_CONFLICT", self.versions[case])
        return multiple()

    @rule(who=WHO, earlier=accepted)
    def give_again(self, who: int, earlier: Given) -> None:
        """A command is given again under its key: the first answer, whatever happened since."""
        context = acting(command_id=earlier.key)
        again = self.servers[who].execute(earlier.name, earlier.input, context, expected_version=earlier.expected)
        assert again == earlier.done._replace(repeated=True)

    @rule(who=WHO, earlier=accepted, actor=st.sampled_from(["ann", "mallory"]))
    def give_another_under_the_same_key(self, who: int, earlier: Given, actor: str) -> None:
        """A key is used for something else, or by somebody else."""
        given = earlier.input | ({"handler": "other"} if actor == "ann" else {})
        code = self.refused(who, earlier.name, given, earlier.key, None, actor)
        assert code == ("IDEMPOTENCY_CONFLICT", None)

    @rule(who=WHO, given=st.sampled_from([{"handler": ""}, {"handler": "x\0"}, {"handler": "\ud800"}, {"to": "x"}]))
    def give_nonsense(self, who: int, given: dict[str, Any]) -> None:
        """What cannot be entered is not."""
        code, _ = self.refused(who, "assign_case", {"id": uuid4()} | given, uuid4(), None)
        assert code in ("INVALID_INPUT", "NOT_FOUND")

    def refused(
        self, who: int, name: str, given: dict[str, Any], key: UUID, expected: int | None, actor: str = "ann"
    ) -> tuple[str, Any]:
        """Give a command that must be refused; its code, and the current version where it tells one."""
        with pytest.raises(Refused) as refused:
            self.servers[who].execute(name, given, acting(actor=actor, command_id=key), expected_version=expected)
        return refused.value.code, refused.value.values.get("current")

    @rule(
        target=accepted,
        asked=st.lists(st.tuples(WHO, cases, st.booleans(), st.integers(1, 3)), min_size=2, max_size=8),
    )
    def give_all_at_once(self, asked: list[tuple[int, UUID, bool, int]]) -> Any:
        """Many threads on both servers and a few cases; some expect a version, some give their command thrice."""
        before = dict(self.versions)

        def give(n: int, who: int, case: UUID, expecting: bool, key: UUID) -> Given | None:
            given, expected = {"id": case, "handler": str(n)}, before[case] if expecting else None
            try:
                done = self.servers[who].execute(
                    "assign_case", given, acting(command_id=key), expected_version=expected
                )
            except Refused as refused:
                assert (refused.code, expecting) == ("VERSION_CONFLICT", True)
                return None
            return Given("assign_case", given, key, expected, done)

        calls = []
        for n, (who, case, expecting, times) in enumerate(asked):
            key = uuid4()
            calls += [
                (case, expecting, key, self.threads.submit(give, n, (who + m) % 2, case, expecting, key))
                for m in range(times)
            ]
        found: dict[UUID, Given] = {}
        for case, expecting, key, call in calls:
            answer = call.result()
            if answer is None:
                continue
            same = found.setdefault(key, answer._replace(done=answer.done._replace(repeated=False)))
            assert same.done == answer.done._replace(repeated=False)
            # Who expected a version came first of all on that case.
            assert not expecting or answer.done.version == before[case] + 1
        for case in {case for _, case, _, _ in asked}:
            versions = sorted(one.done.version for one in found.values() if one.done.stream_id == case)
            assert versions == list(range(before[case] + 1, before[case] + 1 + len(versions)))
            unasked = {key for c, expecting, key, _ in calls if c == case and not expecting}
            assert unasked <= found.keys()
        for one in sorted(found.values(), key=lambda one: one.done.position):
            assert one.done.position == self.start + len(self.by_key) + 1
            self.note(one.key, one.done)
        # How many of the others were accepted is chance, and the next steps must not hang on chance.
        return multiple(*(found[key] for key in dict.fromkeys(key for _, expecting, key, _ in calls if not expecting)))

    @invariant()
    def the_ledger_holds_what_was_accepted_and_nothing_else(self) -> None:
        """Every position, stream, version and command, in order."""
        if hasattr(self, "start"):
            rows = self.admin.execute(
                "SELECT command_id, stream_id, stream_version, position FROM ledger.entries"
                " WHERE position > %s ORDER BY position",
                (self.start,),
            ).fetchall()
            assert rows == [(key, done.stream_id, done.version, done.position) for key, done in self.by_key.items()]


@pytest.fixture
def another(module_url: str, module_pool: ConnectionPool[Connection[Any]]) -> Iterator[Ledger]:
    """A second server."""
    opened = Ledger(module_pool, Writer(module_url), Vault(module_pool, MASTER_KEY, "test-1"))
    yield opened
    opened.close()


def test_the_ledger_is_as_foretold(module_ledger: Ledger, another: Ledger, module_admin: Connection[Any]) -> None:
    with ThreadPoolExecutor(24) as threads:
        run_state_machine_as_test(
            lambda: LedgerLife((module_ledger, another), module_admin, threads),
            settings=settings(
                max_examples=40, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
            ),
        )
