"""Dossiers: the entries of a case or a customer with their proofs, and an account of them in words.

All of the account is made from the canonical bytes that the dossier holds, and so can be made from them again.
"""

import hashlib
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from typing import Any, NamedTuple
from uuid import UUID

import msgspec
from psycopg import Connection, sql

from domain.command import Actor
from domain.event import Event, events, personal_fields
from domain.look import LookPurpose
from domain.rule import NOT_FOUND, Rule
from domain.text import first_sentence
from domain.vocabulary import Role
from ledger import merkle, verifier
from ledger.checkpoints import Checkpoint
from ledger.evidence import EvidenceError, event, stored
from ledger.verifier import Entry, ProvenDossier, Unproven
from projections.case_register import CaseRegister
from projections.customer_profile import CustomerProfile
from projections.engine.links import Links
from projections.engine.model import ReadModel, fingerprint

from .graphql.access import PERSONAL, refuse_unless
from .opening import looked_at, note_taken, opened_entries
from .proofs import in_base64
from .replay import OF_CASE, OF_MERGES, unfolded
from .wiring import Desk

ENTRIES_MAX = 5_000
"""Why: nobody reads a longer one, which prints to more than a thousand pages."""
TOO_LONG = Rule("DOSSIER_TOO_LONG", "There are more than {most} entries; a dossier of an older checkpoint has fewer.")
MODELS: Mapping[str, type[ReadModel]] = {"case": CaseRegister, "customer": CustomerProfile}
"""Whose rows tell what an entry changed."""
OF_CUSTOMER = "customer_id = ANY(%(members)s) AND type <> 'Look.Recorded'"
"""Who looked is told by the audit trail: to make a dossier is to look, and it would never hold its own look."""


class About(NamedTuple):
    """What a dossier tells of."""

    kind: str
    """``case`` or ``customer``."""
    id: UUID


def dossier(
    desk: Desk,
    about: About,
    checkpoint: Checkpoint,
    actor: Actor,
    *,
    role: Role | None = None,
    partly: bool = False,
) -> dict[str, Any]:
    """The dossier of a case or a customer as a checkpoint has it, personal fields opened for a role that may see them.

    Without a role they stay sealed; that the actor took it is noted either way. Refuses ``NOT_FOUND``, ``FORBIDDEN``
    and ``DOSSIER_TOO_LONG``; raises :class:`~ledger.evidence.EvidenceError` where there are entries that the
    checkpoint does not have, unless ``partly``, and where it has none.
    """
    if role is not None:
        refuse_unless(role, PERSONAL, "prove --open-for")
    with desk.pool.connection() as connection:
        entries = [Entry.parse(each) for each in _entered(connection, about, checkpoint.size, partly)]
        paths = merkle.inclusions(connection, [entry.position for entry in entries], checkpoint.size)
    facts = verifier.told(entries)
    told = [event(entry) for entry in entries]
    opened = _opened(desk, about, told, facts, actor, role)
    return {
        "format": verifier.DOSSIER,
        "about": {about.kind: str(about.id)},
        "made_at": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
        "made_by": {"program": program(), "reckoning": reckoning(about.kind), "opened_for": role},
        "checkpoint": checkpoint.note,
        "entries": [
            {"canonical": entry.canonical.decode(), "proof": in_base64(paths[entry.position])} for entry in entries
        ],
        "account": [
            fact | words | {"opened": clear}
            for fact, words, clear in zip(facts, reckoned(about, told), opened, strict=True)
        ],
    }


