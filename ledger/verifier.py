"""Checks what a Daybook ledger proves. It needs Python and `cryptography`, and can be copied anywhere, alone.

    python verifier.py FILE... --key VKEY

A ledger numbers its entries and keeps them as the leaves of a Merkle tree (RFC 6962 section 2.1, RFC 9162 section 2.1).
It signs the root of that tree: a checkpoint (c2sp.org/tlog-checkpoint), which is a note (c2sp.org/signed-note). A file
proves that an entry, or every entry of a dossier, is a leaf of a signed tree, or that one signed tree continues
another. Whoever trusts nothing but the public key, and reads this file, need not trust the ledger's keeper.

Read it from top to bottom: how things are written, the tree, notes and their keys, checkpoints, entries, proofs,
dossiers, their pages, the command. Every function either returns what is proven or raises `Unproven` with a sentence
that says what failed. It is longer than our files are, so that it can be one.
"""

from __future__ import annotations

import argparse
import base64
import hashlib
import html
import json
import re
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

FILE_MAX = 256 * 2**20
"""Why: the largest dossier has some 20 MB; what is far beyond is none."""
SIGNATURES_MAX = 100
"""Why: the format asks for at least 16; each one of a known key costs a verification."""
SIZE_MAX = 2**63 - 1
"""Why: positions are kept in 64 bits."""


class Unproven(Exception):
    """What a file claims is not proven; the message says what failed."""


# --- How things are written: whatever could be written in two ways is read in one only --------------------------------


def decoded(text: str, what: str) -> bytes:
    """Bytes from their base64."""
    try:
        raw = base64.b64decode(text, validate=True)
    except ValueError:
        raw = b""
    if base64.b64encode(raw).decode() != text:
        raise Unproven(f"{what} is not written in base64.")
    return raw


def hashed(text: Any, what: str) -> bytes:
    """A SHA-256 hash from its base64."""
    raw = decoded(text, what) if isinstance(text, str) else b""
    if len(raw) != 32:
        raise Unproven(f"{what} is not a hash of 32 bytes in base64.")
    return raw


def number(text: str, what: str) -> int:
    """A whole number in decimal, without zeros before it."""
    if not re.fullmatch("0|[1-9][0-9]{0,18}", text) or int(text) > SIZE_MAX:
        raise Unproven(f"{what} is not a whole number.")
    return int(text)


def named(name: str) -> bool:
    """Whether this can be the name of a key."""
    return bool(name) and not any(sign == "+" or sign.isspace() or "\ud800" <= sign <= "\udfff" for sign in name)


def instant(unix: int) -> datetime:
    """A time from seconds since 1970."""
    try:
        return datetime.fromtimestamp(unix, UTC)
    except (ValueError, OverflowError, OSError):
        raise Unproven("A cosignature was made at a time that cannot be.") from None


def parsed(text: str | bytes, what: str) -> Any:
    """A value from its JSON, without floats and without a name that is given twice."""

    def refuse(_: str) -> NoReturn:
        raise Unproven(f"{what} holds a number that is not whole.")

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        if len({name for name, _ in pairs}) < len(pairs):
            raise Unproven(f"{what} says something twice.")
        return dict(pairs)

    try:
        value = json.loads(text, object_pairs_hook=once, parse_float=refuse, parse_constant=refuse)
        json.dumps(value, ensure_ascii=False).encode()
        return value
    except (ValueError, RecursionError):
        raise Unproven(f"{what} is no JSON.") from None


# --- The tree: RFC 9162 section 2.1 ---------------------------------------------------------------------------------


def leaf_hash(data: bytes) -> bytes:
    """The hash of a leaf."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash of two subtrees side by side."""
    return hashlib.sha256(b"\x01" + left + right).digest()


EMPTY_ROOT = hashlib.sha256(b"").digest()


