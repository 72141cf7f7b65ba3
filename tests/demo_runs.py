"""The wheel of this source tree and the demo, made once for all tests that look at them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import pytest

from tests.e2e import wheels
from tests.e2e.workspaces import Ran, lake_content, process, tree
from tests.once import once

PATIENCE_S = 600  # a run lasts most of a minute; on a busy machine some


@dataclass(frozen=True)
class DemoRuns:
    """Two runs of the demo in one workspace, and what was there after each."""

    root: Path
    first: Ran
    second: Ran
    files: dict[str, str]
    files_again: dict[str, str]
    rows: dict[str, int]
    rows_again: dict[str, int]


@dataclass(frozen=True)
class Installed:
    """The wheel of this source tree, and the scripts of an environment that has nothing else of it."""

    wheel: Path
    bin: Path


def install(folder: Path) -> Installed:
    """Build the wheel and install it."""
    (folder / "wheel").mkdir()
    wheel = wheels.build(folder / "wheel")
    return Installed(wheel, wheels.install(wheel, folder / "environment"))


def run_twice(factory: pytest.TempPathFactory, folder: Path) -> DemoRuns:
    """`trimtab demo` as it is installed from the wheel, and once more from the source tree."""
    root, scripts = folder / "demo", once(factory, "installed", install).bin
    done = wheels.trimtab(scripts, folder, "demo", "-w", str(root), "--json")
    first = Ran(done.returncode, done.stdout, done.stderr)
    files, rows = tree(root), lake_content(root)
    second = process("demo", "-w", root, timeout=PATIENCE_S)
    return DemoRuns(root, first, second, files, tree(root), rows, lake_content(root))


def demo_runs(factory: pytest.TempPathFactory) -> DemoRuns:
    """Both runs, whoever asks for them first."""
    return once(factory, "demo-runs", partial(run_twice, factory))
