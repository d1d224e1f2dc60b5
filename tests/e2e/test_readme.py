"""The README: its first query is a real one, its answer has the real shape, and its commands and links exist."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from graphql import parse, validate
from typer.main import get_command

from api.cli import app
from api.graphql.schema import executable

ROOT = Path(__file__).parent.parent.parent
README = (ROOT / "README.md").read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", README, flags=re.DOTALL)


def test_the_operations_are_valid() -> None:
    first, second = _blocks("graphql")

    assert validate(executable(), parse(first)) == []
    assert validate(executable(), parse(second)) == []


def test_the_answer_has_the_shape_of_the_query() -> None:
    (query, _), (answer,) = _blocks("graphql"), _blocks("json")
    asked = set(re.findall(r"\w+", query.split("rows")[1]))

    rows: list[dict[str, Any]] = json.loads(answer)["data"]["retentionByHandling"]["rows"]

    assert [set(row) for row in rows] == [asked] * 5


@pytest.mark.parametrize("name", sorted(path.name for path in (ROOT / "api" / "queries").glob("*.graphql")))
def test_the_queries_shown_at_start_are_valid(name: str) -> None:
    text = (
        (ROOT / "api" / "queries" / name)
        .read_text("utf-8")
        .replace("CUSTOMER_ID", "0" * 32)
        .replace("CASE_ID", "0" * 32)
    )

    assert validate(executable(), parse(text)) == []


def test_every_command_it_names_exists() -> None:
    table = README.split("## The `daybook` command")[1].split("## Read on")[0]
    named = {
        word
        for cell in re.findall(r"^\| (.*?) \|", table, flags=re.MULTILINE)
        for word in re.findall(r"`([a-z-]+)", cell)
    }

    assert named <= set(get_command(app).commands)  # type: ignore[attr-defined]
    assert len(named) >= 12


def test_every_link_leads_somewhere() -> None:
    linked = re.findall(r"\]\(([^)]+)\)", README)

    assert [link for link in linked if not (ROOT / link).exists()] == []


def test_continuous_integration_calls_the_test_command_of_the_readme() -> None:
    assert "make test" in _blocks("sh")[0]
    assert "\nmake test\n" in (ROOT / ".ci" / "run").read_text("utf-8")
