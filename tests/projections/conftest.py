"""One database for all tests of the projections in a process; each test finds it empty."""

from collections.abc import Iterator

import pytest

from projections.engine import model
from tests.conftest import _database
from tests.projections.world import World


@pytest.fixture(scope="session")
def shared_world(server_url: str, template: str) -> Iterator[World]:
    """The database itself, for tests that empty it themselves."""
    for url in _database(server_url, template):
        with World(url) as world:
            yield world


@pytest.fixture
def world(shared_world: World) -> World:
    """An empty ledger with every read model built and empty."""
    shared_world.wipe()
    return shared_world


@pytest.fixture
def own_models() -> Iterator[None]:
    """Read models declared in the test are forgotten after it."""
    before = dict(model._MODELS)
    yield
    model._MODELS.clear()
    model._MODELS.update(before)
