"""Keys: in memory or in a key service, old and new side by side."""

import sys
from pathlib import Path
from typing import Any

import pytest
from psycopg import Connection

from ledger import checkpoints, verifying
from ledger.notes import KeyService, Signer, SignerError, sign
from ledger.sealing import seal
from ledger.verifier import (
    Key,
    open_checkpoint,
)
from ledger.verifying import Kind, Trust
from tests.ledger.sealed_world import KEY, OLD, ORIGIN, SIGNER, leaves
from tests.ledger.tree import plant


def test_an_old_and_a_new_key_sign_together_and_each_verifies_alone(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))

    issued = seal(sealer, [SIGNER, OLD])

    assert issued
    for vkey in (SIGNER.vkey, OLD.vkey):
        assert open_checkpoint(issued.note, [Key.parse(vkey)]).tree.size == 3
    assert len(open_checkpoint(issued.note, [Key.parse(SIGNER.vkey), Key.parse(OLD.vkey)]).signatures) == 2


def test_after_a_rotation_old_checkpoints_still_verify_by_their_key(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [OLD])
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])

    both = verifying.examine(admin, Trust([KEY, Key.parse(OLD.vkey)], ORIGIN))
    only = verifying.examine(admin, Trust([KEY], ORIGIN))

    assert Kind.CHECKPOINT_ALTERED not in {found.kind for found in both.findings.kept}
    assert [found.position for found in only.findings.kept if found.kind is Kind.CHECKPOINT_ALTERED] == [3]


KMS = f"""
import sys
from base64 import b64encode
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
print(b64encode(Ed25519PrivateKey.from_private_bytes({bytes(range(32))!r}).sign(sys.stdin.buffer.read())).decode())
"""


def service(program: str, tmp_path: Path) -> KeyService:
    path = tmp_path / "kms.py"
    path.write_text(program)
    return KeyService(SIGNER.vkey, f"{sys.executable} {path}")


def test_a_key_service_signs_by_a_command(tmp_path: Path) -> None:
    text = checkpoints.text(ORIGIN, 1, bytes(32))

    assert sign(text, [service(KMS, tmp_path)]) == SIGNER.sign(text)


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("import sys; sys.exit('no key today')", "The seal command failed: no key today"),
        ("print('bm90IGEgc2lnbmF0dXJl')", "gave 15 bytes instead of a signature of 64"),
        ("print('**')", "gave no signature"),
    ],
)
def test_a_key_service_that_does_not_sign_is_told(
    program: str, said: str, tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(300))

    with pytest.raises(SignerError, match=said):
        seal(sealer, [service(program, tmp_path)])

    assert admin.execute("SELECT count(*) FROM seals.tiles").fetchone() == (0,)


@pytest.mark.parametrize(
    ("origin", "seed"),
    [("a b", "A" * 43 + "="), ("a+b", "A" * 43 + "="), ("", "A" * 43 + "="), ("a", "AA=="), ("a", "?")],
)
def test_what_is_no_name_or_no_key_is_refused(origin: str, seed: str) -> None:
    with pytest.raises(SignerError):
        Signer(origin, seed)


@pytest.mark.parametrize("text", ["no newline", "a\tb\n"])
def test_what_is_no_note_is_not_signed(text: str) -> None:
    with pytest.raises(ValueError, match="a note is lines of text"):
        SIGNER.sign(text)
