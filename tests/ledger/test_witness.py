"""Witnesses cosign what continues what they saw; what they answer is verified before it is kept."""

import re
from base64 import b64decode, b64encode
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from psycopg import Connection

from ledger import checkpoints, verifying
from ledger.sealing import hand_out, seal
from ledger.verifier import (
    Key,
    Tree,
    Unproven,
    open_checkpoint,
    open_note,
    verify_consistency,
)
from ledger.witness import Witness
from tests.ledger.answering import Heard, answering
from tests.ledger.sealed_world import KEY, SIGNER, TRUST, leaves
from tests.ledger.tree import h, mth, plant


class Witnessing:
    """A witness by the text of C2SP tlog-witness, sharing no code with the client but the checking of signatures."""

    def __init__(self, known: int = 0, root: bytes = b"") -> None:
        self.key = Ed25519PrivateKey.from_private_bytes(b"w" * 32)
        public = b"\x04" + self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
        self.id = h(b"witness.example\n" + public)[:4]
        self.vkey = f"witness.example+{self.id.hex()}+{b64encode(public).decode()}"
        self.known, self.root = known, root

    def answer(self, heard: Heard) -> tuple[int, str]:
        head, _, note = heard.body.partition("\n\n")
        old, *proof = head.split("\n")
        try:
            opened = open_note(note, [KEY])
        except Unproven:
            return 403, "bad signature"
        tree = Tree.parse(opened.text)
        if int(old.removeprefix("old ")) != self.known:
            return 409, f"{self.known}\n"
        try:
            path = [b64decode(line) for line in proof]
            if self.known:
                verify_consistency(self.known, tree.size, self.root, tree.root, path)
        except Unproven:
            return 422, "bad proof"
        self.known, self.root = tree.size, tree.root
        return 200, self.line(opened.text)

    def line(self, text: str, time: int = 1_800_000_000) -> str:
        signature = self.key.sign(f"cosignature/v1\ntime {time}\n{text}".encode())
        return f"— witness.example {b64encode(self.id + time.to_bytes(8, 'big') + signature).decode()}\n"


def test_a_witness_cosigns_checkpoint_after_checkpoint(admin: Connection[Any], sealer: Connection[Any]) -> None:
    witness = Witnessing()
    with answering(witness.answer) as (url, heard):
        for number in (3, 300, 5):
            plant(admin, leaves(number))
            seal(sealer, [SIGNER])
            assert hand_out(sealer, [], [Witness(url, witness.vkey)]) == []
            assert hand_out(sealer, [], [Witness(url + "/", witness.vkey)]) == []

    assert [each.body.split("\n")[0] for each in heard] == ["old 0", "old 3", "old 303"]
    assert {each.path for each in heard} == {"/add-checkpoint"}
    last = checkpoints.latest(sealer)
    assert last
    opened = open_checkpoint(last.note, [KEY, Key.parse(witness.vkey)])
    assert [each.key.name for each in opened.cosignatures] == ["witness.example"]
    assert checkpoints.standing(sealer).witnessed == {"witness.example": 308}
    assert verifying.examine(admin, TRUST).cosignatures == 3


def test_a_witness_that_knows_another_size_is_asked_again_from_there(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(10))
    seal(sealer, [SIGNER])
    witness = Witnessing(4, mth(leaves(4)))
    with answering(witness.answer) as (url, heard):
        assert hand_out(sealer, [], [Witness(url, witness.vkey)]) == []

    assert [each.body.split("\n")[0] for each in heard] == ["old 0", "old 4"]
    assert checkpoints.standing(sealer).witnessed == {"witness.example": 10}


def wrong_line(text: str) -> str:
    return Witnessing().line(text.replace("\n3\n", "\n4\n"))


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (lambda _: (403, "who are you"), "It answered 403: who are you"),
        (lambda _: (404, "unknown origin"), "It answered 404: unknown origin"),
        (lambda _: (422, ""), "It answered 422"),
        (lambda _: (409, "no number"), "It answered 409 and 'no number'"),
        (lambda _: (409, "0\n"), "It answered 409 and '0' when asked from 0 on"),
        (lambda _: (409, "9\n"), "It knows 9 entries of this ledger, which has 3: an older one runs here"),
        (lambda _: (200, ""), "not a text, a blank line|is not signed by a key you gave|no line of a signature"),
        (lambda heard: (200, wrong_line(heard.body.partition("\n\n")[2].partition("\n\n")[0] + "\n")), "wrong"),
        (lambda _: (200, "— other.example AAAAAAAA\n"), "not a text, a blank line|no line of a signature|not signed"),
    ],
)
def test_a_witness_that_does_not_cosign_is_told_and_nothing_is_kept(
    answer: Any, said: str, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])
    with answering(answer) as (url, _):
        (failed,) = hand_out(sealer, [], [Witness(url, Witnessing().vkey)])

    assert re.search(said, failed), failed
    assert checkpoints.standing(sealer).witnessed == {}
    assert set(checkpoints.standing(sealer).troubles) == {"witness witness.example"}


def test_a_witness_out_of_reach_is_told(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])

    (failed,) = hand_out(sealer, [], [Witness("http://127.0.0.1:9", Witnessing().vkey)])

    assert "The witness witness.example failed" in failed
