"""The sealer: checkpoints that continue one another, signed, published and witnessed; and what it refuses to sign."""

import re
import sys
import threading
from base64 import b64decode, b64encode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from psycopg import Connection

from ledger import checkpoints, database, merkle, verifying
from ledger.database import Duty
from ledger.merkle import TreeBroken
from ledger.notes import KeyService, Signer, SignerError, sign
from ledger.publishing import Command, Endpoint, Folder
from ledger.sealing import hand_out, seal
from ledger.verifier import (
    Key,
    Tree,
    Unproven,
    open_checkpoint,
    open_note,
    verify_consistency,
)
from ledger.verifying import Kind, Trust
from ledger.witness import Witness
from tests.ledger.sealed_world import ORIGIN, SIGNER, TRUST, fill
from tests.ledger.tree import h, mth, plant

KEY = Key.parse(SIGNER.vkey)
OLD = Signer(ORIGIN, b64encode(b"o" * 32).decode())


@pytest.fixture
def sealer(url: str) -> Iterator[Connection[Any]]:
    """A connection under the sealer's duty."""
    with database.connect(url, Duty.SEALER) as connection:
        yield connection


def leaves(number: int, first: int = 0) -> list[bytes]:
    return [h(b"\x00%d" % n) for n in range(first, first + number)]


# Checkpoints.


def test_a_checkpoint_is_the_signed_root_of_all_entries(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(300))

    issued = seal(sealer, [SIGNER])

    assert issued and issued == checkpoints.latest(sealer)
    opened = open_checkpoint(issued.note, [KEY])
    assert opened.tree == Tree(ORIGIN, 300, mth(leaves(300)))
    assert issued.note.startswith(f"{ORIGIN}\n300\n{b64encode(issued.root).decode()}\n\n— {ORIGIN} ")
    assert (issued.size, issued.root, issued.origin) == (300, mth(leaves(300)), ORIGIN)


def test_nothing_is_issued_where_nothing_was_added(admin: Connection[Any], sealer: Connection[Any]) -> None:
    assert seal(sealer, [SIGNER]) is None
    assert checkpoints.latest(sealer) is None

    plant(admin, leaves(3))
    assert seal(sealer, [SIGNER])
    assert seal(sealer, [SIGNER]) is None

    assert [each.size for each in checkpoints.issued(sealer)] == [3]


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(st.integers(1, 300), min_size=2, max_size=6))
def test_every_checkpoint_continues_every_one_before_it(admin: Connection[Any], batches: list[int]) -> None:
    with admin.transaction(force_rollback=True):
        for batch in batches:
            (before,) = admin.execute("SELECT position FROM ledger.head").fetchall()[0]
            plant(admin, leaves(batch, before))
            assert seal(admin, [SIGNER])
        issued = list(checkpoints.issued(admin))

        for number, old in enumerate(issued):
            for new in issued[number:]:
                path = merkle.consistency(admin, old.size, new.size)
                verify_consistency(old.size, new.size, old.root, new.root, path)
        report = verifying.examine(admin, TRUST)
    assert [found for found in report.findings.kept if found.kind is not Kind.ROW_ALTERED] == []
    assert report.checkpoints == len(batches)


def test_the_checkpoint_that_covers_a_position_is_found(admin: Connection[Any], sealer: Connection[Any]) -> None:
    for number in (3, 4, 5):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])

    covering = {position: checkpoints.at_or_after(sealer, position) for position in (1, 3, 4, 7, 8, 12, 13)}

    assert {at: found and found.size for at, found in covering.items()} == {
        1: 3, 3: 3, 4: 7, 7: 7, 8: 12, 12: 12, 13: None,
    }  # fmt: skip
    assert [each.size for each in checkpoints.issued(sealer, after=3, until=7)] == [7]


def test_sealers_side_by_side_issue_one_line_of_checkpoints(url: str, admin: Connection[Any]) -> None:
    """Four seal as fast as they can while entries come in."""
    ended = threading.Event()

    def work() -> int:
        issued = 0
        with database.connect(url, Duty.SEALER) as connection:
            while not ended.is_set():
                issued += seal(connection, [SIGNER]) is not None
        return issued

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work) for _ in range(4)]
        for number in range(60):
            plant(admin, leaves(7, 7 * number))
        ended.set()
        issued = sum(each.result() for each in working)

    seal(admin, [SIGNER])
    found = list(checkpoints.issued(admin))
    assert len(found) in (issued, issued + 1)
    for each in found:
        assert open_checkpoint(each.note, [KEY]).tree.root == mth(leaves(each.size))


# What is not signed.


