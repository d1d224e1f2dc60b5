"""What a rebuild or a sample gave, told to people and to programs."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from projections.engine.comparing import holds_sealed
from projections.engine.model import ReadModel, columns, models
from projections.engine.rebuilding import Rebuilt
from projections.engine.sampling import SAMPLE_MAX, Sample

from .instants import respelled
from .report import as_json, counted, grouped, out, rows

ROWS_SHOWN_MAX = 5
"""Why: a screenful of a sample; --json gives them all."""


def tell(done: Sequence[Rebuilt], json: bool) -> None:
    """Say which builds were made, and what differs from those that served before."""
    if json:
        as_json([_as_told(each) for each in done])
        return
    rows(
        ("model", "version", "position", "rows", "differing"),
        [(each.build.model, each.build.version, each.build.position, *_figures(each)) for each in done],
        json,
    )
    for each in done:
        if each.difference is not None and not each.difference.is_empty:
            _tell_difference(each)
    for each in done:
        _tell_aside(each)


def _as_told(rebuilt: Rebuilt) -> dict[str, Any]:
    build, found = rebuilt.build, rebuilt.difference
    told = {"model": build.model, "version": build.version, "position": build.position}
    differing = found and found._asdict() | {"examples": [example._asdict() for example in found.examples]}
    return told | {"in_service": rebuilt.in_service, "aside": rebuilt.aside, "difference": differing}


def _figures(rebuilt: Rebuilt) -> tuple[int | None, int | None]:
    found = rebuilt.difference
    return (found.rows, found.only_before + found.only_after + found.changed) if found else (None, None)


def _tell_difference(rebuilt: Rebuilt) -> None:
    found, name = rebuilt.difference, rebuilt.build.model
    assert found is not None
    out.print(f"\n[bold]{name}[/bold], both builds at {grouped(found.position)}:")
    for told, count, keys in (
        ("only in the new build", found.only_after, found.keys_only_after),
        ("only in the old one", found.only_before, found.keys_only_before),
    ):
        out.print(f"  {counted(count, 'row')} {told}{_listed(keys, count)}", markup=False)
    out.print(f"  {counted(found.changed, 'row')} changed")
    for column, count in found.changed_columns.items():
        out.print(f"    {column} in {count}", markup=False)
    for example in found.examples:
        changed = "; ".join(f"{column}: {before} → {after}" for column, (before, after) in example.columns.items())
        out.print(f"    {example.key}  {respelled(changed)}", markup=False)
    for told, names in (("New columns", found.columns_added), ("Columns that are gone", found.columns_removed)):
        if names:
            out.print(f"  {told}: {', '.join(names)}", markup=False)
    if rebuilt.in_service:
        out.print(f"  The new build serves; take it back with: daybook rollback {name}", markup=False)


def _tell_aside(rebuilt: Rebuilt) -> None:
    if not rebuilt.aside:
        return
    told, name = counted(rebuilt.aside, "key"), rebuilt.build.model
    again = "daybook status" if rebuilt.in_service else f"daybook rebuild {name} --sample {SAMPLE_MAX}"
    out.print(f"{told} of {name} fail to fold and have no row; see where with: {again}", markup=False)


def _listed(keys: Sequence[str], count: int) -> str:
    return f": {', '.join(keys)}{' …' if count > len(keys) else ''}" if keys else ""


def tell_samples(samples: Mapping[str, Sample], json: bool) -> None:
    """Show what samples gave: some rows, what fails, the rate, and how long the whole would take."""
    if json:
        as_json({name: _plain(models()[name], each) for name, each in samples.items()})
        return
    for name, each in samples.items():
        out.print(
            f"[bold]{name}[/bold]: {each.customers} customers, {each.entries} entries, {len(each.rows)} rows,"
            f" {len(each.failing)} failing; {each.rate:.0f} entries/s, so a rebuild of {each.entries_in_all} entries"
            f" takes {each.seconds_in_all:.0f} s at most."
        )
        for row in each.rows[:ROWS_SHOWN_MAX]:
            out.print(f"  {msgspec.json.encode(_row(models()[name], row)).decode()}", markup=False)
        for key, position, error in each.failing[:ROWS_SHOWN_MAX]:
            out.print(f"  {key} fails at entry {position}: {error}", markup=False)


def _plain(model: type[ReadModel], found: Sample) -> dict[str, Any]:
    told = {"customers": found.customers, "entries": found.entries, "seconds": found.seconds}
    told |= {"entries_in_all": found.entries_in_all, "seconds_in_all": found.seconds_in_all}
    return told | {"failing": found.failing, "rows": [_row(model, row) for row in found.rows]}


def _row(model: type[ReadModel], row: ReadModel) -> dict[str, Any]:
    """A row for people to read: what is sealed is not shown."""
    plain: dict[str, Any] = msgspec.to_builtins(row)
    hidden = {column for column, hint in columns(model).items() if holds_sealed(hint) and plain[column] is not None}
    return plain | dict.fromkeys(hidden, "sealed")
