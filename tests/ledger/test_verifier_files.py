"""The verifier on files: those that were kept, those of which a byte was altered, those that say something else."""

import json
import shutil
import subprocess
import sys
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ledger import verifier
from ledger.verifier import Key, ProvenDossier, Unproven, check_file
from tests.ledger import evidence
from tests.ledger import second_verifier as second
from tests.ledger.evidence import CASE, KEY, ORIGIN, VECTORS, VKEY, WITNESS, WITNESS_VKEY

KEYS = [Key.parse(VKEY), Key.parse(WITNESS_VKEY)]
PROOFS = ("5.checkpoint", "6.tlog-proof", "5-7.consistency.json", "case.dossier.json", "case.dossier.html")


@pytest.mark.parametrize("name", [*PROOFS, "ledger.vkey", "witness.vkey"])
def test_the_files_that_were_kept_are_still_made_and_still_hold(name: str) -> None:
    kept = (VECTORS / name).read_bytes()

    assert evidence.files()[name].encode() == kept
    if name in PROOFS:
        assert check_file(kept, KEYS)


@settings(max_examples=400, deadline=None)
@given(st.sampled_from(PROOFS), st.data())
def test_a_file_of_which_a_byte_was_altered_is_refused_or_says_the_same(name: str, data: st.DataObject) -> None:
    raw = (VECTORS / name).read_bytes()
    at = data.draw(st.integers(0, len(raw) - 1), "at")
    put = data.draw(st.one_of(st.binary(max_size=1), st.just(b"\n"), st.just(b" ")), "put")

    try:
        proven = witnessed(raw[:at] + put + raw[at + 1 :])
    except Unproven:
        return
    if name == "case.dossier.html":
        # Nothing of a page may differ but how the JSON inside it is written, which does not show.
        assert proven == witnessed(raw)
    assert _essence(proven) == _essence(witnessed(raw))


def witnessed(raw: bytes) -> verifier.Proven:
    """What a file proves where the witness must have cosigned: its line, misnamed, would only be passed over."""
    proven = check_file(raw, KEYS)
    verifier.refuse_unwitnessed(proven, 1)
    return proven


def _essence(proven: verifier.Proven) -> object:
    """What is proven; what a file says of itself, such as who made it, is not."""
    if isinstance(proven, ProvenDossier):
        facts = [{k: v for k, v in step.items() if k not in verifier.RECKONED} for step in proven.account]
        return proven.about, proven.entries, facts, proven.checkpoint.tree
    return proven


def test_every_byte_of_a_proof_that_is_flipped_is_found() -> None:
    raw = (VECTORS / "6.tlog-proof").read_bytes()
    for at in range(len(raw)):
        with pytest.raises(Unproven):
            witnessed(raw[:at] + bytes([raw[at] ^ 1]) + raw[at + 1 :])


