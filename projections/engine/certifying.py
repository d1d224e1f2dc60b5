"""Certificates verified: each read model folded anew, up to where it was certified, must come out the same."""

from typing import Any, NamedTuple

from psycopg import Connection

from . import builds
from .building import Advance
from .builds import Certificate
from .model import ReadModel, fingerprint, models
from .rebuilding import certificates_again


class Compared(NamedTuple):
    """A certificate, and what the same read model has when it is folded anew."""

    model: str
    stated: Certificate
    found: Certificate | None
    """``None`` where the build in service is not of this code, so that nothing can be compared."""

    @property
    def wrong(self) -> bool:
        """Whether the rows were something else than the ledger says."""
        return self.found is not None and self.found != self.stated


def compare_certificates(
    reader: Connection[Any], writer: Connection[Any], advance: Advance = lambda _done, _total: None
) -> list[Compared]:
    """Fold every read model in service anew, up to where it was certified, and compare; nothing of it is kept."""
    stated, serving = builds.certificates(writer), builds.serving(writer)
    ours: dict[type[ReadModel], int] = {
        models()[name]: certificate.position
        for name, certificate in stated.items()
        if name in models() and serving[name].fingerprint == fingerprint(models()[name])
    }
    found = {model.spec.name: made for model, made in certificates_again(reader, writer, ours, advance).items()}
    return [Compared(name, certificate, found.get(name)) for name, certificate in sorted(stated.items())]
