"""As-of builds for tests."""

from ledger import database
from ledger.database import Duty
from projections.engine import rebuilding
from projections.engine.cut import Cut
from projections.engine.model import ReadModel


def make(url: str, model: type[ReadModel], cut: Cut) -> None:
    """Build a model as a cut has it, and keep that build for answers about the past."""
    with database.connect(url, Duty.PROJECTOR) as reader, database.connect(url, Duty.PROJECTOR) as writer:
        rebuilding.make_as_of(reader, writer, model, cut)
