"""What of an error leaves the process: what the caller can act on, with a stable code; nothing else.

An error that is ours to explain keeps its sentence. Anything unexpected is logged under the request's id, and the
caller gets that id.
"""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import psycopg
from graphql import GraphQLError, GraphQLSyntaxError
from psycopg import errors as pg

from domain.rule import Refused
from ledger.database import DatabaseUnavailable
from ledger.vault import VaultError
from ledger.writer import WriterBusy

log = logging.getLogger("daybook.api")

UNAVAILABLE = "The database cannot be reached just now; try again in a moment."
TOO_SLOW = "The question took longer than it may; ask for less at once."
NOT_BUILT = "A read model this needs is not built yet, or is of another version; run: daybook project"
BAD_VALUE = "A value is beyond what can be asked for; look for NUL characters, and numbers or dates out of range."
UNEXPECTED = "Something went wrong on our side; report the request id."

EXPECTED: Sequence[tuple[type[BaseException], str, str | None]] = (
    (pg.QueryCanceled, "TOO_SLOW", TOO_SLOW),
    (pg.UndefinedTable, "NOT_BUILT", NOT_BUILT),
    (pg.UndefinedColumn, "NOT_BUILT", NOT_BUILT),
    (psycopg.OperationalError, "UNAVAILABLE", UNAVAILABLE),
    (psycopg.DataError, "BAD_VALUE", BAD_VALUE),
    (DatabaseUnavailable, "UNAVAILABLE", UNAVAILABLE),
    (WriterBusy, "BUSY", None),
    (VaultError, "VAULT", None),
)
"""What may happen though nothing is wrong with us: the exception, its code, and what is said instead of its text."""


def status(code: str) -> int:
    """The HTTP status for a request that failed as a whole with a code."""
    return 503 if code in ("UNAVAILABLE", "BUSY", "TOO_SLOW", "NOT_BUILT") else 500


def formatted(error: GraphQLError, request_id: str) -> dict[str, Any]:
    """An error as GraphQL tells it, with ``extensions.code``, and the request's id where it was unexpected."""
    message, extensions = _told(error, request_id)
    answer: dict[str, Any] = {"message": message, "extensions": extensions}
    if error.locations:
        answer["locations"] = [{"line": place.line, "column": place.column} for place in error.locations]
    if error.path:
        answer["path"] = error.path
    return answer


def _told(error: GraphQLError, request_id: str) -> tuple[str, Mapping[str, Any]]:
    cause = _cause(error)
    # graphql-core's own sentences, and those of our scalars, are about the request and meant for the caller.
    if cause is None or (error.path is None and isinstance(cause, ValueError | KeyError)):
        failed = "PARSE" if isinstance(error, GraphQLSyntaxError) else "VALIDATION"
        return error.message, {"code": f"GRAPHQL_{failed}_FAILED"}
    return told(cause, request_id)


def told(cause: BaseException, request_id: str) -> tuple[str, dict[str, Any]]:
    """What is said of an exception, and its extensions; an unexpected one is logged."""
    if isinstance(cause, Refused):
        extensions = {"code": cause.code} | ({"field": cause.field} if cause.field else {})
        return str(cause), extensions
    for kind, code, message in EXPECTED:
        if isinstance(cause, kind):
            log.warning("request %s: %s: %s", request_id, code, cause)
            return message or str(cause), {"code": code}
    log.error("request %s failed", request_id, exc_info=cause)
    return UNEXPECTED, {"code": "INTERNAL", "requestId": request_id}


def _cause(error: GraphQLError) -> BaseException | None:
    """The exception under an error that graphql-core located, if one was raised by our code."""
    found: BaseException | None = error
    while isinstance(found, GraphQLError):
        found = found.__cause__ or getattr(found, "original_error", None)
    return found