def verify_inclusion(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> None:
    """Check that the leaf of this hash stands at ``index``, from 0, in the tree of this size and root.

    The path begins with the leaf's sibling and ends with the root's child (section 2.1.3.2).
    """
    if not 0 <= index < size:
        raise Unproven(f"There is no leaf {index} in a tree of {size}.")
    here, last, reached = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            raise Unproven(f"The inclusion proof of leaf {index} is too long for a tree of {size}.")
        if here % 2 or here == last:
            reached = node_hash(sibling, reached)
            while not here % 2 and here:
                here, last = here >> 1, last >> 1
        else:
            reached = node_hash(reached, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise Unproven(f"The inclusion proof of leaf {index} is too short for a tree of {size}.")
    if reached != root:
        raise Unproven(f"The inclusion proof of leaf {index} does not lead to the root of the tree of {size}.")


def verify_consistency(old: int, new: int, old_root: bytes, new_root: bytes, path: Sequence[bytes]) -> None:
    """Check that the tree of ``new`` leaves continues the one of ``old`` leaves (section 2.1.4.2)."""
    if not 0 <= old <= new:
        raise Unproven(f"A tree of {new} leaves cannot continue one of {old}.")
    if old in (0, new):
        # Every tree continues the empty one, and itself, so that there is nothing to prove but the roots.
        if path or old_root != (new_root if old else EMPTY_ROOT):
            raise Unproven(f"The trees of {old} and {new} leaves are not the same as far as both reach.")
        return
    if not path:
        raise Unproven(f"The proof that the tree of {new} continues the one of {old} is missing.")
    # The old tree is a whole subtree of the new one where its size is a power of two, and then begins the path.
    reached = _both_reached(old, new, path if old & (old - 1) else [old_root, *path])
    if reached != (old_root, new_root):
        raise Unproven(f"The tree of {new} does not continue the one of {old}.")


def _both_reached(old: int, new: int, path: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The roots of the old and of the new tree that a path leads to."""
    here, last = old - 1, new - 1
    while here % 2:
        here, last = here >> 1, last >> 1
    old_reached = new_reached = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise Unproven(f"The proof that the tree of {new} continues the one of {old} is too long.")
        if here % 2 or here == last:
            old_reached, new_reached = node_hash(sibling, old_reached), node_hash(sibling, new_reached)
            while not here % 2 and here:
                here, last = here >> 1, last >> 1
        else:
            new_reached = node_hash(new_reached, sibling)
        here, last = here >> 1, last >> 1
    if last != 0:
        raise Unproven(f"The proof that the tree of {new} continues the one of {old} is too short.")
    return old_reached, new_reached


# --- Keys and notes: c2sp.org/signed-note, c2sp.org/tlog-cosignature -------------------------------------------------

ED25519, COSIGNATURE, COSIGNATURE_ML_DSA = 0x01, 0x04, 0x06
KEY_BYTES = {ED25519: 32, COSIGNATURE: 32, COSIGNATURE_ML_DSA: 1_312}
SIGNATURE_LINE = re.compile(r"— (\S+) (\S+)")


class Key(NamedTuple):
    """A public key with the name it signs under: a ledger's, or a witness's that cosigns checkpoints."""

    name: str
    id: bytes
    kind: int
    public: bytes

    @classmethod
    def parse(cls, vkey: str) -> Key:
        """Read a key as it is written: ``name+id+base64``."""
        name, _, rest = vkey.strip().partition("+")
        stated, _, encoded = rest.partition("+")
        raw = decoded(encoded, "The public key") if stated else b""
        if not named(name) or not raw or KEY_BYTES.get(raw[0]) != len(raw) - 1:
            raise Unproven(f"{vkey!r:.80} is no public key known here, written name+id+base64, nor a file of some.")
        key_id = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
        if stated != key_id.hex():
            raise Unproven(f"The public key of {name} was altered: its id is {key_id.hex()}, not {stated!r:.20}.")
        return cls(name, key_id, raw[0], raw[1:])

    def verify(self, signature: bytes, text: str) -> int | None:
        """Check a signature of a note's text; returns when it was made, in Unix time, if it says so."""
        if self.kind == ED25519:
            self._verify(signature, text.encode())
            return None
        time = int.from_bytes(signature[:8], "big")
        if self.kind == COSIGNATURE:
            self._verify(signature[8:], f"cosignature/v1\ntime {time}\n{text}".encode())
        else:
            tree = Tree.parse(text)
            name, origin = self.name.encode(), tree.origin.encode()
            head = b"subtree/v1\n\0" + _prefixed(name) + struct.pack(">Q", time) + _prefixed(origin)
            self._verify(signature[8:], head + struct.pack(">QQ", 0, tree.size) + tree.root)
        return time

    def _verify(self, signature: bytes, message: bytes) -> None:
        try:
            if self.kind == COSIGNATURE_ML_DSA:
                # An older `cryptography` has all but this one.
                from cryptography.hazmat.primitives.asymmetric.mldsa import MLDSA44PublicKey

                MLDSA44PublicKey.from_public_bytes(self.public).verify(signature, message)
            else:
                Ed25519PublicKey.from_public_bytes(self.public).verify(signature, message)
        except (InvalidSignature, ValueError):
            raise Unproven(f"The signature of {self.name} ({self.id.hex()}) is wrong.") from None
        except (ImportError, UnsupportedAlgorithm):
            raise Unproven(f"Signatures like that of {self.name} need a newer `cryptography`.") from None


def _prefixed(text: bytes) -> bytes:
    """A text of up to 255 bytes behind its length, as TLS writes it."""
    return bytes([min(len(text), 255)]) + text


class Signature(NamedTuple):
    """A good signature by a known key."""

    key: Key
    at: datetime | None
    """When it was made, where it says so: cosignatures do, a ledger's own does not."""


class Note(NamedTuple):
    """A signed text of which at least one signature is good and none by a known key is bad."""

    text: str
    signatures: tuple[Signature, ...]


def open_note(note: str, keys: Iterable[Key]) -> Note:
    """Check the signatures of a note by the keys given; those by other keys are passed over, as the format has it."""
    if any(character < " " and character != "\n" for character in note):
        raise Unproven("The note holds a control character.")
    text, blank, block = note.rpartition("\n\n")
    if not blank or not block.endswith("\n"):
        raise Unproven("The note is not a text, a blank line and lines of signatures.")
    lines, known, good = block[:-1].split("\n"), {(key.name, key.id): key for key in keys}, []
    if len(lines) > SIGNATURES_MAX:
        raise Unproven(f"The note has more than {SIGNATURES_MAX} signatures.")
    for line in lines:
        parts = SIGNATURE_LINE.fullmatch(line)
        raw = decoded(parts[2], "A signature") if parts and named(parts[1]) else b""
        if parts is None or len(raw) < 5:
            raise Unproven(f"{line!r:.60} is no line of a signature.")
        if key := known.get((parts[1], raw[:4])):
            at = key.verify(raw[4:], text + "\n")
            good.append(Signature(key, instant(at) if at is not None else None))
    if not good:
        raise Unproven("The note is not signed by a key you gave.")
    return Note(text + "\n", tuple(good))


# --- Checkpoints: c2sp.org/tlog-checkpoint ----------------------------------------------------------------------------


class Tree(NamedTuple):
    """The tree that the text of a checkpoint tells of."""

    origin: str
    """The name of the ledger."""
    size: int
    """How many entries it had."""
    root: bytes
    """The root hash over all of them."""

    @classmethod
    def parse(cls, text: str) -> Tree:
        """Read the text of a checkpoint; it may have lines of extensions, which mean nothing here."""
        lines = text.split("\n")
        if len(lines) < 4 or "" in lines[:-1] or lines[-1]:
            raise Unproven("The checkpoint is not an origin, a size and a root, each on a line.")
        origin, size, root = lines[:3]
        return cls(origin, number(size, "The size of the checkpoint"), hashed(root, "The root of the checkpoint"))


class Checkpoint(NamedTuple):
    """A tree that a ledger vouches for: it signed it and can never sign another that does not continue it."""

    tree: Tree
    signatures: tuple[Signature, ...]
    """By the ledger, and by witnesses that saw every tree before it."""

    @property
    def cosignatures(self) -> list[Signature]:
        """Those by witnesses."""
        return [signature for signature in self.signatures if signature.key.kind != ED25519]


def open_checkpoint(note: str, keys: Iterable[Key]) -> Checkpoint:
    """Check a checkpoint; it must be signed by a key of the very ledger it names, whoever else signed it."""
    opened = open_note(note, keys)
    tree = Tree.parse(opened.text)
    if not any(each.key.kind == ED25519 and each.key.name == tree.origin for each in opened.signatures):
        raise Unproven(f"The checkpoint is not signed by a key of {tree.origin!r:.80} that you gave.")
    if tree.size == 0 and tree.root != EMPTY_ROOT:
        raise Unproven("The checkpoint of no entries has the root of some.")
    return Checkpoint(tree, opened.signatures)


# --- Entries ----------------------------------------------------------------------------------------------------------

SEALED = re.compile(r"s[0-9]+\.[A-Za-z0-9_=-]{80,}")
"""How personal text is written in an entry: encrypted with a key of the person's own."""
ALWAYS = ("actor_id", "actor_kind", "command_id", "occurred_at", "stream_id", "type")
AT_TIMES = ("actor_role", "case_id", "causation_id", "correlation_id", "customer_id", "external_id", "source")
ENVELOPE: dict[str, Any] = {
    "data": dict,
    "schema": int,
    "stream_version": int,
    **dict.fromkeys(ALWAYS, str),
    **dict.fromkeys(AT_TIMES, str | None),
}
"""The fields of an entry and what each can be."""


class Entry(NamedTuple):
    """An entry as the ledger keeps it: ``[position,"recorded_at",{…}]``, in the one way of writing it."""

    canonical: bytes
    position: int
    """Its number, from 1; it is the leaf one before that."""
    recorded_at: str
    body: dict[str, Any]

    @classmethod
    def parse(cls, canonical: bytes) -> Entry:
        """Read canonical bytes; what could be read in two ways is refused."""
        value = parsed(canonical, "The entry")
        match value:
            case [int(position), str(recorded_at), dict(body)] if body.keys() == ENVELOPE.keys():
                pass
            case _:
                raise Unproven("The entry is not a position, a time and an object of its fields.")
        again = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        if isinstance(position, bool) or position < 1 or again.encode() != canonical:
            raise Unproven("The entry is not written in the canonical way.")
        for field, kinds in ENVELOPE.items():
            if not isinstance(body[field], kinds) or isinstance(body[field], bool):
                raise Unproven(f"The field {field} of the entry cannot be what it is.")
        return cls(canonical, position, recorded_at, body)


class ProvenEntry(NamedTuple):
    """An entry that stood in the ledger at its position when the checkpoint was signed."""

    entry: Entry
    checkpoint: Checkpoint


def check_inclusion(canonical: bytes, path: Sequence[bytes], checkpoint: Checkpoint) -> Entry:
    """Check that canonical bytes are the leaf that their own position says."""
    entry = Entry.parse(canonical)
    tree = checkpoint.tree
    if entry.position > tree.size:
        raise Unproven(f"Entry {entry.position} is newer than the checkpoint, which has {tree.size}.")
    try:
        verify_inclusion(leaf_hash(canonical), entry.position - 1, tree.size, path, tree.root)
    except Unproven as error:
        raise Unproven(f"Entry {entry.position} is not proven to be in the ledger. {error}") from None
    return entry


# --- Proofs of one entry: c2sp.org/tlog-proof@v1 ----------------------------------------------------------------------

PROOF_HEAD = "c2sp.org/tlog-proof@v1"


class Proof(NamedTuple):
    """The parts of a ``.tlog-proof`` file."""

    extra: bytes | None
    """The canonical bytes of the entry, in the proofs of Daybook; they are proven by their hash."""
    leaf: int
    """Which leaf it is of, from 0."""
    path: list[bytes]
    checkpoint: str

    @classmethod
    def parse(cls, text: str) -> Proof:
        """Take a file apart; nothing is checked yet but its form."""
        head, _, checkpoint = text.partition("\n\n")
        first, *lines = head.split("\n")
        if first != PROOF_HEAD:
            raise Unproven(f"The file does not begin with {PROOF_HEAD}.")
        extra = lines.pop(0)[6:] if lines and lines[0].startswith("extra ") else None
        if not lines or not lines[0].startswith("index "):
            raise Unproven("The proof does not say which leaf it is of.")
        return cls(
            extra if extra is None else decoded(extra, "The extra data"),
            number(lines[0][6:], "The index"),
            [hashed(line, "A hash of the proof") for line in lines[1:]],
            checkpoint,
        )


def check_proof(text: str, keys: Iterable[Key], canonical: bytes | None = None) -> ProvenEntry:
    """Check the proof of an entry, whose canonical bytes are in the file itself unless they are given."""
    proof = Proof.parse(text)
    data = proof.extra if canonical is None else canonical
    if data is None:
        raise Unproven("The proof holds no entry; it proves one that you have.")
    checkpoint = open_checkpoint(proof.checkpoint, keys)
    entry = check_inclusion(data, proof.path, checkpoint)
    if proof.leaf != entry.position - 1:
        raise Unproven(f"The proof is of leaf {proof.leaf}, and its entry would be leaf {entry.position - 1}.")
    return ProvenEntry(entry, checkpoint)


# --- Proofs that a ledger was only added to ---------------------------------------------------------------------------

CONSISTENCY = "daybook-consistency@v1"


class ProvenGrowth(NamedTuple):
    """Two signed trees, of which the newer continues the older: nothing in it was altered, moved or taken out."""

    old: Checkpoint
    new: Checkpoint


def check_consistency(text: str, keys: Iterable[Key]) -> ProvenGrowth:
    """Check a proof that one checkpoint continues another."""
    match parsed(text, "The file"):
        case {"format": "daybook-consistency@v1", "old": str(old), "proof": list(path), "new": str(new), **rest}:
            if rest:
                raise Unproven(f"The file has a part {min(map(str, rest))!r:.40}, which is not known.")
        case _:
            raise Unproven(f"The file is no {CONSISTENCY}: a proof between an old and a new checkpoint.")
    known = list(keys)
    grown = ProvenGrowth(open_checkpoint(old, known), open_checkpoint(new, known))
    earlier, later = grown.old.tree, grown.new.tree
    if earlier.origin != later.origin:
        raise Unproven(f"The checkpoints are of two ledgers, {earlier.origin} and {later.origin}.")
    hashes = [hashed(each, "A hash of the proof") for each in path]
    verify_consistency(earlier.size, later.size, earlier.root, later.root, hashes)
    return grown


# --- Dossiers: every entry of a case or a customer, with an account in words ------------------------------------------

DOSSIER = "daybook-dossier@v1"
RECKONED = {"explained", "changes", "opened"}
"""Parts of an account that do not stand in the entries: see `ProvenDossier`."""
MERGES = ("Customer.Merged", "Customer.Unmerged")


class ProvenDossier(NamedTuple):
    """Entries that stood in the ledger when the checkpoint was signed, and an account that agrees with them.

    Proven of the account: what happened, when, by whom, the fields, which entry voids or amends which. Not proven:
    `explained` and `changes`, which Daybook reckons from the entries (`daybook check` reckons them again), and
    `opened`, the clear text of fields that stand in the entries as ciphertext.
    """

    about: tuple[str, str]
    """What it tells of: case or customer, and its id."""
    made_at: str
    """When it was made, as it says itself."""
    made_by: dict[str, Any]
    """What it was made with, and for whom sealed fields were opened, as it says itself."""
    entries: tuple[Entry, ...]
    account: list[dict[str, Any]]
    checkpoint: Checkpoint

    @property
    def opened(self) -> int:
        """How many personal fields are shown in clear."""
        return sum(text is not None for step in self.account for text in step["opened"].values())


def told(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """What the entries themselves say, as an account of them must tell it."""
    voided, amended = dict[int, int](), dict[int, int]()
    for entry in entries:
        for kind, field, marked in (("Voided", "voided_position", voided), ("Amended", "amended_position", amended)):
            if entry.body["type"] == f"Entry.{kind}" and isinstance(at := entry.body["data"].get(field), int):
                marked[at] = entry.position
    return [
        {
            "position": entry.position,
            "type": entry.body["type"],
            "occurred_at": entry.body["occurred_at"],
            "recorded_at": entry.recorded_at,
            "actor": {part: entry.body[f"actor_{part}"] for part in ("kind", "id", "role")},
            "says": {field: value for field, value in entry.body["data"].items() if value not in (None, [], {})},
            "voided_by": voided.get(entry.position),
            "amended_by": amended.get(entry.position),
        }
        for entry in entries
    ]


def sealed_fields(says: Mapping[str, Any]) -> set[str]:
    """The fields of an entry that hold personal text, encrypted."""
    return {field for field, value in says.items() if isinstance(value, str) and SEALED.fullmatch(value)}


def check_dossier(text: str, keys: Iterable[Key]) -> ProvenDossier:
    """Check a dossier: each entry against the checkpoint, that they belong together, and the account against them."""
    match parsed(text, "The file"):
        case {
            "format": "daybook-dossier@v1",
            "about": dict(about),
            "made_at": str(made_at),
            "made_by": dict(made_by),
            "checkpoint": str(note),
            "entries": list(proven),
            "account": list(account),
            **rest,
        }:
            if rest:
                raise Unproven(f"The dossier has a part {min(map(str, rest))!r:.40}, which is not known.")
        case _:
            raise Unproven(f"The file is no {DOSSIER}.")
    checkpoint = open_checkpoint(note, keys)
    entries = tuple(_included(each, checkpoint) for each in proven)
    positions = [entry.position for entry in entries]
    if not entries or positions != sorted(set(positions)):
        raise Unproven("The entries of the dossier are not there in order, each once.")
    kind, whose = _belonging(about, entries)
    _check_account(account, entries)
    return ProvenDossier((kind, whose), made_at, made_by, entries, account, checkpoint)


def _included(item: Any, checkpoint: Checkpoint) -> Entry:
    match item:
        case {"canonical": str(canonical), "proof": list(path)} if len(item) == 2:
            hashes = [hashed(each, "A hash of the proof") for each in path]
            return check_inclusion(canonical.encode(), hashes, checkpoint)
    raise Unproven("An entry of the dossier is not canonical bytes and their proof.")


def _belonging(about: dict[str, Any], entries: Sequence[Entry]) -> tuple[str, str]:
    """Whose entries they are; refuses one that is another's, and a history of which a part was left out."""
    match list(about.items()):
        case [("case" | "customer" as kind, str(id))]:
            pass
        case _:
            raise Unproven("The dossier does not say which case or customer it is about.")
    ids = {id} if kind == "case" else _merged_into(id, entries)
    for entry in entries:
        if entry.body[f"{kind}_id"] not in ids and not (kind == "case" and entry.body["type"] in MERGES):
            raise Unproven(f"Entry {entry.position} does not belong to the {kind} {id}.")
    versions = [entry.body["stream_version"] for entry in entries if entry.body["stream_id"] == id]
    if versions != list(range(1, len(versions) + 1)):
        raise Unproven(f"The dossier leaves out entries of the {kind} {id}: its history is not there from 1 on.")
    return kind, id


def _merged_into(customer: str, entries: Sequence[Entry]) -> set[str]:
    """The customer, and those that an entry says were found to be the same person."""
    ids, found = {customer}, {customer}
    while found:
        merges = [entry.body for entry in entries if entry.body["type"] == MERGES[0]]
        found = {body["stream_id"] for body in merges if body["data"].get("survivor_id") in ids} - ids
        ids |= found
    return ids


def _check_account(account: Sequence[Any], entries: Sequence[Entry]) -> None:
    if len(account) != len(entries):
        raise Unproven(f"The account has {len(account)} steps, and there are {len(entries)} entries.")
    for step, facts in zip(account, told(entries), strict=True):
        here = f"step {facts['position']} of the account"
        match step:
            case {"explained": str(_), "changes": list(changes), "opened": dict(opened)}:
                pass
            case _:
                raise Unproven(f"Something is missing in {here}.")
        if wrong := [name for name in facts if name not in step or _differ(step[name], facts[name])]:
            raise Unproven(f"{wrong[0]!r} in {here} is not what the entry says.")
        if more := step.keys() - facts.keys() - RECKONED:
            raise Unproven(f"{min(more)!r:.40} in {here} is not known.")
        if not all(map(_is_change, changes)):
            raise Unproven(f"A change in {here} is not a field, what it was and what it is.")
        if opened.keys() - sealed_fields(facts["says"]):
            raise Unproven(f"Something is opened in {here} that is not sealed in the entry.")
        if not all(text is None or isinstance(text, str) for text in opened.values()):
            raise Unproven(f"What is opened in {here} is no text.")


def _is_change(value: Any) -> bool:
    return isinstance(value, dict) and value.keys() == {"field", "before", "after"} and isinstance(value["field"], str)


def _differ(one: Any, other: Any) -> bool:
    """Whether two values of JSON differ; 1 and true do, which Python holds equal."""
    return json.dumps(one, sort_keys=True) != json.dumps(other, sort_keys=True)


# --- Pages: a dossier to read and print, with the dossier itself inside -----------------------------------------------

EVIDENCE = '<script type="application/json" id="evidence">', "</script>"
UNSHOWN = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""Why: characters that a page would not show, or by which it would show others in another order."""
TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})T([0-9]{2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?Z")
RULES = ("policy_version", "limit_version", "taxonomy_version")
"""Fields that name the policy an entry rests on."""
STYLE = """
:root { color: #1b1f24; background: #fff; font: 15px/1.5 system-ui, "Noto Sans", "Noto Sans CJK SC", "PingFang SC",
  "Microsoft YaHei", "Noto Sans Arabic", sans-serif }
body { max-width: 50rem; margin: 2rem auto; padding: 0 1.25rem }
h1 { font-size: 1.5rem; line-height: 1.25; margin: .1rem 0 1rem; overflow-wrap: anywhere }
h2 { font-size: 1.1rem; margin: 2.2rem 0 .6rem; padding-top: .5rem; border-top: 2px solid #1b1f24 }
h3 { font-size: 1rem; margin: 0 }
p, ul { margin: .3rem 0 }
code, .hash { font: .82em/1.45 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere }
pre { background: #f5f6f7; padding: .6rem .8rem; white-space: pre-wrap }
dl { display: grid; grid-template-columns: 10.5rem 1fr; gap: .1rem 1rem; margin: .5rem 0 }
dt, .faint, .number { color: #57606a }
dd { margin: 0; overflow-wrap: anywhere; white-space: pre-line }
.kind { text-transform: uppercase; letter-spacing: .12em; font-size: .75rem; color: #57606a; margin: 0 }
.step { border-top: 1px solid #d0d5da; padding: .8rem 0; break-inside: avoid }
.step header { display: flex; justify-content: space-between; gap: 1rem }
.void h3 { text-decoration: line-through }
.mark { color: #a40e26; font-weight: 600 }
.reckoned { border-inline-start: 3px solid #d0d5da; padding-inline-start: .8rem; color: #3d444d; font-size: .93em }
.sealed { color: #57606a; font-style: italic }
.opened { border-bottom: 1px dashed #9a6700 }
@page { size: A4; margin: 18mm 16mm;
  @bottom-right { content: counter(page) " / " counter(pages); font: 9pt sans-serif } }
@media print { :root { font-size: 13px } body { max-width: none; margin: 0; padding: 0 } h2 { break-after: avoid } }
"""
READING = f"""<h2>What this proves</h2>
<p>Nothing, before it is checked. Take the ledger's public key from somebody else than who gave you this page, and
<code>verifier.py</code> of Daybook; then</p>
<pre>python verifier.py PAGE.html --key KEY</pre>
<p>says whether this page is, to the letter, what follows from the evidence inside it, and that:</p>
<ul>
<li>each entry shown stood in the ledger at its position when the ledger signed the checkpoint named above;</li>
<li>when it happened and was recorded, who did it, what it says, and which entry voids or amends it, is what the entries
say;</li>
<li>of the history with the very id in the title no entry is left out before the last one shown.</li>
</ul>
<p>Not proven: that what was entered was true; that nothing was entered later or elsewhere; words beside a grey line,
which Daybook reckons from the entries and <code>daybook check</code> reckons again; and
<span class=opened>text above a dashed line</span>, which stands in the entry encrypted and was opened by who made this
page. Text that is <span class=sealed>sealed</span> was not opened, and where it is <span class=sealed>erased</span> its
key was destroyed, so that a person is forgotten; the proofs hold all the same.</p>
<p class=faint>The evidence ({DOSSIER}) is inside this file; a print does not have it.</p>"""


def page(dossier: str) -> str:
    """The page of a dossier, which depends on nothing else, so that it can be compared to the letter."""
    value = json.loads(dossier)
    tree = Tree.parse(value["checkpoint"].rpartition("\n\n")[0] + "\n")
    [(kind, whose)], account = value["about"].items(), value["account"]
    # As the text of a script ends at the first thing that looks like its end tag, it must not hold one.
    evidence = dossier.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    leaves = [leaf_hash(entry["canonical"].encode()) for entry in value["entries"]]
    times, opened_for = [step["occurred_at"] for step in account], value["made_by"].get("opened_for")
    facts = {
        "Ledger": _shown(tree.origin),
        "Checkpoint": f"{tree.size} entries<br><span class=hash>root {base64.b64encode(tree.root).decode()}</span>",
        "Entries": f"{len(leaves)}, the last at position {account[-1]['position']}",
        "From, to": f"{_shown(min(times))}, {_shown(max(times))}",
        "Made": f"{_shown(value['made_at'])} by {_shown(value['made_by'].get('program', 'Daybook'))}",
        "Personal text": f"opened for the role {_shown(opened_for)}" if opened_for else "sealed",
    }
    return f"""<!DOCTYPE html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Dossier of {_words(kind)} {html.escape(UNSHOWN.sub("�", whose))}</title>
<style>{STYLE}</style>
<p class=kind>Dossier of a {_words(kind)}</p>
<h1>{_words(kind).capitalize()} {_shown(whose)}</h1>
{_list(facts)}
<h2>What happened</h2>
<p class=faint>Each step is one entry of the ledger, in the order of entering. Times are UTC. Before you rely on this
page, check it: the end says how.</p>
{"".join(map(_step, account, leaves))}
{READING}
{EVIDENCE[0]}{evidence}{EVIDENCE[1]}
</html>
"""


def _step(step: Mapping[str, Any], leaf: bytes) -> str:
    says, actor = step["says"], step["actor"]
    marks = [("declared void by entry", step["voided_by"]), ("amended by entry", step["amended_by"])]
    by = f"{_shown(actor['id'])} ({_shown(actor['role'] or actor['kind'])})"
    under = "".join(f", under {_words(field)} {_shown(says[field])}" for field in RULES if field in says)
    # What an entry changed to just what it says need not be told twice.
    changes = [each for each in step["changes"] if _differ(says.get(each["field"]), each["after"])]
    return f"""<section class="step{" void" if step["voided_by"] else ""}">
<header><h3>{_title(step["type"])}</h3><span class=number>entry {step["position"]}</span></header>
{"".join(f"<p class=mark>This was {mark} {by}.</p>" for mark, by in marks if by)}
<p>On {_shown(step["occurred_at"])}, by {by}{under}; recorded on {_shown(step["recorded_at"])}.</p>
{_list({_words(field): _field(step, field) for field in says if field not in RULES})}
<div class=reckoned>{_shown(step["explained"])}{_items(map(_change, changes))}</div>
<p class="hash faint">leaf {leaf.hex()}</p>
</section>
"""


def _list(facts: Mapping[str, str]) -> str:
    return f"<dl>{''.join(f'<dt>{name}<dd>{value}' for name, value in facts.items())}</dl>" if facts else ""


def _change(change: Mapping[str, Any]) -> str:
    before, after = change["before"], change["after"]
    if isinstance(before, list) and isinstance(after, list):
        # Of two lists only what is in one of them; each may be as long as the file.
        had, has = ({json.dumps(each, sort_keys=True): each for each in part} for part in (before, after))
        before, after = [had[each] for each in had if each not in has], [has[each] for each in has if each not in had]
    return f"{_words(change['field'])}: {_shown(before)} → {_shown(after)}"


def _items(told: Iterable[str]) -> str:
    items = "".join(f"<li>{each}" for each in told)
    return f" It changed:<ul>{items}</ul>" if items else ""


def _field(step: Mapping[str, Any], field: str) -> str:
    if field not in sealed_fields(step["says"]):
        return _shown(step["says"][field])
    if field not in step["opened"]:
        return "<span class=sealed>sealed</span>"
    text = step["opened"][field]
    return "<span class=sealed>erased</span>" if text is None else f"<span class=opened>{_shown(text)}</span>"


def _shown(value: Any) -> str:
    """A value in words, safe on a page whatever is in it."""
    match value:
        case None | True | False:
            return {None: "–", True: "yes", False: "no"}[value]
        case list():
            return "; ".join(map(_shown, value)) or "–"
        case dict():
            return (
                ", ".join(f"{_words(name)} {_shown(part)}" for name, part in value.items() if part is not None) or "–"
            )
        case str():
            text = TIME.sub(r"\1 \2", value) if TIME.fullmatch(value) else value.replace("\r\n", "\n")
            return f"<bdi>{html.escape(UNSHOWN.sub('�', text))}</bdi>"
        case _:
            return str(value)


def _words(name: str) -> str:
    return html.escape(UNSHOWN.sub("�", name).replace("_minor", " (minor units)").replace("_", " "))


def _title(kind: str) -> str:
    aggregate, _, what = UNSHOWN.sub("�", kind).partition(".")
    return html.escape(f"{aggregate}: {re.sub('(?<=[a-z])(?=[A-Z])', ' ', what).lower()}")


def check_page(text: str, keys: Iterable[Key]) -> ProvenDossier:
    """Check a page: the dossier inside it, and that the page is the one that this dossier gives."""
    _, begin, rest = text.partition(EVIDENCE[0])
    evidence, end, _ = rest.partition(EVIDENCE[1])
    if not begin or not end:
        raise Unproven("The page holds no dossier.")
    proven = check_dossier(evidence, keys)
    if page(evidence) != text:
        raise Unproven(
            "The page does not show what the dossier inside it says, or another version of this file made it."
        )
    return proven


# --- Receipts of erasures ---------------------------------------------------------------------------------------------

ERASURE = "daybook.erasure/v1"


class Receipt(NamedTuple):
    """What a ledger attests of the erasure of a person, and who signed it; what it says is their word."""

    says: dict[str, Any]
    signatures: tuple[Signature, ...]


def check_receipt(text: str, keys: Iterable[Key]) -> Receipt:
    """Check the signatures of a receipt; a witness's alone is none, since witnesses only sign what they saw."""
    if not text.startswith(f"{ERASURE}\n"):
        raise Unproven("The file is no receipt of an erasure.")
    note = open_note(text, keys)
    if not any(each.key.kind == ED25519 for each in note.signatures):
        raise Unproven("The receipt is not signed by a key of a ledger that you gave.")
    says = parsed(note.text.removeprefix(ERASURE), "What the receipt says")
    if not isinstance(says, dict) or not {"customer_id", "erased_at", "reason", "erased_by"} <= says.keys():
        raise Unproven("The receipt does not say who was erased, when, why and by whom.")
    return Receipt(says, note.signatures)


# --- The command ------------------------------------------------------------------------------------------------------

Proven = Checkpoint | ProvenEntry | ProvenGrowth | ProvenDossier | Receipt


def check_file(raw: bytes, keys: Iterable[Key]) -> Proven:
    """Check a file of any kind known here."""
    try:
        return _checked(raw.decode(), keys)
    except UnicodeDecodeError:
        raise Unproven("The file is not text in UTF-8.") from None
    except RecursionError:
        raise Unproven("What the file says is nested too deep.") from None


def _checked(text: str, keys: Iterable[Key]) -> Proven:
    if text.startswith("c2sp.org/"):
        return check_proof(text, keys)
    if text.startswith("<!DOCTYPE html>"):
        return check_page(text, keys)
    if text.startswith("{"):
        return check_consistency(text, keys) if CONSISTENCY in text[:100] else check_dossier(text, keys)
    if text.startswith(f"{ERASURE}\n"):
        return check_receipt(text, keys)
    return open_checkpoint(text, keys)


SAID_MAX = 1_000
"""Why: more fills the screen; all of it is in the file."""


def checkpoints(proven: Proven) -> list[Checkpoint]:
    """The checkpoints that a proof rests on."""
    match proven:
        case Checkpoint():
            return [proven]
        case ProvenGrowth(old, new):
            return [old, new]
        case Receipt():
            return []
        case _:
            return [proven.checkpoint]


def refuse_split(seen: Iterable[Checkpoint]) -> None:
    """Refuse two trees of one ledger that are of one size and not the same: it told two people two things."""
    roots: dict[tuple[str, int], bytes] = {}
    for origin, size, root in (each.tree for each in seen):
        if roots.setdefault((origin, size), root) != root:
            raise Unproven(
                f"{origin} signed two different trees of {size} entries. It shows different people different ledgers."
            )


def refuse_unwitnessed(proven: Proven, least: int) -> None:
    """Refuse what rests on a checkpoint that fewer witnesses than ``least`` have cosigned."""
    for each in checkpoints(proven):
        witnesses = {signature.key.name for signature in each.cosignatures}
        if len(witnesses) < least:
            raise Unproven(
                f"The checkpoint is cosigned by {len(witnesses)} of the witnesses you named, not by {least}."
            )


def report(proven: Proven) -> list[str]:
    """What is proven, in sentences."""
    match proven:
        case Receipt(says, signatures):
            what = f"That customer {says['customer_id']} was erased on {says['erased_at']} by {says['erased_by']}"
            return [f"{what} was signed by {', '.join(map(_signed_by, signatures))}.", f"Why: {says['reason']}"]
        case ProvenEntry(entry, checkpoint):
            what = f"Entry {entry.position}, {entry.body['type']} of {entry.body['occurred_at']}, stood"
        case ProvenDossier():
            kind, whose = proven.about
            last, checkpoint = proven.entries[-1].position, proven.checkpoint
            what = f"All {len(proven.entries)} entries shown of {kind} {whose}, up to position {last}, stood"
        case ProvenGrowth(old, new):
            what = f"The {old.tree.size} entries of the older checkpoint, unaltered, stood"
            checkpoint = new
        case Checkpoint():
            what, checkpoint = "Nothing but the signature was to be checked: its tree stood", proven
    tree = checkpoint.tree
    lines = [f"{what} in {tree.origin} when it had {tree.size} entries."]
    for each in checkpoints(proven):
        by = ", ".join(map(_signed_by, each.signatures))
        lines.append(f"Signed, with the root {base64.b64encode(each.tree.root).decode()}, by {by}.")
    if isinstance(proven, ProvenEntry):
        lines += _what_it_says(proven.entry)
    if isinstance(proven, ProvenDossier):
        lines.append("The account agrees with the entries; what they changed is Daybook's word, and not proven.")
        if proven.opened:
            lines.append(f"The clear text of {proven.opened} sealed fields is Daybook's word, and not proven.")
    return lines


def _what_it_says(entry: Entry) -> Iterator[str]:
    body = entry.body
    by = f"{body['actor_id']} ({body['actor_role'] or body['actor_kind']})"
    yield f"It was recorded on {entry.recorded_at} by {by}."
    text = json.dumps(body["data"], ensure_ascii=False)
    yield f"It says {text if len(text) <= SAID_MAX else text[:SAID_MAX] + '…'}"


def _signed_by(signature: Signature) -> str:
    when = f" at {signature.at:%Y-%m-%dT%H:%M:%SZ}" if signature.at else ""
    return f"{signature.key.name} ({signature.key.id.hex()}){when}"


def keys_from(given: Iterable[str]) -> list[Key]:
    """The keys that are written out, or that stand in the files named, each on a line."""
    keys: list[Key] = []
    for each in given:
        try:
            keys.append(Key.parse(each))
        except Unproven as unknown:
            try:
                lines = Path(each).read_text("utf-8").split()
            except (OSError, ValueError):
                raise unknown from None
            keys += map(Key.parse, lines)
    return keys


class Checked(NamedTuple):
    """What came of checking a file."""

    file: str
    proven: Proven | None
    """None where what it claims is not proven."""
    says: list[str]
    """What is proven, or what failed, in sentences."""


def check_files(names: Iterable[str], keys: Sequence[Key], witnesses: int = 0) -> Iterator[Checked]:
    """Check files one after the other, and that all of them show the same ledger."""
    seen: list[Checkpoint] = []
    for name in names:
        try:
            if Path(name).stat().st_size > FILE_MAX:
                raise Unproven(f"The file has more than {FILE_MAX // 2**20} MB.")
            proven = check_file(Path(name).read_bytes(), keys)
            refuse_unwitnessed(proven, witnesses)
            seen += checkpoints(proven)
            refuse_split(seen)
        except (Unproven, OSError, ValueError) as error:  # the last for a name that no file can have
            yield Checked(name, None, [getattr(error, "strerror", None) or str(error)])
        else:
            yield Checked(name, proven, report(proven))


def told_of(checked: Checked) -> str:
    """What came of checking a file, on lines for people."""
    lines = [f"{checked.file}: {'PROVEN' if checked.proven else 'NOT PROVEN'}", *checked.says]
    # What a file holds must not move the cursor of a terminal.
    return "\n  ".join(UNSHOWN.sub("�", line.replace("\n", " ")) for line in lines) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Check files, say what is proven, and return 1 if anything is not."""
    parser = argparse.ArgumentParser(prog="verifier.py", description="Check what a Daybook ledger proves.")
    parser.add_argument("files", nargs="+", metavar="FILE", help="a proof, a dossier, its page, a checkpoint")
    parser.add_argument("--key", action="append", required=True, metavar="VKEY", help="a public key, or a file of some")
    parser.add_argument("--witnesses", type=int, default=0, metavar="N", help="how many of the keys must have cosigned")
    asked, failed = parser.parse_args(arguments), False
    # Not every terminal can write every character.
    getattr(sys.stdout, "reconfigure", lambda **_: None)(errors="backslashreplace")
    try:
        keys = keys_from(asked.key)
    except (Unproven, OSError) as error:
        parser.error(str(error))
    for checked in check_files(asked.files, keys, asked.witnesses):
        sys.stdout.write(told_of(checked))
        failed |= checked.proven is None
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