LEFT_OUT = object()
FIRST = {"canonical": evidence.LEAVES[0].decode(), "proof": evidence.written(second.path(0, evidence.LEAVES))}
FIRST_STEP = evidence.dossier()["account"][0] | verifier.told([verifier.Entry.parse(evidence.LEAVES[0])])[0]
TAMPERED = [
    ({"account.1.type": "Case.Closed"}, "'type' in step 3 of the account is not what the entry says"),
    ({"account.1.occurred_at": "2026-01-01T00:00:00Z"}, "'occurred_at' in step 3 of the account is not what"),
    ({"account.1.actor.id": "somebody"}, "'actor' in step 3 of the account is not what the entry says"),
    ({"account.1.says.channel": "email"}, "'says' in step 3 of the account is not what the entry says"),
    ({"account.0.says.policy_version": True}, "'says' in step 2 of the account is not what the entry says"),
    ({"account.2.voided_by": None}, "'voided_by' in step 5 of the account is not what the entry says"),
    ({"account.1.opened": {"channel": "email"}}, "Something is opened in step 3 of the account that is not sealed"),
    ({"account.0.opened": {"description": 1}}, "What is opened in step 2 of the account is no text"),
    ({"account.1": LEFT_OUT}, "The account has 3 steps, and there are 4 entries"),
    ({"account.1": LEFT_OUT, "entries.1": LEFT_OUT}, f"leaves out entries of the case {CASE}"),
    ({"entries.1": FIRST, "account.1": FIRST_STEP}, "not there in order, each once"),
    ({"entries.0": FIRST, "account.0": FIRST_STEP}, f"Entry 1 does not belong to the case {CASE}"),
    ({"about.case": "another"}, "Entry 2 does not belong to the case another"),
    ({"about": {"person": CASE}}, "does not say which case or customer"),
    ({"remark": "all is well"}, "has a part 'remark', which is not known"),
    ({"made_at": LEFT_OUT}, "The file is no daybook-dossier@v1"),
    ({"entries.0.remark": "all is well"}, "An entry of the dossier is not canonical bytes and their proof"),
    ({"account.0.remark": "all is well"}, "'remark' in step 2 of the account is not known"),
    ({"account.0.explained": LEFT_OUT}, "Something is missing in step 2"),
    ({"account.1.changes.0": "the case was closed"}, "A change in step 3 of the account is not a field"),
    ({"entries": [], "account": []}, "not there in order, each once"),
    ({"checkpoint": evidence.checkpoint(5)}, "Entry 2 is not proven to be in the ledger"),
]


def altered(changes: dict[str, Any]) -> str:
    """A dossier that was tampered with by somebody who knows the format."""
    dossier = evidence.dossier()
    for path, value in changes.items():
        part: Any = dossier
        *way, last = [int(name) if name.isdecimal() else name for name in path.split(".")]
        for name in way:
            part = part[name]
        if value is LEFT_OUT:
            del part[last]
        else:
            part[last] = value
    return evidence.as_text(dossier)


@pytest.mark.parametrize(("changes", "said"), TAMPERED, ids=[",".join(changes) for changes, _ in TAMPERED])
def test_a_dossier_that_says_otherwise_than_its_entries_is_refused(changes: dict[str, Any], said: str) -> None:
    assert check_file(altered({}).encode(), KEYS)

    with pytest.raises(Unproven, match=said):
        check_file(altered(changes).encode(), KEYS)


@pytest.mark.parametrize("path", ["account.1.type", "account.1.actor.id"])
def test_a_page_made_of_such_a_dossier_is_refused_too(path: str) -> None:
    text = verifier.page(altered({path: "forged"}))

    with pytest.raises(Unproven, match="in step 3 of the account is not what the entry says"):
        check_file(text.encode(), KEYS)


@pytest.mark.parametrize(
    ("shown", "forged"),
    [
        ("王芳", "李雷"),
        ("Case: acknowledged", "Case: closed"),
        ("open</bdi> → ", ""),
        ("2026-03-02 09:03:00", "2026-03-01 09:03:00"),
        ("</style>", ".mark { display: none }</style>"),
        ("<!DOCTYPE html>\n", "<!DOCTYPE html>\n<p>All is well.</p>"),
        ("</html>", "<p>All is well.</p></html>"),
    ],
)
def test_a_page_that_shows_otherwise_than_its_dossier_is_refused(shown: str, forged: str) -> None:
    text = evidence.files()["case.dossier.html"]
    page, begin, evidence_and_end = text.partition(verifier.EVIDENCE[0])
    assert shown in page + "</html>"

    text = page.replace(shown, forged) + begin + evidence_and_end if shown in page else text.replace(shown, forged)

    with pytest.raises(Unproven, match="does not show what the dossier inside it says"):
        check_file(text.encode(), KEYS)


def test_nothing_in_an_entry_is_taken_for_a_part_of_the_page() -> None:
    text = evidence.files()["case.dossier.html"]

    assert "<b>" not in text and "<script>" not in text and "\u202e" not in text.partition("<script")[0]
    assert "&lt;b&gt;Zu spät&lt;/b&gt; &amp; 太晚 �olleh" in text
    assert "我的包裹丢了 &lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert text.count("<script") == text.count("</script>") == 1


