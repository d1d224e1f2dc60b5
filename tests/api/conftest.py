"""The API over a real database: asked over HTTP, in process."""

from collections.abc import Iterator

import pytest

from tests.api.asking import Api, open_api


@pytest.fixture(scope="module")
def api(module_url: str) -> Iterator[Api]:
    """An API shared by a module's tests, which do not mind one another's entries."""
    with open_api(module_url) as opened:
        yield opened


@pytest.fixture
def fresh_api(url: str) -> Iterator[Api]:
    """An API over an empty ledger of the test's own."""
    with open_api(url) as opened:
        yield opened
