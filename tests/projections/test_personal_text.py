"""Read models hold no personal text in clear, in whatever script it was given."""

from collections.abc import Iterator

import msgspec
import pytest
from psycopg import sql

from domain.case import Case
from domain.customer import Customer
from domain.event import Event, events, personal_fields
from domain.person import RelationshipPart
from domain.touchpoint import Touchpoint
from domain.vocabulary import Channel, ClosingBasis, ContactKind, SolutionKind
from projections.customer_profile import CustomerProfile
from projections.engine import builds
from projections.engine.model import Fold, folds
from tests.projections.facts import fact, named, of_case, opened, registered, touched
from tests.projections.world import World

SCRIPTS = ("Zwölfboxkämpfer", "欧阳娜娜的住址", "Александра", "فاطمة الزهراء", "अनुष्का शर्मा", "🙈🙉🙊 emoji")


def planted(text: str) -> Iterator[Event]:
    """One entry of every kind that holds personal text, all of it ``text``."""
    yield registered("ann", name=text)
    ann = {"customer_id": named("ann")}
    yield fact(Customer.ProfileChanged, "ann", "2026-01-02", name=text, **ann)
    home = {"contact": "home", "kind": ContactKind.EMAIL, "value": text}
    yield fact(Customer.ContactPointAdded, "ann", "2026-01-02", **home, **ann)
    part = {"part": RelationshipPart.PAYER, "person_id": named("bob"), "note": text, "position_held": text}
    yield fact(Customer.RelationshipDeclared, "ann", "2026-01-02", **part, **ann)
    yield touched("t1", "ann", "2026-01-03", summary=text)
    yield opened("c1", "ann", "2026-01-03", description=text)
    for kind, fields in (
        (Case.FactsConfirmed, {"restatement": text}),
        (Case.SolutionProposed, {"kind": SolutionKind.FIX, "text": text}),
        (Case.SolutionRejected, {"reason": text}),
        (Case.Resolved, {"resolution": "done", "note": text}),
        (Case.ClosureConfirmed, {"channel": Channel.PHONE}),
        (Case.Closed, {"basis": ClosingBasis.CUSTOMER_CONFIRMED, "note": text}),
        (Case.Reopened, {"reason": text}),
    ):
        yield of_case(kind, "c1", "ann", "2026-01-04", **fields)


def test_every_personal_field_is_planted() -> None:
    everywhere = {(kind, field) for kind in events().values() for field in personal_fields(kind)}

    assert {(type(e), field) for e in planted("x") for field in personal_fields(type(e))} == everywhere
    assert all(getattr(e, field) == "x" for e in planted("x") for field in personal_fields(type(e)))
    assert (Touchpoint.Recorded, "summary") in everywhere


@pytest.mark.parametrize("text", SCRIPTS)
def test_no_table_of_the_books_holds_it(world: World, text: str) -> None:
    world.given(*planted(text))

    for build in builds.serving(world.connection).values():
        query = sql.SQL("SELECT r::text, row_to_json(r)::text FROM {} r").format(sql.Identifier("books", build.table))
        rows = world.connection.execute(query).fetchall()
        for form in (text, msgspec.json.encode(text).decode()[1:-1], ascii(text)[1:-1]):
            assert [row for row in rows if form in row[0] or form in row[1]] == []


@pytest.mark.parametrize("text", SCRIPTS)
def test_what_the_books_hold_opens_to_it(world: World, text: str) -> None:
    world.given(*planted(text))

    [profile] = world.rows(CustomerProfile).values()

    assert world.vault.open_many([("name", profile.name), ("value", profile.contact_points[0].value)]) == [text, text]


def test_the_quarantine_holds_it_no_more_than_the_entry_does(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(row: CustomerProfile, e: Customer.Registered) -> None:
        raise ValueError(f"cannot take {e}")

    monkeypatch.setitem(
        folds(CustomerProfile), Customer.Registered, [Fold(refuse, key="customer_id", amends=False, own=False)]
    )
    world.given(*planted(SCRIPTS[0]))

    [(_, _, position, error)] = world.quarantine()
    assert position == 1
    assert "cannot take Registered(" in error
    assert SCRIPTS[0] not in error
