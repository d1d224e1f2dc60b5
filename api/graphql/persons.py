"""What a person may ask of whoever holds their data, over GraphQL: everything held, and the receipt of an erasure."""

from typing import Annotated, Any
from uuid import UUID

import anyio.to_thread
import msgspec
import strawberry
from msgspec import Meta, Struct
from strawberry.types.field import StrawberryField

from ..receipts import receipt, receipt_of
from ..subject import held
from ..subject_page import page
from . import access
from .queries import query
from .request import Context, Info, Ready
from .rows import argument
from .types import outgoing

EXPORT_COST = 500
"""Why: everything about a person is read, folded and opened."""
RECEIPT_COST = 10
"""Why: a few entries are read, and a signature is made."""


class SubjectExport(Struct):
    """Everything held about one person, in clear; texts that are another person's are null."""

    customer_id: Annotated[UUID, Meta(description="The customer, who survived where several were merged.")]
    customers: list[UUID]
    """The customer and those merged into it."""
    position: int
    """The position of the last entry looked at."""
    document: dict[str, Any]
    """The entries, and what the read models say."""
    page: str
    """The same as a page to be read, in HTML."""


def person_queries() -> list[StrawberryField]:
    """The queries about one person."""
    customer = argument("customer_id", UUID, "The customer's id.")
    stewards = access.listed(access.STEWARDS)
    exported = (
        "Everything held about a customer and those merged with them, readable. An error SUBJECT_ERASED where the"
        f" person was erased. For: {stewards}."
    )
    attested = (
        "The receipt of a customer's erasure: a note signed with the ledger's key. An error NOT_FOUND where the"
        f" customer was not erased. For: {stewards}."
    )
    return [
        query("subjectExport", outgoing(SubjectExport), exported, [customer], _exported, cost=EXPORT_COST),
        query("erasureReceipt", str, attested, [customer], _attested, cost=RECEIPT_COST),
    ]


def receipt_field() -> StrawberryField:
    """The receipt in the payload of an erasure."""

    async def resolve(info: strawberry.Info, root: Any) -> str | None:
        return await _read(info.context, lambda on, signers: receipt(on, root.position, signers), root.position)

    said = "What attests it: a note signed with the ledger's key; null where nothing was recorded."
    field = strawberry.field(resolve, name="receipt", description=said)
    field.python_name = "receipt"
    return field


async def _exported(context: Context, info: Info, customer_id: UUID, at_least: int | None = None) -> Ready:
    access.refuse_unless(context.viewer.role, access.STEWARDS, "read subjectExport")
    await context.services.reader.wait([], at_least)
    found = await context.fold(lambda on: held(on, context.services.desk, customer_id, context.actor))
    document = msgspec.to_builtins(found)
    answer = {name: document[name] for name in ("customer_id", "customers", "position")}
    return context.shaped(info, SubjectExport, answer | {"document": document, "page": page(found)})


async def _attested(context: Context, _: Info, customer_id: UUID, at_least: int | None = None) -> str:
    access.refuse_unless(context.viewer.role, access.STEWARDS, "read erasureReceipt")
    await context.services.reader.wait([], at_least)
    note = await _read(context, lambda on, signers: receipt_of(on, customer_id, signers))
    assert note is not None
    return note


async def _read(context: Context, work: Any, position: int | None = 0) -> str | None:
    if position is None:
        return None
    desk = context.services.desk

    def read() -> str:
        with desk.pool.connection() as connection:
            note: str = work(connection, desk.signers)
            return note

    return await anyio.to_thread.run_sync(read)
