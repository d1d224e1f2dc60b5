"""Witnesses: others who sign that they saw a checkpoint, and none that contradicts it (C2SP tlog-witness).

A witness remembers the last size of each log it signed for, and is shown that the new tree continues that one. What it
answers is verified against its public key before it is kept.
"""

import urllib.error
import urllib.request
from base64 import b64encode
from http import HTTPStatus
from typing import Any, NamedTuple

from psycopg import Connection

from . import checkpoints, merkle
from .checkpoints import Checkpoint
from .publishing import end_trouble, keep_trouble
from .verifier import COSIGNATURE, COSIGNATURE_ML_DSA, Key, Unproven, open_note

WITNESS_S_MAX = 15
"""Why: sealing waits for the witnesses in turn, and one that hangs should not cost more than a beat or two."""
ANSWER_MAX = 64 * 2**10
"""Why: a witness answers with a line or a few; what is longer is no answer."""
COSIGNED = "SELECT coalesce(max(size), 0) FROM seals.cosignatures WHERE witness = %s"
KEEP = "INSERT INTO seals.cosignatures (size, witness, line, vkey) VALUES (%s, %s, %s, %s) ON CONFLICT DO NOTHING"


class WitnessError(Exception):
    """A witness did not cosign; the message says why."""


class Answer(NamedTuple):
    """What a witness said."""

    status: int
    text: str


class Witness(NamedTuple):
    """One who cosigns, where it is asked, and its public key."""

    url: str
    vkey: str

    @property
    def name(self) -> str:
        """The name it signs under."""
        return self.vkey.partition("+")[0]


def cosign(connection: Connection[Any], witness: Witness) -> str | None:
    """Have the last checkpoint cosigned, if it is not yet; gives why not, in words, where that failed."""
    last = checkpoints.latest(connection)
    row = connection.execute(COSIGNED, (witness.name,)).fetchone()
    known = int(row[0]) if row else 0
    if last is None or known == last.size:
        return None
    place = f"witness {witness.name}"
    try:
        lines = _asked(connection, witness, last, known)
        for line in lines:
            connection.execute(KEEP, (last.size, witness.name, line, witness.vkey))
    except (WitnessError, Unproven, OSError) as error:
        return keep_trouble(connection, place, str(error))
    end_trouble(connection, place)
    return None


def _asked(connection: Connection[Any], witness: Witness, last: Checkpoint, known: int) -> list[str]:
    """The cosignature of a witness, asked with the size we think it knows, and once more with the one it says."""
    answer = _post(witness, request(connection, last, known))
    if answer.status == HTTPStatus.CONFLICT:
        said = answer.text.strip()
        if not said.isdecimal() or int(said) == known:
            raise WitnessError(f"It answered 409 and {said[:60]!r} when asked from {known} on.")
        if int(said) > last.size:
            raise WitnessError(
                f"It knows {said} entries of this ledger, which has {last.size}: an older one runs here."
            )
        answer = _post(witness, request(connection, last, int(said)))
    if answer.status != HTTPStatus.OK:
        raise WitnessError(f"It answered {answer.status}: {answer.text.strip()[:120]}")
    return _verified(witness, last, answer.text)


class Known(NamedTuple):
    """What a witness cosigned last."""

    size: int
    agrees: bool
    """Whether it is the very tree of our last checkpoint."""


def known_by(connection: Connection[Any], witness: Witness) -> Known | None:
    """What a witness knows of this ledger, told by showing it our last checkpoint as one it has cosigned.

    ``None`` where nothing is sealed here, or the witness does not say.
    """
    last = checkpoints.latest(connection)
    if last is None:
        return None
    try:
        answer = _post(witness, request(connection, last, last.size))
    except OSError:
        return None
    said = answer.text.strip()
    if answer.status == HTTPStatus.OK:
        return Known(last.size, agrees=True)
    if answer.status == HTTPStatus.CONFLICT and said.isascii() and said.isdecimal():
        return Known(int(said[:20]), agrees=False)
    return None


def request(connection: Connection[Any], last: Checkpoint, known: int) -> str:
    """What a witness is sent: the size it knows, the proof that the tree continues it, the checkpoint."""
    proof = merkle.consistency(connection, known, last.size) if known else []
    lines = "".join(f"{b64encode(each).decode()}\n" for each in proof)
    return f"old {known}\n{lines}\n{last.note}"


def _post(witness: Witness, body: str) -> Answer:
    asked = urllib.request.Request(  # noqa: S310  (the settings admit http and https alone)
        f"{witness.url.rstrip('/')}/add-checkpoint",
        data=body.encode(),
        method="POST",
        headers={"Content-Type": "text/plain; charset=utf-8", "User-Agent": "daybook"},
    )
    try:
        with urllib.request.urlopen(asked, timeout=WITNESS_S_MAX) as told:  # noqa: S310  (as above)
            return Answer(told.status, told.read(ANSWER_MAX).decode(errors="replace"))
    except urllib.error.HTTPError as error:
        with error:
            return Answer(error.code, error.read(ANSWER_MAX).decode(errors="replace"))


def _verified(witness: Witness, last: Checkpoint, answer: str) -> list[str]:
    """The one line that is the witness's own good cosignature; raises :class:`WitnessError` or ``Unproven``."""
    key = Key.parse(witness.vkey)
    if key.kind not in (COSIGNATURE, COSIGNATURE_ML_DSA):
        raise WitnessError("Its key is none that cosigns.")
    text = last.note.partition("\n\n")[0] + "\n"
    lines = [line + "\n" for line in answer.splitlines() if line.startswith(f"— {witness.name} ")]
    opened = open_note(f"{text}\n{''.join(lines)}", [key])
    if not lines or not opened.signatures:
        raise WitnessError("It answered without its signature.")
    return lines[:1]
