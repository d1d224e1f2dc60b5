"""The reference remembers which fields events were entered with, and lets none of them change in silence."""

import json
from pathlib import Path
from typing import Any

import pytest

from api.reference.pages import FORMS, FormAltered, write

Form = dict[str, Any]


def without_a_field(form: Form) -> None:
    del form["properties"]["thanked"]


def with_another(form: Form) -> None:
    form["properties"]["mood"] = {"type": "string"}


def personal(form: Form) -> None:
    form["properties"]["text_version"]["x-personal"] = True


@pytest.mark.parametrize("change", [without_a_field, with_another, personal])
def test_an_event_with_other_fields_needs_a_schema_of_its_own(tmp_path: Path, change: Any) -> None:
    write(tmp_path)
    pages = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    told = json.loads(pages[FORMS])
    change(told["$defs"]["Case.Acknowledged"])
    (tmp_path / FORMS).write_text(json.dumps(told), "utf-8")

    with pytest.raises(FormAltered, match=r"Case\.Acknowledged has other fields than before: raise its schema"):
        write(tmp_path)

    told["$defs"]["Case.Acknowledged"]["x-schema"] = 0
    (tmp_path / FORMS).write_text(json.dumps(told), "utf-8")
    assert write(tmp_path) == [FORMS]
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == pages


def test_other_words_and_new_events_are_no_other_form(tmp_path: Path) -> None:
    write(tmp_path)
    told = json.loads((tmp_path / FORMS).read_bytes())
    told["$defs"]["Case.Acknowledged"]["properties"]["thanked"]["description"] = "In other words."
    del told["$defs"]["Case.Assigned"]
    (tmp_path / FORMS).write_text(json.dumps(told), "utf-8")

    assert write(tmp_path) == [FORMS]