def unguarded(admin: Connection[Any], statement: str) -> None:
    for table in ("ledger.entries", "seals.tiles", "seals.checkpoints"):
        admin.execute(f"ALTER TABLE {table} DISABLE TRIGGER ALL".encode())
    assert admin.execute(statement.encode()).rowcount > 0


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 600", "up to 600 are not what was sealed"),
        ("UPDATE seals.tiles SET root = sha256('x') WHERE index = 1", "up to 600 are not what was sealed"),
        ("DELETE FROM seals.tiles WHERE index = 1", "lacks the subtree"),
        ("UPDATE ledger.head SET position = 500", "600 entries were sealed and the ledger has 500"),
        ("DELETE FROM ledger.entries WHERE position = 599", "lacks the subtree|not what was sealed"),
    ],
)
def test_a_tree_that_no_longer_fits_is_not_signed(
    admin: Connection[Any], sealer: Connection[Any], statement: str, said: str
) -> None:
    plant(admin, leaves(600))
    seal(sealer, [SIGNER])
    plant(admin, leaves(5, 600))
    unguarded(admin, statement)

    with pytest.raises(TreeBroken, match=said):
        seal(sealer, [SIGNER])

    assert [each.size for each in checkpoints.issued(sealer)] == [600]


def test_an_altered_leaf_under_a_full_tile_is_met_by_chance(admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(300))
    seal(sealer, [SIGNER])
    unguarded(admin, "UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 9")

    # There is but one full tile, so it is the one that is drawn.
    with pytest.raises(TreeBroken, match="The entries 1 to 256 are not what was sealed; run: daybook verify"):
        seal(sealer, [SIGNER])


# Keys.


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


# Publishing.


class Heard(NamedTuple):
    """What a server was sent."""

    method: str
    path: str
    body: str


@contextmanager
def answering(answer: Any) -> Iterator[tuple[str, list[Heard]]]:
    """A real HTTP server that answers with what ``answer(heard)`` gives: a status and a text."""
    told: list[Heard] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            told.append(Heard(self.command, self.path, body))
            status, text = answer(told[-1])
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_PUT = do_POST

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}", told
        finally:
            server.shutdown()
            thread.join()


def test_a_folder_gets_each_checkpoint_once(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    place = Folder(tmp_path / "kept")
    for number in (3, 4):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])
        assert hand_out(sealer, [place], []) == []
        assert hand_out(sealer, [place], []) == []

    issued = {f"{each.size:020d}.checkpoint": each.note for each in checkpoints.issued(sealer)}
    assert {path.name: path.read_text("utf-8") for path in place.path.iterdir()} == issued
    assert checkpoints.standing(sealer).published == {place.name: 7}


def test_a_folder_is_never_written_over(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])
    assert issued
    path = tmp_path / f"{3:020d}.checkpoint"
    path.write_text("other.example\n3\nAAAA\n\n")

    (failed,) = hand_out(sealer, [Folder(tmp_path)], [])

    assert "says something else of 3 entries" in failed
    assert path.read_text() == "other.example\n3\nAAAA\n\n"
    assert checkpoints.standing(sealer).published == {}
    path.write_text(issued.note)
    assert hand_out(sealer, [Folder(tmp_path)], []) == []
    assert checkpoints.standing(sealer).troubles == {}


def test_a_folder_with_later_checkpoints_tells_that_an_older_copy_runs(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])
    (tmp_path / f"{9:020d}.checkpoint").write_text("")

    (failed,) = hand_out(sealer, [Folder(tmp_path)], [])

    assert "of more entries than the ledger has: an older copy of it runs here" in failed


@pytest.mark.parametrize(("path", "method", "asked"), [("/x", "POST", "/x"), ("/{size}", "PUT", "/3")])
def test_an_endpoint_is_sent_the_checkpoint(
    path: str, method: str, asked: str, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])

    with answering(lambda _: (204, "")) as (url, heard):
        assert hand_out(sealer, [Endpoint(url + path)], []) == []

    assert issued
    assert heard == [Heard(method, asked, issued.note)]


def test_a_place_that_fails_is_told_and_tried_again_and_the_others_go_on(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])
    statuses = iter([503, 200])
    with answering(lambda _: (next(statuses), "")) as (url, heard):
        place, folder = Endpoint(f"{url}/secret-token"), Folder(tmp_path)

        assert hand_out(sealer, [place, folder], []) == [f"The {place.name} failed: It answered 503."]
        assert checkpoints.standing(sealer).troubles == {place.name: "It answered 503."}
        assert checkpoints.standing(sealer).published == {folder.name: 3}

        assert hand_out(sealer, [place, folder], []) == []
    assert checkpoints.standing(sealer).troubles == {}
    assert checkpoints.standing(sealer).published == {folder.name: 3, place.name: 3}
    assert len(heard) == 2
    assert "secret" not in place.name


def test_a_place_out_of_reach_gets_the_last_checkpoint_once_it_is_back(
    admin: Connection[Any], sealer: Connection[Any]
) -> None:
    up = False
    with answering(lambda _: (200 if up else 500, "")) as (url, heard):
        for _ in range(3):
            plant(admin, leaves(3))
            seal(sealer, [SIGNER])
            hand_out(sealer, [Endpoint(url)], [])
        up = True
        hand_out(sealer, [Endpoint(url)], [])

    assert [each.body.split("\n")[1] for each in heard] == ["3", "6", "9", "9"]


