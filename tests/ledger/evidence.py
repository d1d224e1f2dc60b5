"""A small ledger of made-up entries, and every kind of file that proves something of it.

The files in ``vectors/`` are these. ``python -m tests.ledger.evidence`` writes them anew, which is only right when a
format gets a new version.
"""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from ledger import verifier
from tests.ledger import second_verifier as second

VECTORS = Path(__file__).parent / "vectors"
ORIGIN = "ledger.example.com/cases"
WITNESS = "witness.example.org/w1"
KEY = Ed25519PrivateKey.from_private_bytes(b"the key of a ledger, of 32 bytes")
WITNESS_KEY = Ed25519PrivateKey.from_private_bytes(b"the key of a witness of 32 bytes")
VKEY = second.vkey(ORIGIN, b"\1", KEY)
WITNESS_VKEY = second.vkey(WITNESS, b"\4", WITNESS_KEY)
COSIGNED_AT = 1_772_445_600

CASE = "1b0f6c1e-7f2a-5c58-9a42-0d1f6f3f9d21"
CUSTOMER = "7d1f0c8e-52f4-5a43-9a1b-6f1f3f1f9d20"
SEALED = "s1." + b64encode(bytes(range(72)), altchars=b"-_").decode()


def canonical(position: int, type: str, stream: str, version: int, data: dict[str, Any], case: str | None) -> bytes:
    body = {
        "actor_id": "王芳", "actor_kind": "employee", "actor_role": "agent", "case_id": case, "causation_id": None,
        "command_id": f"4c0f8a52-9a1e-4a5f-8f5e-{position:012}", "correlation_id": None, "customer_id": CUSTOMER,
        "data": data, "external_id": None, "occurred_at": f"2026-03-02T09:{position:02}:00Z", "schema": 1,
        "source": None, "stream_id": stream, "stream_version": version, "type": type,
    }  # fmt: skip
    entry = [position, f"2026-03-02T10:{position:02}:00.120000Z", body]
    return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


LEAVES = [
    canonical(1, "Customer.Registered", CUSTOMER, 1, {"kind": "person", "name": SEALED, "reference": "C-17"}, None),
    canonical(2, "Case.Opened", CASE, 1, {"description": SEALED, "policy_version": 3, "product": None}, CASE),
    canonical(3, "Case.Acknowledged", CASE, 2, {"channel": "phone"}, CASE),
    canonical(4, "Customer.TierAssigned", CUSTOMER, 2, {"tier": "gold", "policy_version": 1}, None),
    canonical(5, "Case.FactsConfirmed", CASE, 3, {"summary": "<b>Zu spät</b> & 太晚 \u202eolleh"}, CASE),
    canonical(6, "Entry.Voided", CASE, 4, {"voided_position": 5, "voided_type": "-", "reason": "错了"}, CASE),
    canonical(7, "Customer.TierAssigned", CUSTOMER, 3, {"tier": None, "policy_version": 2}, None),
]  # fmt: skip


def checkpoint(size: int) -> str:
    """The checkpoint of so many entries, signed by the ledger and cosigned by the witness."""
    text = f"{ORIGIN}\n{size}\n{b64encode(second.mth(LEAVES[:size])).decode()}\n"
    return second.cosigned(second.signed(text, ORIGIN, KEY), WITNESS, WITNESS_KEY, COSIGNED_AT)


def proof(position: int, size: int) -> str:
    """The ``.tlog-proof`` of an entry."""
    path = "".join(f"{each}\n" for each in written(second.path(position - 1, LEAVES[:size])))
    extra = b64encode(LEAVES[position - 1]).decode()
    return f"c2sp.org/tlog-proof@v1\nextra {extra}\nindex {position - 1}\n{path}\n{checkpoint(size)}"


def consistency(old: int, new: int) -> dict[str, Any]:
    """The proof that one checkpoint continues another."""
    path = written(second.proof(old, LEAVES[:new]))
    return {"format": "daybook-consistency@v1", "old": checkpoint(old), "proof": path, "new": checkpoint(new)}


def dossier(size: int = len(LEAVES)) -> dict[str, Any]:
    """The dossier of the case."""
    shown = [leaf for leaf in LEAVES[:size] if json.loads(leaf)[2]["case_id"] == CASE]
    steps = verifier.told([verifier.Entry.parse(leaf) for leaf in shown])
    opened = {2: {"description": "我的包裹丢了 <script>alert(1)</script>"}}
    changes = {3: [{"field": "state", "before": "open", "after": "acknowledged"}]}
    return {
        "format": "daybook-dossier@v1",
        "about": {"case": CASE},
        "made_at": "2026-03-03T08:00:00.000000Z",
        "made_by": {"program": "Daybook 0.1.0", "opened_for": "auditor"},
        "checkpoint": checkpoint(size),
        "entries": [
            {"canonical": leaf.decode(), "proof": written(second.path(LEAVES.index(leaf), LEAVES[:size]))}
            for leaf in shown
        ],
        "account": [
            step
            | {
                "explained": "What happened, in a sentence.",
                "changes": changes.get(step["position"], []),
                "opened": opened.get(step["position"], {}),
            }
            for step in steps
        ],
    }


def as_text(value: dict[str, Any]) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1) + "\n"


def written(hashes: list[bytes]) -> list[str]:
    return [b64encode(each).decode() for each in hashes]


def files() -> dict[str, str]:
    """Every kind of file, by its name."""
    return {
        "ledger.vkey": VKEY + "\n",
        "witness.vkey": WITNESS_VKEY + "\n",
        "5.checkpoint": checkpoint(5),
        "6.tlog-proof": proof(6, 7),
        "5-7.consistency.json": as_text(consistency(5, 7)),
        "case.dossier.json": as_text(dossier()),
        "case.dossier.html": verifier.page(as_text(dossier())),
    }


if __name__ == "__main__":
    for name, text in files().items():
        (VECTORS / name).write_bytes(text.encode())
