"""Who works at the terminal."""

import getpass
import os

from domain.command import Actor
from domain.vocabulary import NAME_MAX, ActorKind


def operator() -> Actor:
    """The user of the operating system who gave the command; without a role, as none was asked for."""
    try:
        name = getpass.getuser()
    except (KeyError, OSError, ImportError):
        # A container may run under a number that has no name.
        name = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return Actor(kind=ActorKind.EMPLOYEE, id=f"terminal:{name}"[:NAME_MAX])
