"""The wheel holds all that Daybook needs, and works where the sources are not."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

import pytest

from ledger import migrate

ROOT = Path(__file__).parent.parent.parent
PACKAGES = ("api", "domain", "ledger", "migrations", "projections")
PIP = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built of a copy: a build leaves files beside the sources."""
    source = tmp_path_factory.mktemp("source")
    for name in PACKAGES:
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, source / name)
    made = source / "wheel"
    subprocess.run([*PIP, "wheel", "--no-deps", "--no-build-isolation", f"--wheel-dir={made}", source], check=True)
    (found,) = made.iterdir()
    return found


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the wheel's contents and its ``daybook`` script."""
    site = tmp_path_factory.mktemp("site")
    subprocess.run([*PIP, "install", "--no-deps", "--no-index", f"--target={site}", wheel], check=True)
    return site


def run(site: Path, *command: str | Path, **variables: str) -> str:
    """What a command prints when only the installed copy and the dependencies are to be found."""
    environment = os.environ | {"PYTHONPATH": str(site), "DAYBOOK_HOME": str(site / "home")} | variables
    done = subprocess.run(command, cwd=site.parent, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_file_of_the_packages_is_in_the_wheel(wheel: Path) -> None:
    sources = {
        path.relative_to(ROOT).as_posix()
        for name in PACKAGES
        for path in (ROOT / name).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }

    held = set(ZipFile(wheel).namelist())

    assert sources - held == set()
    assert {name for name in held if ".dist-info/" not in name} == sources
    assert any(name.endswith(".dist-info/licenses/LICENSE") for name in held)


def test_the_installed_command_shapes_a_database(installed: Path, empty_url: str) -> None:
    where = run(installed, sys.executable, "-c", "import api, migrations; print(api.__file__, migrations.__file__)")
    assert where.count(str(installed)) == 2

    helped = run(installed, installed / "bin" / "daybook", "--help")
    told = run(installed, installed / "bin" / "daybook", "migrate", "--json", DATABASE_URL=empty_url)

    assert "migrate" in helped
    assert json.loads(told) == {"applied": [migration.name for migration in migrate.migrations()]}
