"""The wheel: what is in it, and that it works where the repository is not."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPO
from tests.demo_runs import Installed
from tests.e2e.wheels import PACKAGES, neutral, trimtab

DATA = {".sql", ".csv", ".j2", ".css", ".html", ".md", ".json"}


@pytest.fixture(scope="session")
def names(installed: Installed) -> set[str]:
    """Files in the wheel."""
    with zipfile.ZipFile(installed.wheel) as archive:
        return set(archive.namelist())


def test_the_wheel_holds_every_source_file(names: set[str]) -> None:
    wanted = {
        path.relative_to(REPO).as_posix()
        for package in PACKAGES
        for path in (REPO / package).rglob("*")
        if path.suffix in {".py", *DATA} and "__pycache__" not in path.parts
    }
    assert not wanted - names
    assert {Path(name).suffix for name in wanted} >= {".py", ".sql", ".csv", ".j2"}


def test_packages_are_typed(names: set[str]) -> None:
    assert {f"{package}/py.typed" for package in PACKAGES} <= names


def test_nothing_else_is_in_it(names: set[str]) -> None:
    assert {name.split("/")[0] for name in names} - set(PACKAGES) == {
        next(name.split("/")[0] for name in names if ".dist-info/" in name)
    }
    assert not [name for name in names if name.endswith((".pyc", ".duckdb", ".sqlite"))]
    assert [name for name in names if name.endswith(".dist-info/licenses/LICENSE")]


def test_it_runs_from_anywhere(installed: Installed, tmp_path: Path) -> None:
    shown = trimtab(installed.bin, tmp_path, "--version")
    assert shown.stdout.split() == ["trimtab", "0.1.0"], shown.stderr
    where = "import optimizer, data; print(optimizer.__file__); print(data.__file__)"
    asked = [str(installed.bin / "python"), "-c", where]
    found = subprocess.run(asked, cwd=tmp_path, env=neutral(), capture_output=True, text=True, check=True)
    assert str(REPO) not in found.stdout, "the wheel is not what runs"


def test_it_makes_a_workspace_and_checks_it(installed: Installed, tmp_path: Path) -> None:
    made = trimtab(installed.bin, tmp_path, "init", "work", "--json")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "work" / "workloads.yaml").is_file()
    checked = trimtab(installed.bin, tmp_path, "check", "--workspace", "work", "--json")
    assert "understood" in checked.stdout, checked.stderr