def test_a_command_is_given_the_checkpoint_and_no_secret(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DAYBOOK_SEAL_KEY", "secret")
    plant(admin, leaves(3))
    issued = seal(sealer, [SIGNER])
    program = tmp_path / "mail.py"
    program.write_text(
        "import os, sys\nopen(sys.argv[1], 'w').write(sys.stdin.read() +"
        " repr(sorted(item for item in os.environ.items() if item[0].startswith('DAYBOOK'))))"
    )

    assert hand_out(sealer, [Command(f"{sys.executable} {program} {tmp_path / 'sent'}")], []) == []

    told = [("DAYBOOK_CHECKPOINT_ORIGIN", ORIGIN), ("DAYBOOK_CHECKPOINT_SIZE", "3")]
    assert issued
    assert (tmp_path / "sent").read_text() == issued.note + repr(told)


@pytest.mark.parametrize(("command", "said"), [("false", "It ended with 1"), ("/no/such/program", "No such file")])
def test_a_command_that_fails_is_told(command: str, said: str, admin: Connection[Any], sealer: Connection[Any]) -> None:
    plant(admin, leaves(3))
    seal(sealer, [SIGNER])

    (failed,) = hand_out(sealer, [Command(command)], [])

    assert said in failed


# Witnesses.


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


# Copies.


def test_copies_kept_apart_are_compared(tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]) -> None:
    for number in (3, 4):
        plant(admin, leaves(number))
        seal(sealer, [SIGNER])
        hand_out(sealer, [Folder(tmp_path)], [])
    (tmp_path / "later.checkpoint").write_text(SIGNER.sign(checkpoints.text(ORIGIN, 9, bytes(32))))
    (tmp_path / "other.checkpoint").write_text(SIGNER.sign(checkpoints.text(ORIGIN, 5, bytes(32))))
    (tmp_path / "note.txt").write_text("hello")

    report = verifying.examine(admin, TRUST, copies=tmp_path)

    found = [each for each in report.findings.kept if each.kind is not Kind.ROW_ALTERED]
    assert [(each.kind, each.position, each.until) for each in found] == [
        (Kind.CHECKPOINT_MISSING, 5, None),
        (Kind.TREE_DIFFERS, 4, 5),
        (Kind.POSITION_MISSING, 8, 9),
        (Kind.COPY_BAD, None, None),
    ]
    assert report.copies == 4


def test_a_rewritten_history_is_found_by_a_copy(
    tmp_path: Path, admin: Connection[Any], sealer: Connection[Any]
) -> None:
    """Whoever has the key and the database can write all of it anew, but not what was published."""
    plant(admin, leaves(300))
    seal(sealer, [SIGNER])
    hand_out(sealer, [Folder(tmp_path)], [])
    unguarded(admin, "DELETE FROM seals.tiles")
    admin.execute("ALTER TABLE seals.publications DISABLE TRIGGER ALL")
    admin.execute("DELETE FROM seals.publications; DELETE FROM seals.checkpoints")
    admin.execute("UPDATE ledger.entries SET leaf = sha256('x') WHERE position = 7")
    assert seal(sealer, [SIGNER])

    report = verifying.examine(admin, TRUST, copies=tmp_path)

    found = [each for each in report.findings.kept if each.kind is Kind.TREE_DIFFERS]
    assert [(each.position, each.until) for each in found] == [(1, 300)]


# Verifying bit by bit.


def test_what_was_verified_is_not_hashed_again(url: str, admin: Connection[Any], sealer: Connection[Any]) -> None:
    with database.connect(url, Duty.AUDITOR) as auditor:
        assert verifying.last_verified(auditor) is None
        fill(url, 20)
        assert seal(sealer, [SIGNER])
        first = verifying.verify(auditor, TRUST)
        assert first.findings.kept == []
        verifying.remember(auditor, first)
        fill(url, 30, seed=2)
        assert seal(sealer, [SIGNER])
        since = verifying.last_verified(auditor)

        told: list[int] = []
        second = verifying.verify(auditor, TRUST, since=since, advance=lambda done, _: told.append(done))

        assert since and since.size == first.sealed
        assert second.findings.kept == []
        assert (second.since, second.checkpoints) == (first.sealed, 1)
        assert told[-1] == second.head - first.sealed // 256 * 256
        unguarded(admin, f"UPDATE ledger.entries SET schema = 7 WHERE position = {second.head}")
        later = verifying.verify(auditor, TRUST, since=since)
        assert [(each.kind, each.position) for each in later.findings.kept] == [(Kind.ROW_ALTERED, second.head)]
        unguarded(admin, "UPDATE seals.tiles SET root = sha256('x') WHERE index = 0")
        distrusted = verifying.verify(auditor, TRUST, since=since)
        assert distrusted.since == 0
        assert (Kind.TREE_DIFFERS, 1) in [(each.kind, each.position) for each in distrusted.findings.kept]
