"""Imported records: what came from each source, and how much of it more than once."""

from domain.event import Event
from projections.metrics.imported_records import ImportedRecords
from tests.projections.facts import bought, day
from tests.projections.world import World

AT = day("2026-12-31")
Row = ImportedRecords.Row
CONTENT, OTHER = "0123456789abcdef" * 2, "fedcba9876543210" * 2


def imported(source: str, external_id: str, at: str = "2026-01-01") -> Event:
    return bought(f"{source} {external_id}", None, at, source=source, external_id=external_id)


def test_what_was_not_imported_is_not_counted(world: World) -> None:
    world.given(bought("a1", "ann", "2026-01-01"))

    assert world.compute("imported_records", AT) == []


def test_a_record_whose_content_came_before_is_a_duplicate_and_its_second_entry_is_none(
    world: World,
) -> None:
    world.given(
        imported("shop", f"{CONTENT}-1/1", "2026-01-05"),
        imported("shop", f"{CONTENT}-1/2", "2026-01-02"),
        imported("shop", f"{CONTENT}-2/1"),
        imported("shop", f"{CONTENT}-2/2"),
        imported("shop", f"{CONTENT}-10/1"),
        imported("shop", f"{OTHER}-1/1"),
        imported("crm", "536365/1", "2026-02-01"),
        imported("crm", "536365-2/1", "2026-02-03"),
        imported("crm", "17850/customer", "2026-02-02"),
    )

    assert world.compute("imported_records", AT) == [
        Row(source="crm", records=3, entries=3, duplicates=0, first_at=day("2026-02-01"), last_at=day("2026-02-03")),
        Row(source="shop", records=4, entries=6, duplicates=2, first_at=day("2026-01-01"), last_at=day("2026-01-05")),
    ]
