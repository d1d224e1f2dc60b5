"""Who may see what. Everything else about access is derived from this page.

The rules are the need to know: agents work with customers and cases, auditors and supervisors also see who did what,
analysts see everything but persons. Which command a role may send is declared with the command itself.
"""

from collections.abc import Iterable, Mapping

from domain.rule import FORBIDDEN
from domain.vocabulary import Role

EVERYONE = frozenset(Role)
STEWARDS = frozenset({Role.SUPERVISOR, Role.AUDITOR, Role.ADMIN})
ANALYSING = STEWARDS | {Role.ANALYST}

PERSONAL = EVERYONE - {Role.ANALYST}
"""Roles that see personal data in clear; for the others it is null, in columns and inside ``data`` alike."""
METRICS = ANALYSING
"""Roles that may compute metrics."""
ALARMS = STEWARDS
"""Roles that may read which rows are not what their entries fold to."""
BOOKS: Mapping[str, frozenset[Role]] = {"audit_trail": STEWARDS, "looks": STEWARDS}
"""Roles that may read a read model, by its name; those not named here are for everyone with a token."""


def readers(model: str) -> frozenset[Role]:
    """The roles that may read the read model of that name."""
    return BOOKS.get(model, EVERYONE)


def listed(roles: Iterable[Role]) -> str:
    """The roles in their usual order, in words."""
    allowed = set(roles)
    return ", ".join(role.value for role in Role if role in allowed)


def refuse_unless(role: Role, allowed: frozenset[Role], what: str) -> None:
    """Refuse ``FORBIDDEN`` for a role that is not among the allowed."""
    FORBIDDEN.refuse_if(role not in allowed, role=role.value, command=what, allowed=listed(allowed))
