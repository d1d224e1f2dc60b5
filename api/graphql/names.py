"""What things are called in GraphQL, derived from what they are called in Python."""

import re


def camel(name: str) -> str:
    """``customer_id`` as ``customerId``."""
    first, *rest = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in rest)


def pascal(name: str) -> str:
    """``open_case`` as ``OpenCase``."""
    return name[:1].upper() + camel(name)[1:]


def uncapital(name: str) -> str:
    """``TierStatus`` as ``tierStatus``."""
    return name[:1].lower() + name[1:]


def singular(name: str) -> str:
    """One of what a plural names; a name that is no plural stays."""
    if name.endswith("ies"):
        return name[:-3] + "y"
    return name[:-1] if re.search(r"[^su]s$", name) else name


def plural(name: str) -> str:
    """Many of what a name names."""
    if name.endswith("y"):
        return name[:-1] + "ies"
    return name + ("es" if name.endswith("s") else "s")
