"""The fingerprint of a read model changes with what decides its rows, and with nothing else."""

import importlib.util
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from domain.rule import Refused
from projections.engine import builds, posting, projector
from projections.engine.model import ReadModel, fingerprint, models
from projections.sales import Sales
from tests.projections.facts import bought, named
from tests.projections.test_commands import daybook
from tests.projections.world import World

SOURCE = '''
"""What each customer spent."""

from uuid import UUID

from domain.purchase import Purchase
from projections.engine.model import ReadModel, on

STEP = 1
TWICE = 2 * STEP
UNUSED = 3


class Part:
    """A part of nothing."""


class TestSpent(ReadModel, key="customer_id", version=1):
    """What a customer spent."""

    customer_id: UUID
    total_minor: int = 0
    """The sum."""

    @on(Purchase.Recorded)
    def bought(self, e: Purchase.Recorded) -> None:
        """Add it."""
        # By the step.
        self.total_minor += _counted(e.total_minor)


def _counted(amount: int) -> int:
    """So much of it."""
    return amount * _factor()


def _factor() -> int:
    return TWICE if STEP else 0
'''

Declare = Callable[[str], Any]


@pytest.fixture
def declare(own_models: None, tmp_path: Path) -> Iterator[Declare]:
    """Makes a read model of a source, in a file of its own, in the place of the one before it."""
    made, numbers = list[str](), count()

    def declared(source: str) -> type[ReadModel]:
        models().pop("test_spent", None)  # type: ignore[attr-defined]
        name = f"daybook_test_spent_{next(numbers)}"
        path = tmp_path / f"{name}.py"
        path.write_text(source, "utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None and spec.loader is not None
        module: ModuleType = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        made.append(name)
        spec.loader.exec_module(module)
        model: type[ReadModel] = module.TestSpent
        return model

    yield declared
    for name in made:
        del sys.modules[name]


def changed(old: str, new: str) -> str:
    assert old in SOURCE
    return SOURCE.replace(old, new)


SAME = [
    ('"""What a customer spent."""', '"""What one customer spent, in all."""'),
    ('    """The sum."""\n', ""),
    ("        # By the step.\n", ""),
    ("amount * _factor()", "(amount\n            * _factor())"),
    ('    """So much of it."""\n', ""),
    ("UNUSED = 3", "UNUSED = 4\nMORE = 5"),
    ("class Part:", "class Piece:"),
    ('"""What each customer spent."""', '"""Whatever."""'),
]
OTHER = [
    ("self.total_minor +=", "self.total_minor -="),
    ("total_minor: int = 0", "total_minor: int = 1"),
    ("total_minor: int = 0", "total_minor: int | None = 0"),
    ("@on(Purchase.Recorded)", "@on(Purchase.Recorded, Purchase.Returned)"),
    ("version=1", "version=2"),
    ("version=1", 'version=1, indexes=(("total_minor",),)'),
    ("amount * _factor()", "amount + _factor()"),
    ("STEP = 1", "STEP = 10"),
    ("2 * STEP", "3 * STEP"),
    ("2 * STEP", "2. * STEP"),
    ("if STEP else 0", "if STEP else None"),
]


@pytest.mark.parametrize(("old", "new"), SAME)
def test_words_and_layout_and_what_is_not_used_do_not_change_it(declare: Declare, old: str, new: str) -> None:
    assert fingerprint(declare(changed(old, new))) == fingerprint(declare(SOURCE))


@pytest.mark.parametrize(("old", "new"), OTHER)
def test_whatever_decides_the_rows_changes_it_wherever_it_stands_in_the_file(
    declare: Declare, old: str, new: str
) -> None:
    assert fingerprint(declare(changed(old, new))) != fingerprint(declare(SOURCE))


def test_it_is_the_same_from_one_python_to_the_next(declare: Declare) -> None:
    assert fingerprint(declare(SOURCE)) == "f2657fe6c41ee614"


def test_every_model_has_one_of_its_own() -> None:
    assert len({fingerprint(model) for model in models().values()}) == len(models())


MENDED = changed("self.total_minor +=", "self.total_minor = self.total_minor +")
SENTENCE = (
    "test_spent is folded otherwise than the build in service, though both are version 1; raise its version, or take"
    " the new fold over with: daybook rebuild test_spent"
)


@pytest.fixture
def altered(world: World, declare: Declare) -> type[ReadModel]:
    """A model whose fold was changed after it was built."""
    declare(SOURCE)
    projector.prepare(world.url)
    world.given(bought("p1", "ann", "2026-01-01", 5))
    model: type[ReadModel] = declare(MENDED)
    return model


def test_a_fold_that_was_changed_without_a_new_version_is_refused_at_start(
    world: World, altered: type[ReadModel]
) -> None:
    with pytest.raises(Refused) as refused:
        projector.prepare(world.url)

    assert (refused.value.code, str(refused.value)) == ("READ_MODEL_ALTERED", SENTENCE)


@pytest.mark.parametrize("command", [["project"], ["project", "--once"], ["serve"], ["spot-check"], ["retry"]])
def test_no_command_starts_with_it(
    world: World, altered: type[ReadModel], command: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)

    done = daybook(*command)

    assert done.exit_code == 1
    assert str(done.exception) == SENTENCE


def test_a_projector_that_runs_already_leaves_a_build_of_another_fold_as_it_is(
    world: World, altered: type[ReadModel]
) -> None:
    world.given(bought("p2", "ann", "2026-01-02", 7))

    assert world.positions()["test_spent"] == 1
    assert world.positions()["sales"] == 2
    assert not posting.behind(world.connection)


def test_a_rebuild_takes_the_new_fold_over(
    world: World, altered: type[ReadModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DATABASE_URL", world.url)

    assert daybook("rebuild", "test_spent").exit_code == 0

    assert projector.prepare(world.url) == []
    assert builds.serving(world.connection)["test_spent"].fingerprint == fingerprint(altered)
    assert world.rows(altered) == {named("ann"): altered(customer_id=named("ann"), total_minor=10)}


def test_a_new_version_takes_the_new_fold_over(world: World, declare: Declare) -> None:
    declare(SOURCE)
    projector.prepare(world.url)

    declare(MENDED.replace("version=1", "version=2"))

    assert [build.model for build in projector.prepare(world.url)] == ["test_spent"]


def test_two_builds_of_one_definition_at_one_position_have_one_checksum(world: World) -> None:
    purchases = [bought(f"p{n}", f"c{n % 7}", "2026-01-01", n) for n in range(40)]
    world.enter(purchases)
    world.post([3, 7, 11, 100])
    live = builds.certify(world.connection, builds.serving(world.connection)["sales"])

    world.rebuild(Sales)
    rebuilt = builds.certificates(world.connection)["sales"]

    assert live == rebuilt
    assert (rebuilt.position, rebuilt.rows, len(rebuilt.checksum)) == (40, 40, 16)


def test_a_checksum_changes_with_every_row_and_is_0_without_any(world: World) -> None:
    world.rebuild(Sales)
    seen = [builds.certificates(world.connection)["sales"]]
    for n in range(3):
        world.given(bought(f"p{n}", "ann", "2026-01-01", 5))
        seen.append(builds.certify(world.connection, builds.serving(world.connection)["sales"]))
    world.connection.execute("UPDATE books.sales SET amount_minor = 6 WHERE position = 2")
    seen.append(builds.certify(world.connection, builds.serving(world.connection)["sales"]))

    assert [(certificate.position, certificate.rows) for certificate in seen] == [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 3),
        (3, 3),
    ]
    assert seen[0].checksum == "0" * 16
    assert len({certificate.checksum for certificate in seen}) == 5
