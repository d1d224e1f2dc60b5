"""Who asks: bearer tokens that name a person and the role they act in.

A token is a JWT signed with HS256 and the secret of the settings. It must carry ``sub``, ``role``, ``exp``, and our
own issuer and audience, so that a token made for another service by the same secret does not open this one.
"""

import time
from functools import lru_cache
from typing import NamedTuple

import jwt

from domain.vocabulary import NAME_MAX, Role

from .settings import Settings

ISSUER = "daybook"
AUDIENCE = "daybook-api"
ALGORITHM = "HS256"
HOURS_MAX = 24 * 31
"""Why: a token cannot be called back before it expires, so it must not live for ever."""
TOKENS_CACHED_MAX = 1_024
"""Why: checking a signature costs more than the rest of a small answer; some 1 MB keeps those in daily use."""


class Viewer(NamedTuple):
    """The person who asks, as their token says."""

    subject: str
    role: Role


class Unauthenticated(Exception):
    """There is no token, or not one of ours that is still good; the message says what to do."""


class TokenError(Exception):
    """A token cannot be made as asked."""


def issue(settings: Settings, *, subject: str, role: Role, hours: float) -> str:
    """A token for ``subject`` in ``role``, good for ``hours``; raises :class:`TokenError`."""
    if not 0 < hours <= HOURS_MAX:
        raise TokenError(f"A token is good for more than 0 and up to {HOURS_MAX} hours, not {hours:g}.")
    if not _can_be(subject):
        raise TokenError(f"The subject must have 1 to {NAME_MAX} characters, and not only blanks.")
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": subject,
        "role": role.value,
        "iat": now,
        "exp": now + round(hours * 3600),
    }
    return jwt.encode(claims, settings.token_secret_text(), algorithm=ALGORITHM)


class Door:
    """Lets in whoever bears a good token."""

    def __init__(self, secret: str) -> None:
        """Check signatures with ``secret``."""
        self._secret = secret
        self._checked = lru_cache(maxsize=TOKENS_CACHED_MAX)(self._check)

    def viewer(self, authorization: str | None) -> Viewer:
        """The viewer an ``Authorization`` header names; raises :class:`Unauthenticated`."""
        scheme, _, token = (authorization or "").partition(" ")
        if scheme.lower() != "bearer" or not token.strip():
            raise Unauthenticated("Send a token as the header Authorization: Bearer …; make one with: daybook token")
        viewer, expires_at = self._checked(token.strip())
        if expires_at <= time.time():
            raise Unauthenticated("The token has expired; get a new one.")
        return viewer

    def _check(self, token: str) -> tuple[Viewer, float]:
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "sub", "role"]},
            )
            viewer = Viewer(claims["sub"], Role(claims["role"]))
            if not _can_be(viewer.subject):
                raise ValueError("the subject cannot be entered")
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The token has expired; get a new one.") from None
        except (jwt.InvalidTokenError, ValueError):
            raise Unauthenticated("The token is not one of ours; get one with: daybook token") from None
        return viewer, claims["exp"]


def _can_be(subject: str) -> bool:
    """Whether a person can be called so in the ledger, which is to tell who did and who saw what."""
    try:
        subject.encode()
    except UnicodeEncodeError:
        return False
    return bool(subject.strip()) and len(subject) <= NAME_MAX and "\0" not in subject
