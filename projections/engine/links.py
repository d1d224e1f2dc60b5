"""Links: which customers were found to be one, so that their entries count for the survivor, and who was erased."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any, Self
from uuid import UUID

from msgspec.structs import replace
from psycopg import Connection

from domain.customer import Customer
from domain.event import Event

from .forgotten import NONE_FORGOTTEN, Forgotten

MERGING = (Customer.Merged, Customer.Unmerged)
QUERY = """
    SELECT DISTINCT ON (stream_id) stream_id, type, (data ->> 'survivor_id')::uuid
      FROM ledger.entries
     WHERE type IN ('Customer.Merged', 'Customer.Unmerged') AND position <= %s
     ORDER BY stream_id, position DESC"""


class Links:
    """The merges in force at a position, and who was erased; customers that were not merged are their own survivors."""

    def __init__(self, into: Mapping[UUID, UUID], forgotten: Forgotten = NONE_FORGOTTEN) -> None:
        """Take each merged customer with the one it was merged into, who may be merged itself."""
        self.forgotten = forgotten
        self._roots = {absorbed: _root(into, absorbed) for absorbed in into}
        self._members: dict[UUID, list[UUID]] = {}
        for absorbed, root in self._roots.items():
            self._members.setdefault(root, []).append(absorbed)

    @classmethod
    def at(cls, connection: Connection[Any], position: int) -> Self:
        """The links that the ledger told of by a position."""
        rows = connection.execute(QUERY, (position,)).fetchall()
        into = {absorbed: into for absorbed, kind, into in rows if kind == Customer.Merged.type_name}
        return cls(into, Forgotten.at(connection, position))

    def __bool__(self) -> bool:
        """Whether there are any merges."""
        return bool(self._roots)

    def root(self, customer_id: UUID) -> UUID:
        """The customer that a customer's entries count for."""
        return self._roots.get(customer_id, customer_id)

    def absorbed(self) -> list[UUID]:
        """The customers that were merged into others."""
        return list(self._roots)

    def members(self, customers: Iterable[UUID]) -> list[UUID]:
        """The customers whose entries count for the given ones, which may be themselves among them."""
        return [member for root in customers for member in (root, *self._members.get(root, ()))]

    def moved_since(self, earlier: "Links") -> set[UUID]:
        """The customers whose entries count for another one than they did."""
        known = self._roots.keys() | earlier._roots.keys()
        return {customer for customer in known if self.root(customer) != earlier.root(customer)}

    def redirected(self, entries: Collection[Event]) -> Collection[Event]:
        """The entries, those of merged customers as entries of the survivor."""
        if not self:
            return entries
        return [
            replace(entry, customer_id=self._roots[entry.customer_id]) if entry.customer_id in self._roots else entry
            for entry in entries
        ]


def _root(into: Mapping[UUID, UUID], customer_id: UUID) -> UUID:
    # It ends, since whoever survives a merge stood alone when it was made.
    while customer_id in into:
        customer_id = into[customer_id]
    return customer_id


NOBODY: Links = Links({})


def told_in(entries: Sequence[Event]) -> bool:
    """Whether any of the entries merges customers, or undoes that."""
    return any(isinstance(entry, MERGING) for entry in entries)
