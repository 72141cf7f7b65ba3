"""Every notebook runs as it stands, is kept with its outputs, and keeps to the rules of the other code."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from tests.conftest import REPO
from tests.demo_runs import DemoRuns

NOTEBOOKS = sorted((REPO / "notebooks").glob("*.ipynb"))
PATIENCE_S = 600  # a cell takes half a minute at most; a busy machine takes longer
# Run before the first cell: a notebook that makes the demo gets the one that was made for all tests.
MADE_BEFORE = """
import inspect, shutil
from pathlib import Path
from optimizer import demo

def made_before(*given, **named):
    asked = inspect.signature(real).bind(*given, **named).arguments
    assert asked["seed"] == 7
    shutil.copytree({root!r}, asked["workspace"])
    plan = asked["workspace"] / "plans/placement.json"
    return demo.Demo(demo.read_plan(plan, demo.PlacementPlan), None, (), changed=False)

real, demo.run_demo = demo.run_demo, made_before
"""


@pytest.fixture(params=NOTEBOOKS, ids=lambda path: path.stem)
def notebook(request: pytest.FixtureRequest) -> Path:
    """One notebook after the other."""
    path: Path = request.param
    return path


def code_cells(path: Path) -> list[Any]:
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


@pytest.mark.slow
def test_it_runs_and_shows_the_same_kinds_of_things(
    notebook: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    opened = nbformat.read(notebook, as_version=4)
    before = []
    if any("run_demo" in cell.source for cell in opened.cells):
        demo: DemoRuns = request.getfixturevalue("demo")
        before = [nbformat.v4.new_code_cell(MADE_BEFORE.format(root=str(demo.root)))]
    opened.cells = before + opened.cells
    nbclient.NotebookClient(
        opened, timeout=PATIENCE_S, kernel_name="python3", resources={"metadata": {"path": str(tmp_path)}}
    ).execute()
    opened.cells = opened.cells[len(before) :]

    run = [cell for cell in opened.cells if cell.cell_type == "code"]
    for now, kept in zip(run, code_cells(notebook), strict=True):
        assert kinds(now) == kinds(kept), f"keep the outputs anew: {kept.source}"
        assert not [out for out in now.outputs if out.get("name") == "stderr"], now.outputs
    assert list(tmp_path.iterdir()) == [], "it left something beside itself"


def kinds(cell: Any) -> list[object]:
    """What a cell put out, without the content: numbers move, a missing chart is a mistake."""
    return [sorted(out.get("data", {})) or (out.output_type, out.get("name")) for out in cell.outputs]


def test_outputs_are_kept_in_order_and_name_no_machine(notebook: Path) -> None:
    cells = code_cells(notebook)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert all(cell.outputs for cell in cells)
    text = notebook.read_text(encoding="utf-8")
    for private in (*(f"/{folder}/" for folder in ("tmp", "home", "root")), str(REPO)):
        assert private not in text


@pytest.mark.parametrize("rule", [["check"], ["format", "--check"]], ids=["lint", "format"])
def test_its_code_is_held_to_the_rules(notebook: Path, rule: list[str]) -> None:
    asked = [sys.executable, "-m", "ruff", *rule, "--no-cache", str(notebook)]
    done = subprocess.run(asked, cwd=REPO, check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No Python files found" not in done.stderr


def test_the_readme_lists_every_notebook() -> None:
    listed = (REPO / "notebooks/README.md").read_text(encoding="utf-8")
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        assert f"({path.name})" in listed
