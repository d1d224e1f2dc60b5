"""Asks the API as a client does, and brings the read models up to date in between."""

import base64
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import AsyncExitStack, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI
from psycopg import Connection

from api import auth
from api.server import create_app
from api.settings import Mode, Settings
from api.wiring import Desk, open_desk
from domain.vocabulary import Role
from ledger import database
from ledger.database import Duty
from projections.engine import posting, projector
from tests.conftest import MASTER_KEY

SECRET = "a secret for tests, long enough for HS256"


def settings(url: str, mode: Mode = Mode.DEVELOPMENT) -> Settings:
    """Settings as an environment would give them."""
    return Settings(
        _env_file=None,
        database_url=url,
        home=Path(tempfile.gettempdir(), "daybook-tests-home"),
        mode=mode,
        master_key=base64.b64encode(MASTER_KEY).decode(),
        token_secret=SECRET,
    )


class Api:
    """A running application, its client, and a hand on the projector."""

    def __init__(
        self, client: httpx.AsyncClient, portal: BlockingPortal, desk: Desk, projecting: Connection[Any]
    ) -> None:
        self.client, self.portal, self.desk, self.projecting_connection = client, portal, desk, projecting
        self.settings = settings(desk.url)

    @property
    def url(self) -> str:
        """The database's URL."""
        return self.desk.url

    def post_entries(self) -> None:
        """Bring every read model up to date."""
        while posting.catch_up(self.projecting_connection):
            pass

    def token(self, role: Role = Role.SUPERVISOR, subject: str = "sue", hours: float = 1) -> str:
        return auth.issue(self.settings, subject=subject, role=role, hours=hours)

    def request(self, method: str, path: str, **kwargs: Any) -> httpx.Response:
        """One HTTP request, with whatever headers and body."""

        async def send() -> httpx.Response:
            return await self.client.request(method, path, **kwargs)

        return self.portal.call(send)

    def send(self, query: str, variables: Mapping[str, Any] | None = None, **kwargs: Any) -> httpx.Response:
        """One GraphQL request."""
        role, subject = kwargs.pop("role", Role.SUPERVISOR), kwargs.pop("subject", "sue")
        headers = {"authorization": f"Bearer {self.token(role, subject)}"} | kwargs.pop("headers", {})
        return self.request("POST", "/graphql", json={"query": query, "variables": variables} | kwargs, headers=headers)

    def ask(self, query: str, variables: Mapping[str, Any] | None = None, **kwargs: Any) -> dict[str, Any]:
        """The data of an answer that must have no errors."""
        told = self.send(query, variables, **kwargs).json()
        assert "errors" not in told, told["errors"]
        data: dict[str, Any] = told["data"]
        return data

    def errors(self, query: str, variables: Mapping[str, Any] | None = None, **kwargs: Any) -> list[dict[str, Any]]:
        """The errors of an answer that must have some."""
        found: list[dict[str, Any]] = self.send(query, variables, **kwargs).json()["errors"]
        return found

    def code(self, query: str, variables: Mapping[str, Any] | None = None, **kwargs: Any) -> str:
        """The code of the one error of an answer."""
        (error,) = self.errors(query, variables, **kwargs)
        code: str = error["extensions"]["code"]
        return code

    def do(self, mutation: str, select: str = "", **given: Any) -> dict[str, Any]:
        """Give a command and post its entry; gives the payload. ``role`` and ``subject`` say who acts."""
        who = {name: given.pop(name) for name in ("role", "subject") if name in given}
        given = {"idempotencyKey": str(uuid4())} | given
        title = mutation[0].upper() + mutation[1:]
        query = (
            f"mutation ($input: {title}Input!) {{ {mutation}(input: $input)"
            f" {{ id version position repeated userErrors {{ code field message }} {select} }} }}"
        )
        if not select:
            payload: dict[str, Any] = self.ask(query, {"input": given}, **who)[mutation]
            self.post_entries()
            return payload
        with self.projecting():
            seen: dict[str, Any] = self.ask(query, {"input": given}, **who)[mutation]
            return seen

    @contextmanager
    def projecting(self) -> Iterator[None]:
        """A projector that posts while the block runs."""
        stopping = threading.Event()
        thread = threading.Thread(target=projector.run, args=(self.desk.url, stopping.is_set, print))
        thread.start()
        try:
            yield
        finally:
            stopping.set()
            thread.join()

    def done(self, mutation: str, **given: Any) -> str:
        """Give a command that must not be refused; gives the id of what was written to."""
        payload = self.do(mutation, **given)
        assert payload["userErrors"] == []
        made: str = payload["id"]
        return made


@contextmanager
def open_api(url: str, mode: Mode = Mode.DEVELOPMENT, *, built: bool = True) -> Iterator[Api]:
    """An API over a migrated database, its read models built unless told otherwise."""
    if built:
        projector.prepare(url)
    with ExitStack() as stack:
        desk = stack.enter_context(open_desk(settings(url, mode), looks_every_s=None))
        projecting = stack.enter_context(database.connect(url, Duty.PROJECTOR))
        portal = stack.enter_context(start_blocking_portal())
        app = create_app(desk, settings(url, mode))
        client = stack.enter_context(portal.wrap_async_context_manager(_client(app)))
        yield Api(client, portal, desk, projecting)


class _client(AsyncExitStack):
    """A client of an application between its start and its end."""

    def __init__(self, app: FastAPI) -> None:
        super().__init__()
        self._app = app

    async def __aenter__(self) -> httpx.AsyncClient:  # type: ignore[override]
        await super().__aenter__()
        await self.enter_async_context(self._app.router.lifespan_context(self._app))
        transport = httpx.ASGITransport(self._app)
        return await self.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://daybook"))
