"""Which pages there are, writing them, and finding those that differ from the declarations."""

from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from pkgutil import walk_packages

import api
import projections

from . import cli, commands, errors, events, metrics, read_models, schema, settings, vocabulary

FOLDER = Path(__file__).parent.parent.parent / "docs" / "reference"

FORMS = "events.schema.json"
"""The page that remembers which fields the events were entered with."""

PAGES: dict[str, Callable[[], str]] = {
    "events.md": events.page,
    FORMS: schema.page,
    "commands.md": commands.page,
    "errors.md": errors.page,
    "vocabulary.md": vocabulary.page,
    "read-models.md": read_models.page,
    "metrics.md": metrics.page,
    "settings.md": settings.page,
    "cli.md": cli.page,
}
"""What stands in the folder, and what makes it."""


def made() -> dict[str, str]:
    """Every page as the declarations have it, by file name."""
    for package in (projections, api):
        for module in walk_packages(package.__path__, package.__name__ + "."):
            # Rules are declared where they are used, so all of them are known only when everything was imported.
            if not module.name.endswith("__main__"):
                import_module(module.name)
    return {name: page() for name, page in PAGES.items()}


def differing(wanted: Mapping[str, str], folder: Path = FOLDER) -> list[str]:
    """The names of the pages that are missing, are not as wanted, or are wanted no more; sorted."""
    standing = {path.name: path.read_text("utf-8") for path in folder.iterdir()} if folder.exists() else {}
    return sorted(name for name in standing.keys() | wanted.keys() if standing.get(name) != wanted.get(name))


class FormAltered(Exception):
    """An event has other fields than it was entered with, and the same schema."""


def write(folder: Path = FOLDER) -> list[str]:
    """Write every page into ``folder`` and remove those no longer made; gives the names that changed.

    Raises :class:`FormAltered`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    wanted = made()
    kept = folder / FORMS
    if kept.exists() and (altered := schema.altered(kept.read_text("utf-8"), wanted[FORMS])):
        raise FormAltered(
            f"{altered[0]} has other fields than before: raise its schema, and bring older entries up with an upcaster."
            f" Where no ledger holds any of it yet, remove {FORMS} first."
        )
    changed = differing(wanted, folder)
    for name in changed:
        if name in wanted:
            (folder / name).write_text(wanted[name], "utf-8")
        else:
            (folder / name).unlink()
    return changed
