"""The verifier on trees, notes and checkpoints: known answers, and an implementation that shares no code with it."""

import ast
import sys
from base64 import b64encode
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import verifier
from ledger.verifier import Key, Unproven, open_checkpoint, open_note
from tests.ledger import evidence
from tests.ledger import second_verifier as second
from tests.ledger.evidence import KEY, ORIGIN, VECTORS, VKEY, WITNESS, WITNESS_KEY, WITNESS_VKEY

KEYS = [Key.parse(VKEY), Key.parse(WITNESS_VKEY)]
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOT = "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_it_imports_nothing_but_python_and_cryptography() -> None:
    tree = ast.parse(Path(verifier.__file__).read_text("utf-8"))
    imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert not any(node.level for node in ast.walk(tree) if isinstance(node, ast.ImportFrom))

    assert {name.split(".")[0] for name in imported} - sys.stdlib_module_names == {"cryptography"}


# --- Trees


def test_the_tree_of_certificate_transparency_has_the_root_that_everyone_finds() -> None:
    leaves = [bytes.fromhex(text) for text in CT_LEAVES]
    root = bytes.fromhex(CT_ROOT)
    assert second.mth(leaves) == root

    for index, leaf in enumerate(leaves):
        verifier.verify_inclusion(verifier.leaf_hash(leaf), index, 8, second.path(index, leaves), root)


def test_every_proof_of_every_small_tree_holds() -> None:
    leaves = [f"leaf {number}".encode() for number in range(40)]
    for size in range(1, 41):
        root = second.mth(leaves[:size])
        for index in range(size):
            path = second.path(index, leaves[:size])
            verifier.verify_inclusion(verifier.leaf_hash(leaves[index]), index, size, path, root)
            assert second.included(leaves[index], index, size, path) == root
        for old in range(size + 1):
            proof = second.proof(old, leaves[:size]) if old else []
            verifier.verify_consistency(old, size, second.mth(leaves[:old]), root, proof)


@settings(max_examples=300)
@given(st.data())
def test_a_path_that_is_not_the_right_one_is_refused_by_both_implementations(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 20), "size")
    leaves = [bytes([number]) for number in range(size)]
    index = data.draw(st.integers(0, size - 1), "index")
    path, root = second.path(index, leaves), second.mth(leaves)
    other = data.draw(st.integers(0, size - 1), "other index")
    hashes = st.sampled_from([*path, root, bytes(32), *(verifier.leaf_hash(leaf) for leaf in leaves)])
    altered = data.draw(st.one_of(st.just(path), st.lists(hashes, max_size=6)), "path")

    leads = second.included(leaves[index], other, size, altered) == root
    assert leads is (other == index and altered == path)
    if leads:
        verifier.verify_inclusion(verifier.leaf_hash(leaves[index]), other, size, altered, root)
    else:
        with pytest.raises(Unproven):
            verifier.verify_inclusion(verifier.leaf_hash(leaves[index]), other, size, altered, root)


@settings(max_examples=300)
@given(st.data())
def test_a_tree_that_does_not_continue_another_is_refused_by_both_implementations(data: st.DataObject) -> None:
    new = data.draw(st.integers(1, 20), "new")
    old = data.draw(st.integers(1, new), "old")
    leaves = [bytes([number]) for number in range(new)]
    proof, roots = second.proof(old, leaves), (second.mth(leaves[:old]), second.mth(leaves))
    hashes = st.sampled_from([*proof, *roots, bytes(32)])
    altered = data.draw(st.one_of(st.just(proof), st.lists(hashes, max_size=6)), "proof")
    claimed = data.draw(st.sampled_from([roots, (bytes(32), roots[1]), (roots[0], bytes(32))]), "roots")

    holds = second.grown(old, new, claimed[0], altered) == claimed
    if holds:
        verifier.verify_consistency(old, new, *claimed, altered)
    else:
        with pytest.raises(Unproven):
            verifier.verify_consistency(old, new, *claimed, altered)
    assert holds or (altered, claimed) != (proof, roots)


@pytest.mark.parametrize(("index", "size"), [(-1, 3), (3, 3), (0, 0)])
def test_there_is_no_leaf_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(Unproven, match=f"There is no leaf {index} in a tree of {size}"):
        verifier.verify_inclusion(bytes(32), index, size, [], bytes(32))


def test_a_smaller_tree_continues_no_larger_one_and_no_tree_but_the_empty_one_is_empty() -> None:
    with pytest.raises(Unproven, match="A tree of 2 leaves cannot continue one of 3"):
        verifier.verify_consistency(3, 2, bytes(32), bytes(32), [])
    with pytest.raises(Unproven, match="are not the same"):
        verifier.verify_consistency(0, 2, bytes(32), bytes(32), [])
    with pytest.raises(Unproven, match="is missing"):
        verifier.verify_consistency(1, 2, bytes(32), bytes(32), [])


# --- Notes

EXAMPLE_VKEY = "example.com/foo+530d903a+AekyeRrm56hApGFkyQR4ZCbV54Id2LKaANYcrnKv3U2k"


def test_the_example_of_signed_notes_holds() -> None:
    note = (VECTORS / "c2sp-example.note").read_bytes().decode()

    opened = open_note(note, [Key.parse(EXAMPLE_VKEY)])

    assert opened.text == "This is an example message.\n"
    assert [signature.key.name for signature in opened.signatures] == ["example.com/foo"]


def test_sixteen_signatures_are_taken_and_those_by_unknown_keys_passed_over() -> None:
    note = second.signed("a text\n", ORIGIN, KEY)
    strangers = "".join(second.line(f"w{n}", b"\4", WITNESS_KEY, bytes(72)) for n in range(15))

    assert [each.key for each in open_note(note + strangers, KEYS).signatures] == KEYS[:1]