@pytest.mark.parametrize(
    "leaf",
    [
        b"", b"{}", b"[]", b"[1,2,3]", b'[1,"",{}]',
        evidence.LEAVES[0].replace(b",", b", ", 1),
        evidence.LEAVES[0].replace(b'"schema":1', b'"schema":1,"schema":1'),
        evidence.LEAVES[0].replace(b'"schema":1', b'"schema":1.0'),
        evidence.LEAVES[0].replace(b"[1,", b"[true,"),
        evidence.LEAVES[0].replace(b"[1,", b"[0,"),
        evidence.LEAVES[0].replace(b'"C-17"', b'"\\u0043-17"'),
        evidence.LEAVES[0].replace(b'"C-17"', b'"\\ud800"'),
        evidence.LEAVES[0].replace("王".encode(), b"\xff"),
    ],
)  # fmt: skip
def test_an_entry_that_could_be_read_in_two_ways_is_refused_even_where_it_is_in_the_tree(leaf: bytes) -> None:
    text = f"{ORIGIN}\n1\n{b64encode(second.mth([leaf])).decode()}\n"
    proof = f"c2sp.org/tlog-proof@v1\nextra {b64encode(leaf).decode()}\nindex 0\n\n{second.signed(text, ORIGIN, KEY)}"

    with pytest.raises(Unproven):
        check_file(proof.encode(), KEYS)


def test_a_proof_of_another_leaf_than_its_entry_says_is_refused() -> None:
    proof = evidence.proof(6, 7).replace("index 5", "index 4")

    with pytest.raises(Unproven, match="The proof is of leaf 4, and its entry would be leaf 5"):
        check_file(proof.encode(), KEYS)


def test_a_proof_without_the_entry_holds_for_the_entry_that_is_given() -> None:
    extra = evidence.proof(6, 7).split("\n")[1] + "\n"
    proof = evidence.proof(6, 7).replace(extra, "")

    assert verifier.check_proof(proof, KEYS, evidence.LEAVES[5]).entry.position == 6
    with pytest.raises(Unproven, match="Entry 5 is not proven to be in the ledger"):
        verifier.check_proof(proof, KEYS, evidence.LEAVES[4])
    with pytest.raises(Unproven, match="holds no entry"):
        verifier.check_proof(proof, KEYS)


