"""The server: GraphQL, and what tells others how the process is."""

import asyncio
import contextlib
import errno
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import psycopg
import uvicorn
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ledger import migrate
from ledger.database import DatabaseUnavailable
from ledger.migrate import MigrationError
from projections.engine.lease import ProjectorState

from .auth import Door
from .endpoint import PATH, Endpoint, wants_page
from .graphql.execution import Answering
from .graphql.reading import Reader, reader
from .graphql.request import Services
from .graphql.schema import executable
from .graphql.standing import STANDING, standings
from .settings import Mode, Settings, SettingsError
from .wiring import Desk, open_desk

LAG_MAX = 10_000
"""Why: what a projector posts in about a second; further behind, answers are visibly old."""
BACKLOG = 1_024
"""Why: a burst of clients waits in the socket rather than being refused."""
SHUTDOWN_S = 10
"""Why: longer than any answer takes; whoever has not got one by then asks again."""

HEADERS = [
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
]
"""Why: answers are about persons; no cache keeps them, no browser guesses what they are, no page frames them."""


def create_app(desk: Desk, settings: Settings, opened: Callable[[], None] = lambda: None) -> FastAPI:
    """The application over an open desk; calls ``opened`` when it is ready to answer."""
    development = settings.mode is Mode.DEVELOPMENT
    door = Door(settings.token_secret_text())

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with reader(desk.url) as reading:
            answering = Answering(executable(), Services(desk, reading), introspection=development)
            app.state.endpoint = Endpoint(answering, door, development=development)
            app.state.health = Health(desk, reading)
            opened()
            yield

    async def graphql(request: Request) -> Response:
        endpoint: Endpoint = app.state.endpoint
        return await endpoint(request)

    async def readyz(_: Request) -> Response:
        health: Health = app.state.health
        faults = await health.faults()
        return JSONResponse({"ready": not faults, "faults": faults}, 503 if faults else 200)

    async def entrance(request: Request) -> Response:
        """Show whoever opens the bare address where to go, which is the same whatever stands in the ledger."""
        if development and wants_page(request):
            return RedirectResponse(PATH)
        return JSONResponse({"graphql": PATH, "how": "Ask by POST, with a token in Authorization: Bearer …"})

    app = FastAPI(title="Daybook", lifespan=lifespan, openapi_url=None)
    app.router.routes += [
        Route("/", entrance, methods=["GET"]),
        Route(PATH, graphql, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        Route("/healthz", _healthz, methods=["GET"]),
        Route("/readyz", readyz, methods=["GET"]),
    ]
    app.add_middleware(Guarded)
    return app


async def _healthz(_: Request) -> Response:
    """Tell that the process is up, and no more."""
    return JSONResponse({"up": True})


class Health:
    """Whether the server can answer, and if not, why."""

    def __init__(self, desk: Desk, reading: Reader) -> None:
        """Look through ``desk`` and ``reading``."""
        self._desk, self._reading = desk, reading

    async def faults(self) -> list[str]:
        """What keeps the server from answering; empty when nothing does."""
        try:
            await anyio.to_thread.run_sync(self._check_shape)
            told = await self._reading.json(STANDING, {})
        except MigrationError as error:
            return [str(error)]
        except (psycopg.Error, DatabaseUnavailable):
            return ["The database cannot be reached."]
        return _lagging(standings(told), told["projector"])

    def _check_shape(self) -> None:
        with self._desk.pool.connection() as connection:
            migrate.check(connection)


def _lagging(found: list[dict[str, Any]], projector: dict[str, Any]) -> list[str]:
    faults = [
        f"The read model {each['model']} is {each['state']}; run: daybook project"
        for each in found
        if each["state"] != "serving"
    ]
    behind = max((each["lag"] for each in found), default=0)
    if not faults and behind > LAG_MAX:
        faults.append(f"The read models are {behind} entries behind; {_blamed(projector)}")
    return faults


def _blamed(projector: dict[str, Any]) -> str:
    """What is known of the projector, for who finds the read models far behind."""
    match ProjectorState(projector["state"]):
        case ProjectorState.POSTING:
            return f"the projector ({projector['process']}) is posting them."
        case ProjectorState.LOST:
            return (
                f"the projector ({projector['process']}) was last heard of {projector['silent_s']:.0f} s ago;"
                " start one with: daybook project"
            )
        case ProjectorState.STOPPED:
            return "is daybook project running?"


class Guarded:
    """Adds the headers that every answer carries."""

    def __init__(self, app: ASGIApp) -> None:
        """Guard ``app``."""
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and its answer back."""

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [*message["headers"], *HEADERS]
            await send(message)

        await self._app(scope, receive, guarded if scope["type"] == "http" else send)


def serve(settings: Settings, opened: Callable[[], None] | None = None) -> None:
    """Serve until Ctrl-C or SIGTERM, then answer what was asked, write out what waits, and return.

    ``opened`` is called when the server answers. Raises :class:`SettingsError` where the port is not to be had.
    """
    settings.token_secret_text()
    with listening(settings) as listener, open_desk(settings) as desk:
        app = create_app(desk, settings, opened or (lambda: None))
        config = uvicorn.Config(
            app,
            loop="asyncio:SelectorEventLoop" if sys.platform == "win32" else "auto",
            lifespan="on",
            ws="none",
            log_level="warning",
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=SHUTDOWN_S,
        )
        # uvicorn raises the signal again once it has stopped; as an exception it lets the rest close in order.
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        with contextlib.suppress(KeyboardInterrupt, asyncio.CancelledError):
            uvicorn.Server(config).run(sockets=[listener])


def listening(settings: Settings) -> socket.socket:
    """A socket that listens on the settings' address; raises :class:`SettingsError` where it is taken."""
    listener = socket.socket(socket.AF_INET6 if ":" in settings.host else socket.AF_INET)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((settings.host, settings.port))
        listener.listen(BACKLOG)
    except OSError as error:
        listener.close()
        if isinstance(error, socket.gaierror) or error.errno == errno.EADDRNOTAVAIL:
            raise SettingsError(
                f"DAYBOOK_HOST must be an address of this machine, such as 127.0.0.1 or 0.0.0.0, not {settings.host!r}."
            ) from None
        raise SettingsError(
            f"Port {settings.port} on {settings.host} is not to be had ({error.strerror});"
            " choose another with DAYBOOK_PORT."
        ) from None
    return listener
