"""As-of builds for tests, folded in bulk."""

from typing import Any

from psycopg import Connection

from projections.engine import builds, copying, table
from projections.engine.cut import Cut
from projections.engine.model import ReadModel
from projections.engine.refolding import refold_all


def make(connection: Connection[Any], model: type[ReadModel], cut: Cut) -> str:
    """Build a model as a cut has it, over a connection with the projector's duty; gives the table's name."""
    build = builds.begin(connection, model)
    rows = (row for row, _ in refold_all(connection, model, cut).values() if row is not None)
    copying.load(connection, model, build.table, list(rows))
    table.index(connection, model, build.table)
    connection.execute(
        "UPDATE books.builds SET state = 'as_of', position = %s, occurred_until = %s WHERE build_id = %s",
        (cut.position, cut.occurred_until, build.id),
    )
    return build.table
