"""Planning: the whole `trimtab plan` process, and the solver alone against CBC and a greedy rule."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pulp

from benchmarks.inputs import GENERATED, START, shared, traffic
from benchmarks.problems import generated
from benchmarks.registry import Benchmark, Contender, Prepared, Unavailable
from optimizer.coverage import best_cover
from optimizer.problem import Ints, Placement, Problem, check, cost
from optimizer.solve import solve
from optimizer.solve.compact import build
from optimizer.solve.components import components
from optimizer.solve.pulp_model import to_pulp

GAP_SHARE = 0.005
CBC_SECONDS = 30  # for each independent part; what it has by then counts
TRIMTAB = "from optimizer.cli import main; main()"
IMPORTS = "import optimizer.pipeline"
WORKLOADS = """\
workloads:
  - {name: chat, model: llm-8b, slo: {ttft_s: 2.0, tpot_ms: 60, target: 0.999}, burstiness: 4.0}
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
    history, source = traffic("servegen_m-small", days)
    minutes = history.loc[history.index.repeat(10)].reset_index(drop=True)
    totals = ["requests", "tokens_in", "tokens_out"]
    minutes[totals] /= 10
    ts = pd.date_range(START, periods=len(minutes), freq="1min", unit="us")
    usage = minutes.loc[~minutes["is_gap"], totals].assign(ts=ts[~minutes["is_gap"]], workload="chat")
    usage.to_parquet(root / "history" / "usage.parquet", index=False)
    (folder / "as_of").write_text((ts[-1] + pd.Timedelta(minutes=1)).isoformat(), encoding="utf-8")
    where = "llm-8b" if found else f"workspace {GENERATED}"
    return Prepared(f"{where} with {days} days of minutes of {source}", len(usage), "history rows")


def invented_workspace(root: Path) -> None:
    """Two ways to buy one GPU type."""
    (root / "workloads.yaml").write_text(WORKLOADS, encoding="utf-8")
    catalog = pd.DataFrame({"option_id": ["od", "big-od"], "instance_type": ["g1", "g8"]})
    catalog = catalog.assign(provider="cloud", region="region-0", purchase="on_demand", accelerator="GPU")
    catalog = catalog.assign(accelerator_count=[1, 8], price_hourly=[1.0, 7.5], quota=500.0)
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
    subprocess.run([sys.executable, "-c", TRIMTAB, *arguments], check=True, capture_output=True)
    return out


def imports_alone(_: Workspace) -> Path | None:
    """The part of it that is Python starting and importing."""
    subprocess.run([sys.executable, "-c", IMPORTS], check=True, capture_output=True)
    return None


def judge_plan(_: Workspace, plan: Path | None) -> dict[str, float]:
    """Cost and proven gap of the plan."""
    if plan is None:
        return {"USD": np.nan, "gap": np.nan}
    body = json.loads(plan.read_text(encoding="utf-8"))
    return {"USD": body["expected_cost_usd"], "gap": body["proof"]["gap_share"]}


def prepare_problem(folder: Path, workloads: int) -> Prepared:
    """One joint problem."""
    problem = generated(workloads)
    (folder / "problem.pickle").write_bytes(pickle.dumps(problem))
    _, options, periods = problem.shape
    shape = f"{workloads} workloads, {options} options, {periods} periods"
    return Prepared(f"generated: {shape}", float(options * periods), "counts")


def load_problem(folder: Path) -> Problem:
    """The same problem for everyone."""
    problem: Problem = pickle.loads((folder / "problem.pickle").read_bytes())
    return problem


def with_highs(problem: Problem) -> Placement:
    """What Trimtab solves with."""
    return solve(problem, gap_share=GAP_SHARE).placement


def with_cbc(problem: Problem) -> Placement:
    """The same model, part by part, with CBC: PuLP 3 brings one, PuLP 4 finds the one of `pulp[cbc]`."""
    brought = getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", None)
    solver = pulp.COIN_CMD(path=brought, msg=False, gapRel=GAP_SHARE, threads=1, timeLimit=CBC_SECONDS)
    if not solver.available():
        raise Unavailable("PuLP finds no CBC; pip install 'pulp[cbc]'")
    _, options, periods = problem.shape
    replicas = np.zeros((options, periods), dtype=np.int64)
    for part in components(problem):
        model, variables = to_pulp(build(part.problem))
        model.solve(solver)
        for (name, *index), variable in variables.items():
            if name == "n":
                replicas[part.options[index[0]], part.periods[index[1]]] = round(variable.varValue)
    return placed(problem, replicas)


def greedy(problem: Problem) -> Placement:
    """Period by period: spot up to its share, cheapest per unit first; the cheapest on-demand for the rest.

    One option per way of buying and workload, as an autoscaler with a price-sorted list takes them.
    """
    _, options, periods = problem.shape
    replicas = np.zeros((options, periods), dtype=np.int64)
    unit_price = problem.price_hourly / problem.capacity
    left = problem.pool_limit.copy()
    for w in range(len(problem.workloads)):
        mine = problem.options_of(w)
        ranked = mine[np.argsort(unit_price[mine], kind="stable")]
        spot, firm = (ranked[problem.is_spot[ranked] == kind][0] for kind in (True, False))
        for t in range(periods):
            need = float(problem.demand[w, t])
            share = problem.max_spot_share[w] * need
            room = left[problem.pool[spot], t]
            replicas[spot, t] = int(min(share // problem.capacity[spot], room))
            left[problem.pool[spot], t] -= replicas[spot, t]
            rest = need - replicas[spot, t] * problem.capacity[spot]
            replicas[firm, t] = max(int(np.ceil(rest / problem.capacity[firm] - 1e-9)), 1)
    return placed(problem, replicas)


def placed(problem: Problem, replicas: Ints) -> Placement:
    """Counts as a placement: replicas share the load evenly, existing commitments cover what is best."""
    room = problem.capacity[:, None] * replicas
    total = np.zeros_like(problem.demand)
    np.add.at(total, problem.option_workload, room)
    busy = np.divide(np.minimum(problem.demand, total), total, out=np.zeros_like(total), where=total > 0)
    bought = np.zeros(len(problem.commitments))
    covered = best_cover(problem, replicas, bought)
    return Placement(replicas, room * busy[problem.option_workload], covered, bought)


def judge_placement(problem: Problem, placement: Placement) -> dict[str, float]:
    """Cost, and how many rules the checker finds broken."""
    return {"USD": cost(problem, placement), "broken rules": float(len(check(problem, placement)))}


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
        name="plan-solve",
        about=f"One joint placement to a gap of {GAP_SHARE:.1%}; CBC has {CBC_SECONDS} s for each part.",
        sizes={"small": 4, "medium": 12, "large": 30},
        prepare=prepare_problem,
        load=load_problem,
        judge=judge_placement,
        subject=Contender("trimtab (HiGHS)", with_highs),
        peers=(Contender("same, by CBC", with_cbc), Contender("greedy", greedy)),
    ),
)
