"""The catalogue of rules, and that each of them was seen to refuse."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import domain
from domain import rule as rules_of_the_house
from domain.rule import Refused, Rule

ROOT = Path(domain.__file__).parent.parent
PROVED = re.compile(r'(?:then_refused|refused_with)\(\s*"([A-Z_]+)"')
"""Both check the code, and that nothing was recorded."""


def declared() -> Iterator[str]:
    """The codes declared in the domain's files."""
    for path in (ROOT / "domain").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(func=ast.Name(id="Rule"), args=[ast.Constant(value=str(code)), *_]):
                    yield code


def test_every_rule_is_seen_to_refuse_in_a_test() -> None:
    texts = [path.read_text("utf-8") for room in ("domain", "ledger") for path in (ROOT / "tests" / room).glob("*.py")]
    proved = {code for text in texts for code in PROVED.findall(text)}

    assert sorted(set(declared()) - proved) == []


def test_a_code_is_declared_once() -> None:
    with pytest.raises(ValueError, match="VERSION_CONFLICT is declared twice"):
        Rule("VERSION_CONFLICT", "Something else.")


def test_a_refusal_carries_code_sentence_field_and_values() -> None:
    refused = rules_of_the_house.VERSION_CONFLICT.refusal(kind="Case", current=3, expected=2)

    assert (refused.code, refused.field) == ("VERSION_CONFLICT", "expectedVersion")
    assert str(refused) == "The Case is at version 3, not 2; read it again and decide anew."
    assert refused.values == {"kind": "Case", "current": 3, "expected": 2}


def test_a_rule_that_holds_does_nothing() -> None:
    rules_of_the_house.NOT_FOUND.refuse_if(None, kind="Case", id=1)


def test_what_a_caller_wrote_is_never_taken_for_a_pattern() -> None:
    with pytest.raises(Refused, match=r"The role \{command\} may not x"):
        rules_of_the_house.FORBIDDEN.refuse(role="{command}", command="x", allowed="y")


def test_every_rule_has_a_whole_sentence_for_who_is_refused() -> None:
    codes = set(declared())
    told = [rule for rule in rules_of_the_house.rules() if rule.code in codes]

    assert [rule.code for rule in told] == sorted(codes)
    assert [rule.code for rule in told if not rule.sentence.endswith(".")] == ["INVALID_INPUT"]
