"""Links: which customers were found to be one, so that their entries count for the survivor, and who was erased."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any, Self
from uuid import UUID

from msgspec.structs import replace
from psycopg import Connection

from domain.customer import Customer
from domain.event import Event

from .forgotten import NONE_FORGOTTEN, Forgotten
from .kept import Merges, told_by

MERGING = (Customer.Merged, Customer.Unmerged)


class Links:
    """The merges in force at a position, and who was erased; customers that were not merged are their own survivors."""

    def __init__(self, merges: Merges, position: int = 0, forgotten: Forgotten = NONE_FORGOTTEN) -> None:
        """Take the merges told of by a position; later ones among them are passed over."""
        self.forgotten = forgotten
        self._merges, self._position = merges, position

    @classmethod
    def at(cls, connection: Connection[Any], position: int) -> Self:
        """The links that the ledger told of by a position."""
        told = told_by(connection, position)
        return cls(told.merges, position, Forgotten(told.erased, position))

    def __len__(self) -> int:
        """How many customers were merged at most; those whose merge was undone, or came later, may be counted."""
        return len(self._merges)

    def root(self, customer_id: UUID) -> UUID:
        """The customer that a customer's entries count for."""
        # It ends, since whoever survives a merge stood alone when it was made.
        while survivor := self._merges.into(customer_id, self._position):
            customer_id = survivor
        return customer_id

    def absorbed(self, customers: Iterable[UUID] | None = None) -> list[UUID]:
        """The customers that were merged into others, of the given ones or of all."""
        some = list(self._merges.ever()) if customers is None else customers
        return [customer for customer in some if self._merges.into(customer, self._position)]

    def members(self, customers: Iterable[UUID]) -> list[UUID]:
        """The customers whose entries count for the given ones, which may be themselves among them."""
        return [
            member
            for customer in customers
            for member in ([customer] if self.absorbed([customer]) else self._within(customer))
        ]

    def _within(self, customer_id: UUID) -> list[UUID]:
        """A customer, those that were merged into it, and those merged into them."""
        found = [customer_id]
        for each in found:
            found += self._merges.directly_in(each, self._position)
        return found

    def moved_since(self, earlier: "Links", linked: Iterable[UUID]) -> set[UUID]:
        """The customers whose entries count for another one than they did, because some were linked otherwise."""
        hanging = {each for customer in linked for links in (self, earlier) for each in links._within(customer)}
        return {customer for customer in hanging if self.root(customer) != earlier.root(customer)}

    def redirected(self, entries: Collection[Event]) -> Collection[Event]:
        """The entries, those of merged customers as entries of the survivor."""
        if not self:
            return entries
        ever = self._merges.ever()
        return [
            replace(entry, customer_id=self.root(of)) if (of := entry.customer_id) and of in ever else entry
            for entry in entries
        ]


NOBODY: Links = Links(Merges())


def linked_in(entries: Sequence[Event]) -> set[UUID]:
    """The customers that any of the entries merges into others, or takes out of them."""
    return {entry.stream_id for entry in entries if isinstance(entry, MERGING)}