def test_a_bad_signature_by_a_known_key_spoils_the_good_ones() -> None:
    note = second.signed("a text\n", ORIGIN, KEY) + second.line(WITNESS, b"\4", WITNESS_KEY, bytes(72))

    assert open_note(note, KEYS[:1])
    with pytest.raises(Unproven, match=f"The signature of {WITNESS} .* is wrong"):
        open_note(note, KEYS)


GOOD = second.signed("a text\n\nin two parts\n", ORIGIN, KEY)


@pytest.mark.parametrize(
    ("note", "said"),
    [
        ("", "not a text, a blank line and lines"),
        ("a text\n", "not a text, a blank line and lines"),
        ("a text\n\n", "not a text, a blank line and lines"),
        (GOOD[:-1], "not a text, a blank line and lines"),
        (GOOD + "\n", "not a text, a blank line and lines"),
        (GOOD.replace("\n", "\r\n"), "control character"),
        (GOOD.replace("—", "-"), "no line of a signature"),
        (GOOD.replace(f"— {ORIGIN}", f"—  {ORIGIN}"), "no line of a signature"),
        (GOOD + "— a+b c2lnbmVkIQ==\n", "no line of a signature"),
        (GOOD + "— a c2ln\n", "no line of a signature"),
        (GOOD + "— a c2lnbmVkIR==\n", "not written in base64"),
        (GOOD + second.line("w", b"\4", WITNESS_KEY, bytes(72)) * 100, "more than 100 signatures"),
        (GOOD.replace("two", "three"), "is wrong"),
        (second.signed("a text\n", "other.example", KEY), "not signed by a key you gave"),
        (second.signed("a text\n", ORIGIN, WITNESS_KEY), "not signed by a key you gave"),
    ],
)
def test_what_is_no_note_of_the_key_is_refused(note: str, said: str) -> None:
    assert open_note(GOOD, KEYS).text == "a text\n\nin two parts\n"
    with pytest.raises(Unproven, match=said):
        open_note(note, KEYS)


@pytest.mark.parametrize(
    "vkey",
    ["", "name", VKEY.replace("ledger", "other"), VKEY[:-4], VKEY.replace("+", " +", 1), VKEY + "A", "a+00000000+Ag=="],
)
def test_what_is_no_public_key_is_refused(vkey: str) -> None:
    with pytest.raises(Unproven):
        Key.parse(vkey)


# --- Checkpoints


def test_a_checkpoint_says_who_signed_what_and_when_witnesses_saw_it() -> None:
    opened = open_checkpoint(evidence.checkpoint(5), KEYS)

    assert opened.tree == (ORIGIN, 5, second.mth(evidence.LEAVES[:5]))
    assert [(each.key.name, str(each.at)) for each in opened.cosignatures] == [(WITNESS, "2026-03-02 10:00:00+00:00")]


def test_a_cosignature_by_ml_dsa_holds_and_its_time_is_part_of_what_is_signed() -> None:
    key, name, time = MLDSA44PrivateKey.generate(), b"witness.example.org/pq", (1_772_445_600).to_bytes(8, "big")
    kind = b"\6" + key.public_key().public_bytes_raw()
    key_id = verifier.hashlib.sha256(name + b"\n" + kind).digest()[:4]
    vkey = f"{name.decode()}+{key_id.hex()}+{b64encode(kind).decode()}"
    tree = (5).to_bytes(8, "big") + second.mth(evidence.LEAVES[:5])
    origin = bytes([len(ORIGIN)]) + ORIGIN.encode()
    message = b"subtree/v1\n\0" + bytes([len(name)]) + name + time + origin + bytes(8) + tree
    signature = key.sign(message)

    def noted(time: bytes) -> str:
        made = b64encode(key_id + time + signature).decode()
        return f"{evidence.checkpoint(5)}— {name.decode()} {made}\n"

    opened = open_checkpoint(noted(time), [*KEYS, Key.parse(vkey)])
    assert [each.key.name for each in opened.cosignatures] == [WITNESS, name.decode()]
    with pytest.raises(Unproven, match=f"The signature of {name.decode()} .* is wrong"):
        open_checkpoint(noted(bytes(8)), [*KEYS, Key.parse(vkey)])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"{ORIGIN}\n5\n", "not an origin, a size and a root"),
        (f"{ORIGIN}\n05\n{'A' * 43}=\n", "size of the checkpoint is not a whole number"),
        (f"{ORIGIN}\n٥\n{'A' * 43}=\n", "size of the checkpoint is not a whole number"),
        (f"{ORIGIN}\n{2**63}\n{'A' * 43}=\n", "size of the checkpoint is not a whole number"),
        (f"{ORIGIN}\n5\nAAAA\n", "root of the checkpoint is not a hash"),
        (f"{ORIGIN}\n5\n{'A' * 43}=\n\nmore\n", "not an origin, a size and a root"),
        (f"{ORIGIN}\n0\n{'A' * 43}=\n", "has the root of some"),
        (f"other.example\n5\n{'A' * 43}=\n", "not signed by a key of 'other.example'"),
    ],
)
def test_what_is_no_checkpoint_is_refused_whoever_signed_it(text: str, said: str) -> None:
    with pytest.raises(Unproven, match=said):
        open_checkpoint(second.signed(text, ORIGIN, KEY), KEYS)


def test_a_witness_alone_vouches_for_no_ledger() -> None:
    ledgers_line = evidence.checkpoint(5).splitlines()[-2]
    note = evidence.checkpoint(5).replace(ledgers_line + "\n", "")

    with pytest.raises(Unproven, match="not signed by a key of"):
        open_checkpoint(note, KEYS)