def _entered(connection: Connection[Any], about: About, size: int, partly: bool) -> list[bytes]:
    """The canonical bytes of the entries of a dossier."""
    params: dict[str, Any] = {"case": about.id, "members": Links.at(connection, size).members([about.id])}
    own = sql.SQL(OF_CASE if about.kind == "case" else OF_CUSTOMER)
    merges = sql.SQL(OF_MERGES if about.kind == "case" else "false")
    which = sql.SQL("({own} OR ({merges}))").format(own=own, merges=merges)
    _refuse_unsealed(connection, about, own, params, size, partly)
    at = sql.SQL("{which} AND position <= {size}").format(which=which, size=size)
    found = stored(connection, at, params, ENTRIES_MAX + 1)
    TOO_LONG.refuse_if(len(found) > ENTRIES_MAX, most=ENTRIES_MAX)
    return found


def _refuse_unsealed(
    connection: Connection[Any], about: About, own: sql.Composable, params: dict[str, Any], size: int, partly: bool
) -> None:
    query = sql.SQL("SELECT min(position), max(position) FROM ledger.entries WHERE {which}").format(which=own)
    row = connection.execute(query, params).fetchone()
    assert row is not None
    first, last = row
    NOT_FOUND.refuse_if(first is None, kind=about.kind, id=about.id)
    if first > size:
        raise EvidenceError(f"The {about.kind} begins at entry {first}, and the checkpoint has {size} entries.")
    if last > size and not partly:
        raise EvidenceError(
            f"Entry {last} of the {about.kind} is newer than the checkpoint of {size} entries;"
            " run: daybook seal --once, or ask for this checkpoint with --checkpoint"
        )


def _opened(
    desk: Desk,
    about: About,
    entries: Sequence[Event],
    facts: Sequence[Mapping[str, Any]],
    actor: Actor,
    role: Role | None,
) -> list[dict[str, str | None]]:
    """The clear text of sealed fields, null for a person who was erased; without a role only these."""
    taken = f"dossier of {about.kind} {about.id}"
    if role is None:
        clear = opened_entries(desk.vault, entries)
        note_taken(desk, entries, actor, taken)
    else:
        clear = looked_at(desk, entries, actor, LookPurpose.PROOF, taken)
    return [
        {
            field: text
            for field in sorted(verifier.sealed_fields(fact["says"]) & set(personal_fields(type(entry))))
            if (text := getattr(entry, field)) is None or role is not None
        }
        for fact, entry in zip(facts, clear, strict=True)
    ]


def reckoned(about: About, entries: Sequence[Event]) -> list[dict[str, Any]]:
    """What the account says of entries beyond what stands in them: what each one means, and what it changed."""
    steps = unfolded(MODELS[about.kind], about.id, entries, every=True)
    return [
        {
            "explained": first_sentence(type(step.entry).__doc__),
            "changes": [msgspec.to_builtins(change._asdict()) for change in step.changes],
        }
        for step in steps
    ]


def refuse_misreckoned(proven: ProvenDossier) -> bool:
    """Refuse a proven dossier whose account tells other changes than its entries make.

    Gives whether it could be told: another version of Daybook may reckon otherwise.
    """
    kind, whose = proven.about
    if (proven.made_by.get("program"), proven.made_by.get("reckoning")) != (program(), reckoning(kind)):
        return False
    again = reckoned(About(kind, UUID(whose)), [event(entry) for entry in proven.entries])
    for step, words in zip(proven.account, again, strict=True):
        for part, right in words.items():
            if step[part] != right:
                raise Unproven(
                    f"{part!r} in step {step['position']} of the account is not what follows from the entries."
                )
    return True


def program() -> str:
    """What makes dossiers."""
    return f"Daybook {version('daybook')}"


def reckoning(kind: str) -> str:
    """A digest of what the accounts of cases or customers are reckoned and worded by."""
    words = (f"{name}: {first_sentence(event.__doc__)}" for name, event in sorted(events().items()))
    told = "\n".join([fingerprint(MODELS[kind]), *words])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def as_text(value: Mapping[str, Any]) -> str:
    """A dossier, or a proof that a ledger was only added to, as the file it is."""
    return msgspec.json.format(msgspec.json.encode(value), indent=1).decode() + "\n"
