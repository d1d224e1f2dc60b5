"""Files that a command writes: whether they can be is found out before anything is opened for them."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from .report import fail


@contextmanager
def room_for(paths: Sequence[Path], *, over: bool) -> Iterator[None]:
    """Make the folder of files that the block is to write; where the block fails it leaves no folder of its making.

    Exits where the files cannot be written, or, unless they may be written ``over``, where one is there already: so
    nobody is noted to have seen what was never handed over.
    """
    folder = paths[0].parent
    fresh = [each for each in (folder, *folder.parents) if not each.exists()]
    folder.mkdir(parents=True, exist_ok=True)
    try:
        _refuse_unwritable(folder, paths, over=over)
        yield
    except BaseException:
        for each in fresh:
            # What came to stand in it stays.
            with suppress(OSError):
                each.rmdir()
        raise


def _refuse_unwritable(folder: Path, paths: Sequence[Path], *, over: bool) -> None:
    if not os.access(folder, os.W_OK | os.X_OK):
        fail(f"No file can be written in {folder}; name another folder.")
    for path in paths:
        if not over and path.exists():
            fail(f"{path} is there already; move it away, or name another folder.")
        if path.exists() and not (path.is_file() and os.access(path, os.W_OK)):
            fail(f"{path} cannot be written over; move it away, or name another folder.")
