"""Planning: the whole `trimtab plan` process."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.inputs import GENERATED, START, shared, traffic
from benchmarks.registry import Benchmark, Contender, Prepared

GAP_SHARE = 0.005
TRIMTAB = "from optimizer.cli import main; main()"
IMPORTS = "import optimizer.pipeline"
MINUTE = pd.Timedelta(minutes=1)
KEPT = {"PYTHONDONTWRITEBYTECODE": ""}  # what an installed Trimtab has: its modules compiled
TOTALS = ("requests", "tokens_in", "tokens_out")
COLUMNS = ("ts", *TOTALS)
MANY_DAYS = 14
SERVICE = "model: llm-8b, slo: {ttft_s: 2.0, tpot_ms: 60, target: 0.999}, burstiness: 4.0"
WORKLOADS = f"""\
workloads:
  - {{name: chat, {SERVICE}}}
"""


@dataclass(frozen=True)
class Workspace:
    """A workspace of its own for every measurement, and the moment to plan for."""

    root: Path
    as_of: str


def prepare_workspace(folder: Path, days: int) -> Prepared:
    """One LLM service with so many days of minute data."""
    root = folder / "workspace"
    (root / "history").mkdir(parents=True)
    found = shared("workspaces/llm-8b")
    if found:
        for path in found[0].iterdir():
            shutil.copyfile(path, root / path.name)
    else:
        invented_workspace(root)
    usage, source = minutes_of("servegen_m-small", days)
    end = usage["ts"].iloc[-1] + MINUTE
    usage = usage.loc[~usage["is_gap"]].assign(workload="chat")
    usage[[*COLUMNS, "workload"]].to_parquet(root / "history" / "usage.parquet", index=False)
    (folder / "as_of").write_text(end.isoformat(), encoding="utf-8")
    where = "llm-8b" if found else f"workspace {GENERATED}"
    return Prepared(f"{where} with {days} days of minutes of {source}", len(usage), "history rows")


def minutes_of(series: str, days: int) -> tuple[pd.DataFrame, str]:
    """A trace in 10-minute steps as so many days of minutes; days repeat."""
    history, source = traffic(series, days)
    minutes = history.loc[history.index.repeat(10)].reset_index(drop=True)
    minutes[list(TOTALS)] /= 10
    return minutes.assign(ts=pd.date_range(START, periods=len(minutes), freq="1min", unit="us")), source


def prepare_many(folder: Path, count: int) -> Prepared:
    """So many LLM services with 14 days of minutes each: two traces, shifted, scaled and scattered."""
    prepared = prepare_workspace(folder, MANY_DAYS)
    root, random = folder / "workspace", np.random.default_rng(0)
    traces = [minutes_of(name, MANY_DAYS)[0] for name in ("servegen_m-small", "servegen_m-mid")]
    names = [f"service-{i:04d}" for i in range(count)]
    parts = []
    for i, name in enumerate(names):
        trace, shift = traces[i % len(traces)], int(random.integers(MANY_DAYS * 1440))
        scale = random.lognormal(-1.5, 1.0) * random.lognormal(0.0, 0.1, len(trace))
        moved = {total: np.roll(trace[total].to_numpy(), shift) * scale for total in TOTALS}
        part = pd.DataFrame({"ts": trace["ts"], **moved, "workload": name})
        parts.append(part.loc[~np.roll(trace["is_gap"].to_numpy(), shift)])
    usage = pd.concat(parts, ignore_index=True)
    usage.to_parquet(root / "history" / "usage.parquet", index=False)
    lines = [f"  - {{name: {name}, {SERVICE}}}" for name in names]
    (root / "workloads.yaml").write_text("\n".join(["workloads:", *lines, ""]), encoding="utf-8")
    source = f"{count} services, each {prepared.source}, shifted, scaled and scattered"
    return Prepared(source, len(usage), "history rows")


def invented_workspace(root: Path) -> None:
    """Two ways to buy one GPU type on demand, and four spot pools."""
    (root / "workloads.yaml").write_text(WORKLOADS, encoding="utf-8")
    firm = {"purchase": "on_demand", "pool": None}
    rows = [
        {"option_id": "od", "instance_type": "g1", "accelerator_count": 1, "price_hourly": 1.0, **firm},
        {"option_id": "big-od", "instance_type": "g8", "accelerator_count": 8, "price_hourly": 7.5, **firm},
    ]
    spot = {"instance_type": "g1", "accelerator_count": 1, "purchase": "spot"}
    for k, letter in enumerate("abcd"):
        name = f"spot-{letter}"
        rows.append({"option_id": name, "price_hourly": 0.3 + 0.02 * k, "pool": name, **spot})
    catalog = pd.DataFrame(rows).assign(provider="cloud", region="region-0", accelerator="GPU", quota=500.0)
    catalog.to_parquet(root / "catalog.parquet", index=False)
    profile = {"model": "llm-8b", "accelerator": "GPU", "prefill_tps": 7500.0, "decode_tps": 1500.0}
    profiles = pd.DataFrame([{**profile, "max_concurrency": 48.0, "tpot_ms": 35.0}])
    profiles.to_parquet(root / "profiles.parquet", index=False)


def load_workspace(folder: Path) -> Workspace:
    """A copy in the scratch folder: planning writes into the workspace."""
    shutil.copytree(folder / "workspace", "workspace")
    return Workspace(Path("workspace"), (folder / "as_of").read_text(encoding="utf-8"))


def whole_process(workspace: Workspace) -> Path | None:
    """`trimtab plan` from its start to its end."""
    out = Path("plan.json")
    arguments = ["plan", "--workspace", str(workspace.root), "--as-of", workspace.as_of, "--out", str(out)]
    subprocess.run(
        [sys.executable, "-c", TRIMTAB, *arguments], check=True, capture_output=True, env=os.environ | KEPT
    )
    return out


def imports_alone(_: Workspace) -> Path | None:
    """The part of it that is Python starting and importing."""
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True, env=os.environ | KEPT)
    return None


def judge_plan(_: Workspace, plan: Path | None) -> dict[str, float]:
    """Cost and proven gap of the plan."""
    if plan is None:
        return {"USD": np.nan, "gap": np.nan}
    body = json.loads(plan.read_text(encoding="utf-8"))
    return {"USD": body["expected_cost_usd"], "gap": body["proof"]["gap_share"]}


BENCHMARKS = (
    Benchmark(
        name="plan-capacity",
        about="`trimtab plan` as a whole process: start, read, forecast, solve, check, write.",
        sizes={"small": 3, "medium": 14, "large": 28},
        prepare=prepare_workspace,
        load=load_workspace,
        judge=judge_plan,
        subject=Contender("trimtab plan", whole_process),
        peers=(Contender("of it: imports", imports_alone),),
    ),
    Benchmark(
        name="plan-capacity-many",
        about="The same for many services with 14 days of minutes each, which share quotas.",
        sizes={"small": 20, "medium": 100, "large": 1_000},
        prepare=prepare_many,
        load=load_workspace,
        judge=judge_plan,
        subject=Contender("trimtab plan", whole_process),
        most_repeats=1,
    ),
)
