"""Workspaces that are dear to make, made once: the demo, and a language model with a real trace."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.e2e import wheels
from tests.e2e.workspaces import Ran, lake_content, process, save, tree
from tests.once import once

TRACE_BEGIN = pd.Timestamp("2026-05-01T00:00:00Z")


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


def install_wheel(folder: Path) -> Installed:
    """Build the wheel and install it."""
    (folder / "wheel").mkdir()
    wheel = wheels.build(folder / "wheel")
    return Installed(wheel, wheels.install(wheel, folder / "environment"))


def run_twice(installed: Installed, folder: Path) -> DemoRuns:
    """`trimtab demo` as it is installed from the wheel, and once more from the source tree."""
    root = folder / "demo"
    done = wheels.trimtab(installed.bin, folder, "demo", "-w", str(root), "--json")
    first = Ran(done.returncode, done.stdout, done.stderr)
    files, rows = tree(root), lake_content(root)
    second = process("demo", "-w", root)
    return DemoRuns(root, first, second, files, tree(root), rows, lake_content(root))


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, installed where the repository is not."""
    return once(tmp_path_factory, "installed", install_wheel)


@pytest.fixture(scope="session", autouse=True)
def demo_under_way(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Future[DemoRuns] | None]:
    """The two runs of the demo, begun at once: they last a minute, in which other tests can run."""
    if not any("demo" in getattr(item, "fixturenames", ()) for item in request.session.items):
        yield None
        return
    installed: Installed = request.getfixturevalue("installed")
    with ThreadPoolExecutor(max_workers=1) as pool:
        yield pool.submit(once, tmp_path_factory, "demo-runs", partial(run_twice, installed))


@pytest.fixture(scope="session")
def demo(demo_under_way: Future[DemoRuns]) -> DemoRuns:
    """What two runs of `trimtab demo` made."""
    runs = demo_under_way.result()
    assert runs.first.code == 0, runs.first.err
    return runs


@pytest.fixture(scope="session")
def llm(tmp_path_factory: pytest.TempPathFactory, shared: Path) -> Path:
    """The example workspace with ten days of a published trace, spread over the minutes of its intervals."""
    root = tmp_path_factory.mktemp("llm") / "llm-8b"
    shutil.copytree(shared / "workspaces" / "llm-8b", root)
    save(root, "history/usage.parquet", minutes_of(shared, "servegen_m-small"))
    return root


def minutes_of(shared: Path, series: str) -> pd.DataFrame:
    """A trace of ten-minute totals as minutes; gaps have no rows."""
    trace = pd.read_parquet(shared / "datasets" / "traffic_llm_servegen_10min.parquet")
    trace = trace.loc[trace["series_id"].eq(series) & ~trace["is_gap"]].sort_values("offset_s")
    spread = trace.loc[trace.index.repeat(10)].reset_index(drop=True)
    offset_s = spread["offset_s"].astype("int64") + 60 * np.tile(np.arange(10), len(trace))
    requests = spread["requests"].astype(float) / 10.0
    return pd.DataFrame(
        {
            "ts": (TRACE_BEGIN + pd.to_timedelta(offset_s, unit="s")).dt.as_unit("us"),
            "workload": "chat",
            "requests": requests,
            "tokens_in": requests * spread["mean_input_tokens"].astype(float).fillna(800.0),
            "tokens_out": requests * spread["mean_output_tokens"].astype(float).fillna(150.0),
        }
    )
