"""What the declarations of read models and metrics say of themselves, and what is wrong in them is told at once."""

import re
from pathlib import Path
from typing import Any
from uuid import UUID

import msgspec
import pytest

import projections
from domain.event import ENVELOPE, Event
from domain.purchase import Purchase
from projections.engine import metric
from projections.engine.metric import Metric, metrics
from projections.engine.model import (
    ReadModel,
    column_doc,
    columns,
    definition,
    envelope_needed,
    fold,
    folds,
    models,
    on,
)
from projections.engine.table import postgres_type
from projections.sales import Sales
from tests.projections.facts import bought, named

ROOM = Path(projections.__file__).parent
MODELS = tuple(
    sorted(
        path.stem for path in ROOM.glob("*.py") if re.search(r"^class \w+\(\s*ReadModel", path.read_text("utf-8"), re.M)
    )
)


def test_every_file_of_the_room_is_in_the_catalogue() -> None:
    assert tuple(sorted(models())) == MODELS


@pytest.mark.parametrize("name", MODELS)
def test_every_model_and_every_column_is_described(name: str) -> None:
    model = models()[name]

    assert definition(model).endswith(".")
    assert [column for column in columns(model) if not column_doc(model, column)] == []


@pytest.mark.parametrize("name", MODELS)
def test_every_model_has_its_key_first_and_indexes_of_its_own_columns(name: str) -> None:
    model = models()[name]

    assert next(iter(columns(model))) == model.spec.key
    assert {column for index in model.spec.indexes for column in index} <= set(columns(model))


@pytest.mark.parametrize("name", sorted(metrics()))
def test_every_metric_parameter_and_figure_is_described(name: str) -> None:
    declared = metrics()[name]

    assert metric.definition(declared)
    assert declared.version >= 1
    for struct in (declared.Params, declared.Row):
        assert struct.__doc__
        assert [field for field in struct.__struct_fields__ if not column_doc(struct, field)] == []


def test_a_second_model_of_one_name_is_refused(own_models: None) -> None:
    with pytest.raises(TypeError, match="the read model sales is declared twice"):
        type(ReadModel)("Sales", (ReadModel,), {}, key="position")

    assert models()["sales"] is Sales


def test_a_second_metric_of_one_name_is_refused() -> None:
    before = metrics()["sales_totals"]

    with pytest.raises(TypeError, match="the metric sales_totals is declared twice"):

        class SalesTotals(Metric, version=1, reads=(Sales,)):
            """Another one."""

    assert metrics()["sales_totals"] is before


def test_what_a_fold_reads_of_the_envelope_is_found_wherever_it_stands_in_the_method(own_models: None) -> None:
    class TestReading(ReadModel, key="customer_id"):
        """Reads the envelope in every way a method can."""

        customer_id: UUID
        told: str = ""

        @on(Purchase.Recorded)
        def bought(self, e: Purchase.Recorded) -> None:
            listed = [e.actor_id for _ in e.lines]
            lazily = ",".join(str(e.source) for line in e.lines if (lambda: e.external_id)())
            self.told = f"{listed} {lazily} {self._more(e)}"

        def _more(self, e: Event) -> str:
            return str(e.occurred_at)

    read = {"customer_id", "position", "actor_id", "source", "external_id", "occurred_at"}
    assert envelope_needed(TestReading) == read
    assert set(ENVELOPE) > read


def test_handlers_of_one_event_run_in_the_order_they_are_declared_in(own_models: None) -> None:
    class TestOrder(ReadModel, key="customer_id"):
        """Two handlers of one event."""

        customer_id: UUID
        said: list[str] = []

        @on(Purchase.Recorded)
        def zuerst(self, e: Event) -> None:
            self.said = [*self.said, "first"]

        @on(Purchase.Recorded)
        def danach(self, e: Event) -> None:
            self.said = [*self.said, "second"]

    row = fold(TestOrder, named("ann"), [bought("p1", "ann", "2026-01-01")])

    assert row == TestOrder(customer_id=named("ann"), said=["first", "second"])
    assert len(folds(TestOrder)[Purchase.Recorded]) == 2


def test_a_fold_starts_from_a_given_row_and_passes_over_other_keys() -> None:
    purchases = [bought("p1", "ann", "2026-01-01", 5), bought("p2", "bob", "2026-01-02", 7)]
    model: Any = models()["purchase_behaviour"]

    begun = fold(model, named("ann"), purchases)
    again = fold(model, named("ann"), purchases, begun)

    assert again.purchases == 2
    assert fold(model, named("eve"), purchases) is None


@pytest.mark.parametrize(
    ("hint", "kind"),
    [(int, "bigint"), (int | None, "bigint"), (list[str], "jsonb"), (dict[str, Any], "jsonb"), (UUID, "uuid")],
)
def test_each_type_has_its_column_type(hint: Any, kind: str) -> None:
    assert postgres_type(hint) == kind


def test_a_row_survives_the_way_to_json_and_back() -> None:
    row = fold(Sales, 0, [bought("p1", "ann", "2026-01-01", 5)])

    assert msgspec.json.decode(msgspec.json.encode(row), type=Sales) == row
