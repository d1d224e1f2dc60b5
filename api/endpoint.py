"""GraphQL over HTTP: one way in, by POST and JSON, behind a token.

As https://graphql.github.io/graphql-over-http describes it. A browser cannot be made to ask in its user's name by
another site, since JSON and the token's header both need a permission that is never given. Strawberry's own router is
not used: it takes longer than all the rest of a small answer, and does not tell the two media types apart.
"""

from typing import Any

import msgspec
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from strawberry.http.ides import get_graphql_ide_html

from .auth import Door, Unauthenticated
from .graphql.execution import Answering, Asked

BODY_MAX = 2 * 2**20
"""Why: a purchase of 2 000 lines has some 400 kB; nothing that belongs in one request has many times that."""
PATH = "/graphql"
RESPONSE = "application/graphql-response+json"
JSON = "application/json"
LOADING = "GraphiQL is loaded from the internet. Where this stays, it is out of reach: ask by POST, with a token."
"""What the page says until GraphiQL is there; Strawberry's own word would stand for ever without the internet."""


class Body(msgspec.Struct):
    """What a request says."""

    query: str
    operationName: str | None = None  # noqa: N815  (the name is the protocol's)
    variables: dict[str, Any] | None = None
    extensions: dict[str, Any] | None = None


_body = msgspec.json.Decoder(Body).decode


class Misasked(Exception):
    """A request that is not GraphQL over HTTP."""

    def __init__(self, status: int, message: str, **headers: str) -> None:
        """Answer with ``status``, a sentence and further headers."""
        super().__init__(message)
        self.status, self.headers = status, {name.replace("_", "-"): value for name, value in headers.items()}


class Endpoint:
    """The :data:`PATH` of a server."""

    def __init__(self, answering: Answering, door: Door, *, development: bool) -> None:
        """Answer with ``answering`` whom ``door`` lets in; show GraphiQL in ``development``."""
        self._answering, self._door = answering, door
        self._page = get_graphql_ide_html("graphiql").replace("Loading...", LOADING) if development else None

    async def __call__(self, request: Request) -> Response:
        """Answer one request."""
        if self._page and wants_page(request):
            return HTMLResponse(self._page, headers={"content-security-policy": "frame-ancestors 'none'"})
        try:
            return await self._answer(request)
        except Unauthenticated as error:
            headers = {"www-authenticate": 'Bearer realm="daybook"'}
            return _problem(401, "UNAUTHENTICATED", str(error), headers)
        except Misasked as error:
            return _problem(error.status, "BAD_REQUEST", str(error), error.headers)

    async def _answer(self, request: Request) -> Response:
        if request.method != "POST":
            raise Misasked(405, "Ask by POST.", allow="POST")
        viewer = self._door.viewer(request.headers.get("authorization"))
        media_type = _acceptable(request.headers.get("accept", ""))
        _check_content(request.headers.get("content-type", ""))
        asked = _asked(await _read(request))
        answer = await self._answering.answer(asked, viewer)
        # The older media type says by 200 that the body is GraphQL's, whatever became of the request.
        status = 200 if media_type == JSON and answer.status == 400 else answer.status
        return Response(answer.body, status, media_type=f"{media_type}; charset=utf-8")


def wants_page(request: Request) -> bool:
    """Whether a browser asks, for something to show."""
    return request.method == "GET" and "text/html" in request.headers.get("accept", "")


def _acceptable(accept: str) -> str:
    """The media type to answer with: the newer one where it is asked for by name."""
    wanted = [part.split(";")[0].strip().lower() for part in accept.split(",")]
    if RESPONSE in wanted:
        return RESPONSE
    if not accept.strip() or {JSON, "application/*", "*/*"} & set(wanted):
        return JSON
    raise Misasked(406, f"Accept {RESPONSE} or {JSON}.")


def _check_content(content_type: str) -> None:
    media_type, _, parameters = content_type.partition(";")
    charset = parameters.strip().lower()
    if media_type.strip().lower() != JSON or charset not in ("", "charset=utf-8", 'charset="utf-8"'):
        raise Misasked(415, f"Send Content-Type: {JSON}, in UTF-8.")


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > BODY_MAX:
            raise Misasked(413, f"The request has more than {BODY_MAX} bytes; send less at once.")
    return bytes(body)


def _asked(body: bytes) -> Asked:
    try:
        told = _body(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Misasked(400, f'Send {{"query": …, "variables": …, "operationName": …}} as JSON: {error}.') from None
    return Asked(told.query, told.operationName, told.variables or {})


def _problem(status: int, code: str, message: str, headers: dict[str, str]) -> Response:
    body = msgspec.json.encode({"errors": [{"message": message, "extensions": {"code": code}}]})
    return Response(body, status, media_type=JSON, headers=headers)
