"""What may import what, what loads when, and that the repository speaks of no machine."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from importlinter.cli import lint_imports

from tests.conftest import REPO

PACKAGES = ("optimizer", "flows", "models", "data")
FOLDERS = (*PACKAGES, "benchmarks", "tests", "notebooks", "docs")
TEXTS = {".py", ".md", ".toml", ".sql", ".ipynb", ".yaml", ".json", ".csv", ".txt"}
LAZY = ("duckdb", "highspy", "numpy", "pandas", "prefect", "pulp", "pyarrow", "pydantic", "sqlalchemy")
HOME = re.compile(
    r"(?<![\w.:/<])/(?:home|root|Users|work|tmp|mnt|opt)/[\w.-]"
)  # a place on someone's machine


def sources(*folders: str, endings: set[str] | None = None) -> Iterator[Path]:
    """Files of the repository in the given folders, without caches."""
    for folder in folders:
        for path in sorted((REPO / folder).rglob("*")):
            if path.is_file() and path.suffix in (endings or {".py"}) and "__pycache__" not in path.parts:
                yield path


def test_imports_run_downhill_and_through_their_doors(capsys: pytest.CaptureFixture[str]) -> None:
    code = lint_imports(config_filename=str(REPO / "pyproject.toml"), no_cache=True, no_logo=True)
    assert code == 0, capsys.readouterr().out


def test_a_broken_contract_would_be_seen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = tmp_path / "contracts.toml"
    config.write_text(
        '[tool.importlinter]\nroot_packages = ["optimizer", "data"]\n'
        '[[tool.importlinter.contracts]]\nname = "upside down"\ntype = "layers"\n'
        'layers = ["data", "optimizer"]\n',
        encoding="utf-8",
    )
    assert lint_imports(config_filename=str(config), no_cache=True, no_logo=True) == 1


def top_level_imports(path: Path) -> set[str]:
    """First names of the modules that a file imports when it is loaded."""
    names: set[str] = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            names |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names.add((node.module or "").split(".")[0])
    return names


def test_the_command_line_imports_typer_and_the_standard_library_alone() -> None:
    files = sorted((REPO / "optimizer" / "cli").glob("*.py"))
    outside = {name for file in files for name in top_level_imports(file)} - set(sys.stdlib_module_names)
    assert outside == {"typer", "optimizer"}  # of ours its own modules alone, as the next test shows


def loaded_by(statement: str) -> set[str]:
    """Top-level modules that a fresh interpreter holds after a statement."""
    code = (
        f"import json, sys; {statement}; print(json.dumps(sorted({{m.split('.')[0] for m in sys.modules}})))"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=REPO, capture_output=True, check=True, text=True)
    return set(json.loads(run.stdout))


def test_the_command_line_loads_nothing_heavy() -> None:
    assert not loaded_by("import optimizer.cli") & set(LAZY)


def test_models_load_alone_and_the_pipeline_without_prefect() -> None:
    loaded = loaded_by("import models.ladder")
    assert not loaded & {"data", "optimizer", "flows", "duckdb", "pulp"}
    assert "prefect" not in loaded_by("import optimizer.pipeline")


def test_no_file_names_a_place_on_someones_machine() -> None:
    top = [path for path in REPO.iterdir() if path.suffix in TEXTS or path.name in {"Makefile", ".gitignore"}]
    named = [
        f"{path.relative_to(REPO)}:{number}: {line.strip()[:80]}"
        for path in [*sources(*FOLDERS, endings=TEXTS), *top]
        if path != Path(__file__).resolve()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if HOME.search(line)
    ]
    assert not named


@pytest.mark.parametrize(("before", "folder"), [("", "home"), ('open("', "tmp"), ("see ", "root")])
def test_such_a_place_is_seen(before: str, folder: str) -> None:
    assert HOME.search(f"{before}/{folder}/x")


@pytest.mark.parametrize(
    "text", ["https://x.org/" + "home/a", "work/plans", "../" + "work/x", "requests/s", "<a/" + "tmp/b>"]
)
def test_addresses_and_relative_paths_are_none(text: str) -> None:
    assert not HOME.search(text)


def test_every_test_folder_is_a_package() -> None:
    folders = {path.parent for path in sources("tests") if path.name.startswith("test_")}
    assert not [folder for folder in folders if not (folder / "__init__.py").is_file()]


@pytest.mark.parametrize("package", PACKAGES)
def test_packages_say_that_they_are_typed(package: str) -> None:
    assert (REPO / package / "py.typed").is_file()
