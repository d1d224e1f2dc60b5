"""Every aggregate of the domain, imported once so that the catalogues of events, commands and rules are full."""

from .case import Case
from .customer import Customer
from .entry import Entry
from .policy import Policy
from .purchase import Purchase
from .remedy import Remedy
from .touchpoint import Touchpoint

AGGREGATES = (Customer, Touchpoint, Case, Remedy, Purchase, Policy, Entry)
