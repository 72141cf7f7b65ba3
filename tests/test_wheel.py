"""The wheel: what is in it, and that it works where the repository is not."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from tests.conftest import REPO

PACKAGES = ("optimizer", "flows", "models", "data")
SCRIPT = """\
import sys
from importlib.metadata import distribution
(entry,) = distribution("trimtab").entry_points.select(group="console_scripts", name="trimtab")
sys.exit(entry.load()())
"""
DATA = {".sql", ".csv", ".j2", ".css", ".html", ".md", ".json"}


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this source tree, built with what is installed here."""
    folder = tmp_path_factory.mktemp("wheel")
    build = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(folder), str(REPO)]
    run = subprocess.run(build, cwd=folder, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr
    (made,) = folder.glob("trimtab-*.whl")
    return made


@pytest.fixture(scope="session")
def names(wheel: Path) -> set[str]:
    """Files in the wheel."""
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="session")
def bin_folder(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scripts of a fresh environment with the wheel; its dependencies are those installed here.

    A pure wheel is installed by unpacking it: that needs no pip, which uv leaves out of its environments.
    """
    home = tmp_path_factory.mktemp("environment")
    venv.create(home, symlinks=os.name == "posix")
    paths = sysconfig.get_paths("venv", vars={"base": str(home), "platbase": str(home)})
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(paths["purelib"])
    # Searched after the wheel's own folder; .pth files in it, such as this tree's, are not followed.
    here = sysconfig.get_paths()["purelib"]
    (Path(paths["purelib"]) / "dependencies.pth").write_text(here + "\n", encoding="utf-8")
    script = Path(paths["scripts"]) / "trimtab"
    script.write_text(f"#!{paths['scripts']}/python\n{SCRIPT}", encoding="utf-8")
    script.chmod(0o755)
    return Path(paths["scripts"])


def neutral() -> dict[str, str]:
    """The environment without what leads back to the repository."""
    return {key: value for key, value in os.environ.items() if key not in {"PYTHONPATH", "VIRTUAL_ENV"}}


def trimtab(bin_folder: Path, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command in a folder that has nothing to do with the repository."""
    command = [str(bin_folder / "trimtab"), *arguments]
    return subprocess.run(command, cwd=folder, env=neutral(), capture_output=True, text=True, check=False)


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


def test_it_runs_from_anywhere(bin_folder: Path, tmp_path: Path) -> None:
    shown = trimtab(bin_folder, tmp_path, "--version")
    assert shown.stdout.split() == ["trimtab", "0.1.0"], shown.stderr
    where = "import optimizer, data; print(optimizer.__file__); print(data.__file__)"
    asked = [str(bin_folder / "python"), "-c", where]
    found = subprocess.run(asked, cwd=tmp_path, env=neutral(), capture_output=True, text=True, check=True)
    assert str(REPO) not in found.stdout, "the wheel is not what runs"


def test_it_makes_a_workspace_and_checks_it(bin_folder: Path, tmp_path: Path) -> None:
    made = trimtab(bin_folder, tmp_path, "init", "work", "--json")
    assert made.returncode == 0, made.stderr
    assert (tmp_path / "work" / "workloads.yaml").is_file()
    checked = trimtab(bin_folder, tmp_path, "check", "--workspace", "work", "--json")
    assert "understood" in checked.stdout, checked.stderr


@pytest.mark.slow
def test_the_demo_runs_from_the_wheel(bin_folder: Path, tmp_path: Path) -> None:
    shown = trimtab(bin_folder, tmp_path, "demo", "--json")
    assert shown.returncode == 0, shown.stderr
    assert (tmp_path / "demo" / "reports" / "report.html").stat().st_size > 10_000
