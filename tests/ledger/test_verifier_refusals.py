"""What is made to break the verifier is refused in a sentence: too deep, too long, or signed for another use."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger import verifier
from ledger.verifier import Key, Unproven, check_file
from tests.ledger import evidence
from tests.ledger import second_verifier as second
from tests.ledger.evidence import KEY, ORIGIN, VECTORS, VKEY, WITNESS, WITNESS_VKEY

KEYS = [Key.parse(VKEY), Key.parse(WITNESS_VKEY)]


def paged(text: str) -> bytes:
    """A page that holds a dossier and shows nothing."""
    inside = text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
    return f"<!DOCTYPE html>{verifier.EVIDENCE[0]}{inside}{verifier.EVIDENCE[1]}".encode()


def changing(before: str, after: str = "null") -> str:
    """A dossier whose first step tells a change that nobody proves."""
    dossier = json.loads((VECTORS / "case.dossier.json").read_text("utf-8"))
    dossier["account"][0]["changes"] = [{"field": "x", "before": "BEFORE", "after": "AFTER"}]
    return json.dumps(dossier).replace('"BEFORE"', before).replace('"AFTER"', after)


def test_however_deep_something_is_nested_it_is_refused_and_nothing_worse() -> None:
    """JSON is read to a depth, and told to another one."""
    for depth in range(880, 1_010):
        with pytest.raises(Unproven):
            check_file(paged(changing("[" * depth + "]" * depth)), KEYS)
    nested = "[" * 1_000_000
    for raw in (nested, '{"a":' * 100_000, changing(nested)):
        for text in (raw.encode(), paged(raw)):
            with pytest.raises(Unproven):
                check_file(text, KEYS)


def test_long_lists_that_changed_are_told_as_fast_as_they_are_read() -> None:
    """Each looked for in all others they would take minutes."""
    many = 50_000
    before, after = json.dumps(list(range(many))), json.dumps(list(range(many - 2, 2 * many)))
    begun = time.process_time()

    shown = verifier.page(changing(before, after))

    assert time.process_time() - begun < 10
    assert "x: <bdi>" not in shown
    assert f"{many - 3} → {many}; " in shown


def test_a_change_of_a_list_is_told_by_what_is_new_in_it_and_what_is_gone() -> None:
    shown = verifier.page(changing('[1, {"a": 2}, "x"]', '["x", {"a": 3}, 1, true]'))

    assert "x: a 2 → a 3; yes" in shown


def test_a_name_that_no_file_can_have_is_not_proven() -> None:
    (checked,) = verifier.check_files(["a\0b"], KEYS)

    assert (checked.proven, checked.says) == (None, ["embedded null byte"])


def test_a_key_whose_name_is_no_text_is_refused() -> None:
    with pytest.raises(Unproven, match="is no public key known here"):
        Key.parse(f"a\udcff+{VKEY.split('+', 1)[1]}")


@pytest.mark.parametrize("encoding", ["ascii", "cp1252", "utf-8"])
def test_a_terminal_that_cannot_write_a_character_is_told_it_otherwise(encoding: str, tmp_path: Path) -> None:
    name = os.fsdecode("王".encode() + b"\xff.html")
    (tmp_path / name).write_bytes(b"")
    done = subprocess.run(
        [sys.executable, verifier.__file__, name, "--key", VKEY],
        cwd=tmp_path,
        env=os.environ | {"PYTHONIOENCODING": encoding},
        capture_output=True,
    )

    said = done.stdout.decode(encoding)
    assert (done.returncode, done.stderr) == (1, b"")
    assert said.startswith(("王\\udcff.html: NOT PROVEN", "\\u738b\\udcff.html: NOT PROVEN"))


def test_a_receipt_is_the_word_of_a_ledger_and_not_of_a_witness() -> None:
    text = 'daybook.erasure/v1\n{"customer_id":"c","erased_at":"t","reason":"r","erased_by":"a"}\n'
    by_both = second.cosigned(second.signed(text, ORIGIN, KEY), WITNESS, evidence.WITNESS_KEY, evidence.COSIGNED_AT)
    by_witness = by_both.splitlines()[-1]
    assert by_witness.startswith(f"— {WITNESS} ")

    assert isinstance(check_file(by_both.encode(), KEYS), verifier.Receipt)
    with pytest.raises(Unproven, match="not signed by a key of a ledger"):
        check_file(f"{text}\n{by_witness}\n".encode(), KEYS)


def test_what_is_signed_for_one_thing_is_taken_for_no_other() -> None:
    """A receipt is no checkpoint, and a checkpoint or what stands in a receipt is no receipt."""
    receipt = 'daybook.erasure/v1\n{"customer_id":"c","erased_at":"t","reason":"r","erased_by":"a"}\n'
    bare = '{"customer_id":"c","erased_at":"t","reason":"r","erased_by":"a"}\n'
    checkpoint = (VECTORS / "5.checkpoint").read_text("utf-8")

    with pytest.raises(Unproven, match="not an origin, a size and a root"):
        verifier.open_checkpoint(second.signed(receipt, ORIGIN, KEY), KEYS)
    for text in (checkpoint, second.signed(bare, ORIGIN, KEY)):
        with pytest.raises(Unproven, match="is no receipt of an erasure"):
            verifier.check_receipt(text, KEYS)
