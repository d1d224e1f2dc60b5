"""What can go wrong with an import: the file or mapping as a whole, or one row."""


class SourceError(Exception):
    """A file or a mapping that cannot be worked with; the message is one sentence that says what to do."""


class Unfit(Exception):
    """A row that cannot be taken; the message says why."""

    def __init__(self, problem: str, place: str | None = None) -> None:
        """For a problem, at a ``place`` of what was to be made of the row: ``stream``, or the name of a field."""
        super().__init__(problem)
        self.place = place
