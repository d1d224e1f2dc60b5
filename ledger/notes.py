"""Signing: C2SP signed notes by Ed25519, with a key of ours or one that never leaves the operator's key service."""

import hashlib
import shlex
from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Protocol

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from .key_service import KeyServiceError, ask

ED25519 = b"\x01"
"""The type of an Ed25519 key, as signed notes number them."""
SEED = 32
SIGNATURE = 64


class SignerError(Exception):
    """A key is not one, or the key service did not sign."""


class Signing(Protocol):
    """Signs the texts of one origin."""

    @property
    def name(self) -> str:
        """The key's name, which is the origin of what it signs."""

    @property
    def vkey(self) -> str:
        """The public key, as verifiers take it."""

    def signature(self, text: str) -> bytes:
        """The signature over a text; raises :class:`SignerError`."""


class Signer:
    """Signs with an Ed25519 key in memory."""

    def __init__(self, origin: str, seed: str) -> None:
        """Name the key for ``origin``; ``seed`` is the base64 of the 32 bytes of the private key.

        Raises :class:`SignerError` where either cannot be used.
        """
        self.name = _named(origin)
        self._key = Ed25519PrivateKey.from_private_bytes(_seed(seed))
        self.vkey = vkey(origin, self._key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def signature(self, text: str) -> bytes:
        """The signature over a text."""
        return self._key.sign(text.encode())

    def sign(self, text: str) -> str:
        """The signed note of a text."""
        return sign(text, [self])


class KeyService:
    """Signs by a command of the operator's, which asks a key service: the text on stdin, the base64 on stdout."""

    def __init__(self, vkey: str, command: str) -> None:
        """``vkey`` is the public key of what ``command`` signs with."""
        self.name, self.vkey = vkey.partition("+")[0], vkey
        self._command = shlex.split(command)

    def signature(self, text: str) -> bytes:
        """The signature over a text; raises :class:`SignerError` where the command fails or says something else."""
        try:
            made = b64decode(ask(self._command, text, "signature"), validate=True)
        except KeyServiceError as error:
            raise SignerError(f"The seal command {error}") from None
        except ValueError as error:
            raise SignerError(f"The seal command gave no signature: {error}") from None
        if len(made) != SIGNATURE:
            raise SignerError(f"The seal command gave {len(made)} bytes instead of a signature of {SIGNATURE}.")
        return made


def vkey(name: str, public: bytes) -> str:
    """An Ed25519 public key as verifiers of signed notes take it."""
    return f"{name}+{key_id(name, public).hex()}+{b64encode(ED25519 + public).decode()}"


def key_id(name: str, public: bytes) -> bytes:
    """The four bytes by which a signature names its key."""
    return hashlib.sha256(name.encode() + b"\n" + ED25519 + public).digest()[:4]


def sign(text: str, signers: Sequence[Signing]) -> str:
    """The signed note of a text that ends with a newline; raises :class:`SignerError`."""
    if not text.endswith("\n") or any(ord(sign) < 0x20 and sign != "\n" for sign in text):
        raise ValueError("a note is lines of text without control characters")
    lines = [signature_line(signer.name, signer.vkey, signer.signature(text)) for signer in signers]
    return f"{text}\n{''.join(lines)}"


def signature_line(name: str, vkey: str, signature: bytes) -> str:
    """One line under a note."""
    known = bytes.fromhex(vkey.split("+", 2)[1])
    return f"— {name} {b64encode(known + signature).decode()}\n"


def _seed(text: str) -> bytes:
    try:
        seed = b64decode(text, validate=True)
    except ValueError:
        seed = b""
    if len(seed) != SEED:
        raise SignerError("A seal key is 32 bytes in base64; make one with: openssl rand -base64 32")
    return seed


def _named(origin: str) -> str:
    if not origin or "+" in origin or any(sign.isspace() for sign in origin) or not origin.isprintable():
        raise SignerError(f"An origin is like ledger.example.com/cases, without spaces and +, not {origin!r}.")
    return origin
