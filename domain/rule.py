"""Rules that refuse a command, each with a stable code."""

from collections.abc import Iterator
from typing import NoReturn

_RULES: dict[str, "Rule"] = {}


class Refused(Exception):
    """A command broke a rule; nothing was recorded.

    ``code`` is stable and meant for programs, ``str(refused)`` is a sentence for people, ``field`` names the
    input field at fault where there is one, and ``values`` carries what the caller needs to react.
    """

    def __init__(self, code: str, message: str, field: str | None = None, **values: object) -> None:
        super().__init__(message)
        self.code, self.field, self.values = code, field, values


class Rule:
    """A rule of the domain: a stable code and the sentence a refused caller reads.

    The sentence may name values in braces, given when the rule is applied.
    Declaring the same code twice is an error.
    """

    def __init__(self, code: str, sentence: str, *, field: str | None = None) -> None:
        if code in _RULES:
            raise ValueError(f"the rule {code} is declared twice")
        self.code, self.sentence, self.field = code, sentence, field
        _RULES[code] = self

    def refusal(self, **values: object) -> Refused:
        """The error to raise with this rule's code."""
        return Refused(self.code, self.sentence.format(**values), self.field, **values)

    def refuse(self, **values: object) -> NoReturn:
        """Raise :class:`Refused` with this rule's code."""
        raise self.refusal(**values)

    def refuse_if(self, broken: object, **values: object) -> None:
        """Raise :class:`Refused` when ``broken`` is true; otherwise do nothing."""
        if broken:
            self.refuse(**values)


def rules() -> Iterator[Rule]:
    """Every declared rule, by code."""
    return iter(sorted(_RULES.values(), key=lambda rule: rule.code))


NOT_FOUND = Rule("NOT_FOUND", "There is no {kind} with the id {id}.")
VERSION_CONFLICT = Rule(
    "VERSION_CONFLICT",
    "The {kind} is at version {current}, not {expected}; read it again and decide anew.",
    field="expectedVersion",
)
IDEMPOTENCY_CONFLICT = Rule(
    "IDEMPOTENCY_CONFLICT",
    "This idempotency key was used for another command, or by another person; use a new key.",
    field="idempotencyKey",
)
INVALID_INPUT = Rule("INVALID_INPUT", "{problem}")
FORBIDDEN = Rule("FORBIDDEN", "The role {role} may not {command}; ask for one of: {allowed}.")
OCCURRED_IN_FUTURE = Rule(
    "OCCURRED_IN_FUTURE",
    "occurredAt lies after now; a ledger takes only what has happened.",
    field="occurredAt",
)