def test_two_trees_of_one_ledger_that_do_not_agree_are_told_of(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = second.signed(f"{ORIGIN}\n7\n{b64encode(bytes(32)).decode()}\n", ORIGIN, KEY)
    (tmp_path / "a.checkpoint").write_text(evidence.checkpoint(7), "utf-8")
    (tmp_path / "b.checkpoint").write_text(forged, "utf-8")
    files = [str(tmp_path / "a.checkpoint"), str(tmp_path / "b.checkpoint")]

    assert verifier.main([*files, "--key", VKEY]) == 1
    assert f"{ORIGIN} signed two different trees of 7 entries" in capsys.readouterr().out


# --- The command, from an empty folder


def alone(folder: Path, *arguments: str) -> tuple[int, str]:
    """Run a copy of the file in a folder of its own, without anything of Daybook in reach."""
    shutil.copy(str(verifier.__file__), folder)
    done = subprocess.run(
        [sys.executable, "-I", "verifier.py", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("name", "said"),
    {
        "5.checkpoint": "Nothing but the signature was to be checked: its tree stood in {0} when it had 5 entries.",
        "6.tlog-proof": "Entry 6, Entry.Voided of 2026-03-02T09:06:00Z, stood in {0} when it had 7 entries.",
        "5-7.consistency.json": "The 5 entries of the older checkpoint, unaltered, stood in {0} when it had 7 entries.",
        "case.dossier.json": "All 4 entries shown of case {1}, up to position 6, stood in {0} when it had 7 entries.",
        "case.dossier.html": "All 4 entries shown of case {1}, up to position 6, stood in {0} when it had 7 entries.",
    }.items(),
)
def test_copied_alone_into_an_empty_folder_it_checks_a_file(name: str, said: str, tmp_path: Path) -> None:
    shutil.copy(VECTORS / name, tmp_path)
    shutil.copy(VECTORS / "witness.vkey", tmp_path)

    code, printed = alone(tmp_path, name, "--key", VKEY, "--key", "witness.vkey", "--witnesses", "1")

    assert code == 0, printed
    assert printed.startswith(f"{name}: PROVEN\n  {said.format(ORIGIN, CASE)}\n  Signed, with the root ")
    assert f"by {ORIGIN} ({KEYS[0].id.hex()}), {WITNESS} ({KEYS[1].id.hex()}) at 2026-03-02T10:00:00Z.\n" in printed


def test_what_is_not_proven_is_told_with_the_reason_and_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "altered.json").write_text(altered({"account.1.actor.id": "somebody"}), "utf-8")
    (tmp_path / "good.checkpoint").write_text(evidence.checkpoint(5), "utf-8")

    code, printed = alone(tmp_path, "altered.json", "good.checkpoint", "missing", "--key", VKEY)

    assert code == 1
    assert "altered.json: NOT PROVEN\n  'actor' in step 3 of the account is not what the entry says.\n" in printed
    assert "good.checkpoint: PROVEN\n" in printed
    assert "missing: NOT PROVEN\n  No such file or directory\n" in printed
    assert alone(tmp_path, "good.checkpoint", "--key", VKEY, "--witnesses", "1") == (
        1,
        "good.checkpoint: NOT PROVEN\n  The checkpoint is cosigned by 0 of the witnesses you named, not by 1.\n",
    )


def test_a_dossier_is_readable_json() -> None:
    dossier = json.loads((VECTORS / "case.dossier.json").read_bytes())

    assert [step["type"] for step in dossier["account"]] == [
        "Case.Opened",
        "Case.Acknowledged",
        "Case.FactsConfirmed",
        "Entry.Voided",
    ]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=5), inner, max_size=2),
    max_leaves=4,
)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_stands_in_a_dossier_it_is_refused_by_a_sentence_or_proven(data: st.DataObject) -> None:
    dossier = evidence.dossier()
    part: Any = dossier
    while True:
        name = data.draw(st.sampled_from(sorted(part) if isinstance(part, dict) else range(len(part))), "name")
        if not isinstance(part[name], dict | list) or not part[name] or data.draw(st.integers(0, 3)) == 0:
            break
        part = part[name]
    part[name] = data.draw(JSON, "value")

    try:
        proven = check_file(evidence.as_text(dossier).encode(), KEYS)
    except Unproven:
        return
    assert _essence(proven) == _essence(check_file((VECTORS / "case.dossier.json").read_bytes(), KEYS))
    assert check_file(verifier.page(evidence.as_text(dossier)).encode(), KEYS)


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_a_ledger_signs_as_an_entry_is_refused_by_a_sentence_or_told(data: st.DataObject) -> None:
    entry = json.loads(evidence.LEAVES[5])
    field = data.draw(st.sampled_from([*entry[2], "voided_position"]), "field")
    (entry[2] if field in entry[2] else entry[2]["data"])[field] = data.draw(JSON, "value")
    leaf = json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "replace")
    leaves = [*evidence.LEAVES[:5], leaf]
    text = f"{ORIGIN}\n6\n{b64encode(second.mth(leaves)).decode()}\n"

    try:
        steps = verifier.told([verifier.Entry.parse(leaf)])
    except Unproven:
        return
    dossier = evidence.dossier(6) | {
        "about": {"case": entry[2]["case_id"]},
        "checkpoint": second.signed(text, ORIGIN, KEY),
        "entries": [{"canonical": leaf.decode(), "proof": evidence.written(second.path(5, leaves))}],
        "account": [steps[0] | {"explained": "", "changes": [], "opened": {}}],
    }
    try:
        proven = check_file(evidence.as_text(dossier).encode(), KEYS)
    except Unproven:
        return
    assert check_file(verifier.page(evidence.as_text(dossier)).encode(), KEYS) == proven
    assert verifier.report(proven)
