"""What checkpoints are signed with, published to and witnessed by, as the settings say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ledger.notes import KeyService, Signer, SignerError, Signing
from ledger.publishing import Command, Endpoint, Folder, Place
from ledger.verifier import COSIGNATURE, COSIGNATURE_ML_DSA, ED25519, Key, Unproven
from ledger.witness import Witness

if TYPE_CHECKING:
    from .settings import Settings

HTTP = ("http://", "https://")


def check(settings: Settings) -> None:
    """Raise ``ValueError`` where something that is set cannot be used."""
    try:
        found = signers(settings)
        receipt_signers(settings)
        known = [Key.parse(vkey) for vkey in vkeys(settings)]
    except SignerError as error:
        raise ValueError(str(error)) from None
    except Unproven as error:
        raise ValueError(f"DAYBOOK_SEAL_VKEY and DAYBOOK_SEAL_OLD_KEYS take public keys: {error}") from None
    if any(key.kind != ED25519 for key in known):
        raise ValueError(
            "DAYBOOK_SEAL_VKEY and DAYBOOK_SEAL_OLD_KEYS are Ed25519 keys, as daybook seal-key prints them"
        )
    if settings.origin and any(signer.name != settings.origin for signer in found):
        raise ValueError("DAYBOOK_SEAL_VKEY is the key of another origin than DAYBOOK_ORIGIN")
    if (url := settings.publish_url) and not url.get_secret_value().startswith(HTTP):
        raise ValueError("DAYBOOK_PUBLISH_URL must begin with http:// or https://")
    witnesses(settings)


def signers(settings: Settings) -> list[Signing]:
    """Who signs checkpoints, the current key first; none where no key is set.

    Raises :class:`~ledger.notes.SignerError`.
    """
    found: list[Signing] = []
    if settings.seal_command:
        if not settings.seal_vkey:
            raise SignerError("DAYBOOK_SEAL_COMMAND needs DAYBOOK_SEAL_VKEY, the public key it signs with")
        found.append(KeyService(settings.seal_vkey, settings.seal_command))
    if settings.seal_key:
        if not settings.origin:
            raise SignerError("DAYBOOK_SEAL_KEY needs DAYBOOK_ORIGIN, the name of the ledger")
        seeds = settings.seal_key.get_secret_value().split(",")
        found += [Signer(settings.origin, seed.strip()) for seed in seeds]
    return found


def receipt_signers(settings: Settings) -> list[Signing]:
    """Who signs receipts: a key of their own where one is set, named after the origin, else whoever signs checkpoints.

    Raises :class:`~ledger.notes.SignerError`.
    """
    if settings.receipt_key is None:
        return signers(settings)
    if not settings.origin:
        raise SignerError("DAYBOOK_RECEIPT_KEY needs DAYBOOK_ORIGIN, the name of the ledger")
    return [Signer(f"{settings.origin}/receipts", settings.receipt_key.get_secret_value())]


def vkeys(settings: Settings) -> list[str]:
    """The public keys that checkpoints may be signed by, the current one first."""
    known = [signer.vkey for signer in signers(settings)]
    known += [vkey.strip() for vkey in [settings.seal_vkey or "", *(settings.seal_old_keys or "").split(",")]]
    return list(dict.fromkeys(filter(None, known)))


def places(settings: Settings) -> list[Place]:
    """Where checkpoints are published."""
    found: list[Place] = []
    if settings.publish_folder:
        found.append(Folder(settings.publish_folder))
    if settings.publish_url:
        found.append(Endpoint(settings.publish_url.get_secret_value()))
    if settings.publish_command:
        found.append(Command(settings.publish_command))
    return found


def witnesses(settings: Settings) -> list[Witness]:
    """Who cosigns checkpoints; raises ``ValueError`` for what is no witness."""
    found = []
    for told in filter(str.strip, (settings.witnesses or "").split(",")):
        url, _, vkey = told.strip().partition(" ")
        try:
            kind = Key.parse(vkey).kind
        except Unproven:
            raise ValueError(
                f"DAYBOOK_WITNESSES names each witness by its address, a space and its public key, not {told.strip()!r}"
            ) from None
        if not url.startswith(HTTP) or kind not in (COSIGNATURE, COSIGNATURE_ML_DSA):
            raise ValueError("DAYBOOK_WITNESSES needs an address and the public key of a cosigner for each witness")
        found.append(Witness(url, vkey.strip()))
    return found
