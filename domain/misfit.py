"""What does not fit a declared type, in words for people instead of those of the validator."""

import re
from collections.abc import Callable
from typing import NamedTuple

import msgspec

KINDS = {
    "str": "text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "array": "a list",
    "object": "an object of named values",
    "datetime": "an instant with its time zone, such as 2026-01-31T08:00:00Z",
    "uuid": "a UUID",
    "null": "null",
}
"""What the validator's types are called."""
LENGTHS = {"str": "characters", "array": "items", "object": "entries"}
"""What a length counts."""

WORDS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    (re.compile(r"Expected `(.+)`, got `float`"), lambda m: f"must be {_kinds(m[1])}"),
    (re.compile(r"Expected `(.+)`, got `(.+)`"), lambda m: f"must be {_kinds(m[1])}, not {_kinds(m[2])}"),
    (re.compile(r"Expected `(\w+)` of length >= (\d+)"), lambda m: f"must have at least {m[2]} {LENGTHS[m[1]]}"),
    (re.compile(r"Expected `(\w+)` of length <= (\d+)"), lambda m: f"must have at most {m[2]} {LENGTHS[m[1]]}"),
    (re.compile(r"Expected `(?:int|float)` >= (\S+)"), lambda m: f"must be {m[1]} or more"),
    (re.compile(r"Expected `(?:int|float)` <= (\S+)"), lambda m: f"must be {m[1]} or less"),
    (re.compile(r"Expected `str` matching regex '(.+)'"), lambda m: f"must match {m[1]}"),
    (re.compile(r"Expected `datetime` with a timezone component"), lambda _: f"must be {KINDS['datetime']}"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), lambda _: f"must be {KINDS['datetime']}"),
    (re.compile(r"Invalid UUID"), lambda _: "must be a UUID"),
    (re.compile(r"Invalid (?:enum )?value (.+)"), lambda m: f"cannot be {m[1]}"),
    (re.compile(r"(?:Integer value|Number) out of range"), lambda _: "is a number beyond all measure"),
)
"""The validator's sentences and what is said instead; a sentence that is not here stays as it is."""
MISSING = re.compile(r"Object missing required field `(.+)`")
UNKNOWN = re.compile(r"Object contains unknown field `(.+)`")
UNKNOWN_KEY = "is not known here"
"""What is wrong with a name that nothing is called."""


class Misfit(NamedTuple):
    """What is wrong, and where."""

    path: str
    """The value at fault, such as ``lines[0].sku``; empty for the whole."""
    problem: str
    """What is wrong with it, as the end of a sentence: ``must be text, not a whole number``."""

    @classmethod
    def of(cls, error: msgspec.ValidationError) -> "Misfit":
        """What a validation error tells."""
        said, _, path = str(error).partition(" - at `$")
        path = path.removesuffix("`").removeprefix(".")
        for pattern, problem in ((MISSING, "is missing"), (UNKNOWN, UNKNOWN_KEY)):
            if found := pattern.fullmatch(said):
                return cls(f"{path}.{found[1]}" if path else found[1], problem)
        for pattern, words in WORDS:
            if found := pattern.fullmatch(said):
                return cls(path, words(found))
        return cls(path, f"does not fit ({said})")

    @property
    def sentence(self) -> str:
        """The path and what is wrong there, without the stop at the end."""
        return f"{self.path or 'it'} {self.problem}"


def _kinds(types: str) -> str:
    """Some of the validator's types, as in ``int | null``."""
    return " or ".join(KINDS.get(kind, kind) for kind in types.split(" | ") if kind != "null" or types == "null")
