"""`trimtab demo`: a filled workspace, ingested, forecast, planned and reported; a day of it replayed."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib import resources
from pathlib import Path

import pandas as pd

from data.synthetic import write_demo
from optimizer import pipeline
from optimizer.backtest_cases import question
from optimizer.errors import Fault, InputError
from optimizer.pipeline import Progress, Report
from optimizer.plan import PlacementPlan, read_plan

AS_OF = datetime(2026, 11, 16, tzinfo=UTC)
LOADED_AT = datetime(2026, 11, 16, 1, tzinfo=UTC)  # fixed, so that a second run finds the same workspace
HORIZON = pd.Timedelta(hours=24)
MARK = ".trimtab/demo"
REPLAYED, A_DAY = "embeddings", timedelta(days=1)  # before as-of; a service whose replay takes seconds


@dataclass(frozen=True)
class Demo:
    """What the demo made, and whether anything changed since the last time."""

    placement: PlacementPlan
    report: Report
    files: tuple[Path, ...]
    changed: bool


def run_demo(workspace: Path, *, seed: int, progress: Progress) -> Demo:
    """Make or refresh the demo workspace.

    Raises:
        InputError: the folder holds something that is not a demo, or cannot be written.
    """
    fill(workspace, seed, progress)
    plans = {kind: workspace / "plans" / f"{kind}.json" for kind in ("placement", "capacity")}
    names = ("report.html", "report.md", "backtest/capacity_backtest.html")
    reports = tuple(workspace / "reports" / name for name in names)
    before = fingerprint((*plans.values(), *reports))
    sources = [Path(str(resources.files("data") / "samples"))]
    sources += [workspace / name for name in ("exports", "history", "profiles.parquet", "state.json")]
    for step, source in enumerate(sources):
        progress(f"ingesting {source.name}", 0.15 + 0.06 * step)
        pipeline.ingest(workspace, source, now=LOADED_AT)
    progress("forecasting", 0.45)
    for origin in (AS_OF - timedelta(days=1), AS_OF):  # yesterday's forecast shows what came true
        pipeline.forecast(workspace, as_of=origin, horizon=HORIZON)
    for step, (kind, path) in enumerate(plans.items()):
        progress(f"planning {kind}", 0.6 + 0.12 * step)
        pipeline.plan(workspace, as_of=AS_OF, horizon=HORIZON, kind=kind, out=path)
    progress("replaying a day", 0.85)
    asked = question(AS_OF - A_DAY, AS_OF, (), seed=0, ablation=True, workloads=(REPLAYED,))
    pipeline.backtest_capacity(workspace, asked, now=AS_OF, jobs=1)
    progress("writing the report", 0.95)
    report = pipeline.report(workspace, placement=plans["placement"], now=AS_OF)
    made = read_plan(plans["placement"], PlacementPlan)
    changed = before != fingerprint((*plans.values(), *reports))
    return Demo(made, report, (*reports, *plans.values()), changed)


def fill(workspace: Path, seed: int, progress: Progress) -> None:
    """Write the demo's files once; a second run keeps what is there."""
    mark = workspace / MARK
    if mark.is_file() and mark.read_text(encoding="utf-8") == str(seed):
        return
    if workspace.exists() and (not workspace.is_dir() or any(workspace.iterdir())):
        found = "a folder with other content" if workspace.is_dir() else "a file in its place"
        advice = "choose another --workspace, or remove it"
        raise InputError([Fault(str(workspace), found, f"no folder yet, or a demo of seed {seed}", advice)])
    try:
        write_demo(workspace, seed=seed, as_of=AS_OF, progress=lambda text, done: progress(text, 0.15 * done))
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(str(seed), encoding="utf-8")
    except OSError as error:
        expected, advice = "a folder that can be made and written", "choose another --workspace"
        raise InputError([Fault(str(workspace), str(error.strerror), expected, advice)]) from error


def fingerprint(paths: tuple[Path, ...]) -> str:
    """Hash of the files' content; absent ones count as such."""
    digest = hashlib.sha256()
    for path in paths:
        digest.update(path.read_bytes() if path.is_file() else b"absent")
    return digest.hexdigest()
