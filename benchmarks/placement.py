"""Joint placement: `trimtab solve` on generated problems, beside simpler policies and general solvers.

A row is a number of workloads and of periods; the amount of a size is the number of seeds. Everyone is judged
by the same checker and cost function, with commitments used at their best.
"""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TypeAlias

import highspy
import numpy as np
import pandas as pd
import pulp

from benchmarks.building import BUILD
from benchmarks.compare import Losses
from benchmarks.inputs import GENERATED, shared
from benchmarks.instances import generated, real_offers
from benchmarks.registry import Benchmark, Contender, Prepared, Unavailable
from optimizer.check import check
from optimizer.problem import Floats, Placement, Problem, cost
from optimizer.solve import baselines, highs, pulp_model
from optimizer.solve.compact import build
from optimizer.solve.decomposition import with_cover
from optimizer.solve.highs import Limits
from optimizer.solve.program import Program
from optimizer.solve.small import read_placement

GAP_SHARE = 0.005
MOST = 1e5
SECONDS = 30.0  # that a general solver has for an instance
Peers: TypeAlias = "tuple[Contender[list[Instance], list[Made]], ...]"
Row: TypeAlias = "Benchmark[list[Instance], list[Made]]"
TRIMTAB = "from optimizer.cli import main; main()"


@dataclass(frozen=True)
class Instance:
    """A problem, and the folder of its tables."""

    problem: Problem
    folder: Path


@dataclass(frozen=True)
class Made:
    """What one instance came to: no placement where none was found."""

    placement: Placement | None
    seconds: float
    gap_share: float = float("nan")


def prepare(workloads: int, periods: int, *, listed: bool = False) -> Callable[[Path, int], Prepared]:
    """Problems of so many seeds, as tables and as arrays."""

    def write(folder: Path, seeds: int) -> Prepared:
        from optimizer.problem_files import write_problem  # noqa: PLC0415

        options, prices = 0, shared("catalog/prices.parquet") if listed else []
        for seed in range(seeds):
            problem = (
                real_offers(prices[0], workloads, periods, seed)
                if prices
                else generated(workloads, periods, seed)
            )
            options += len(problem.option_id)
            write_problem(problem, folder / str(seed))
            (folder / f"{seed}.pickle").write_bytes(pickle.dumps(problem))
        each = options / seeds / workloads
        kind = "listed prices, generated demand" if prices else GENERATED if listed else "generated"
        source = f"{kind}: {workloads:,} workloads, {periods} periods, {each:.0f} options each, {seeds} seeds"
        return Prepared(source, float(options * periods), "option-periods")

    return write


def load(folder: Path) -> list[Instance]:
    """All instances, by seed."""
    found = sorted(folder.glob("*.pickle"), key=lambda path: int(path.stem))
    return [Instance(pickle.loads(path.read_bytes()), folder / path.stem) for path in found]


def trimtab(instance: Instance) -> Made:
    """`trimtab solve` in a process of its own; seconds are from the tables read to the file written."""
    out = Path(f"out-{instance.folder.name}")
    arguments = ["solve", str(instance.folder), "--out", str(out), "--gap", str(GAP_SHARE)]
    subprocess.run([sys.executable, "-c", TRIMTAB, *arguments], check=True, capture_output=True)
    summary = json.loads((out / "placement.json").read_text(encoding="utf-8"))
    placement = as_placement(instance.problem, pd.read_parquet(out / "placement.parquet"))
    return Made(placement, summary["seconds"], summary["gap"])


def as_placement(p: Problem, table: pd.DataFrame) -> Placement:
    """The file's rows as arrays, so that they are judged like everyone's."""
    names = zip(p.option_workload, p.option_id, strict=True)
    place = {(p.workloads[w], option): i for i, (w, option) in enumerate(names)}
    i = [place[key] for key in zip(table["workload"], table["option_id"], strict=True)]
    t = pd.Index(p.periods).get_indexer(pd.Index(table["period"]))
    replicas = np.zeros((len(p.option_id), len(p.periods)), dtype=np.int64)
    served = np.zeros(replicas.shape)
    replicas[i, t], served[i, t] = table["replicas"], table["served"]
    nothing = np.zeros((len(p.commitments), len(p.pools), len(p.periods)))
    return with_cover(p, Placement(replicas, served, nothing, np.zeros(len(p.commitments))))


def policy(decide: Callable[[Problem], Placement | None]) -> Callable[[Instance], Made]:
    """A policy against the clock."""

    def run(instance: Instance) -> Made:
        began = time.perf_counter()
        placement = decide(instance.problem)
        return Made(placement, time.perf_counter() - began)

    return run


def by_highs(instance: Instance) -> Made:
    """The compact model by HiGHS, handed over as arrays."""
    return compact(instance, lambda program: highs.minimise(program, limits()).values)  # noqa: PD011 - no frame


def by_pulp_highs(instance: Instance) -> Made:
    """The compact model through PuLP, HiGHS."""
    return compact(instance, lambda program: pulp_model.minimise(program, limits()).values)  # noqa: PD011 - no frame


def by_cbc(instance: Instance) -> Made:
    """The compact model through PuLP, CBC: PuLP 3 brings one, PuLP 4 finds the one of `pulp[cbc]`."""
    brought = getattr(getattr(pulp, "PULP_CBC_CMD", None), "pulp_cbc_path", None)
    solver = pulp.COIN_CMD(path=brought, msg=False, gapRel=GAP_SHARE, threads=1, timeLimit=SECONDS)
    if not solver.available():
        raise Unavailable("PuLP finds no CBC; pip install 'pulp[cbc]'")
    return compact(instance, lambda program: pulp_model.minimise(program, limits(), solver=solver).values)  # noqa: PD011 - no frame


def by_file(solver: str, package: str) -> Callable[[Instance], Made]:
    """The compact model as a file, solved by another process."""

    def values(program: Program) -> Floats | None:
        model = highspy.Highs()  # type: ignore[no-untyped-call]
        model.setOptionValue("output_flag", False)  # noqa: FBT003 - HiGHS names its options by text
        highs.hand_over(bounded(program), model)
        model.writeModel("model.mps")
        arguments = [solver, "model.mps", "result.json", str(SECONDS)]
        command = [sys.executable, "-m", "benchmarks.solvers", *arguments]
        run = subprocess.run(command, check=False, capture_output=True, text=True)
        if run.returncode:
            raise Unavailable(run.stderr.strip().splitlines()[-1])
        found = json.loads(Path("result.json").read_text(encoding="utf-8"))
        return None if found is None else np.array(found)

    def run(instance: Instance) -> Made:
        if find_spec(package) is None:
            raise Unavailable(f"{package} is not installed")
        return compact(instance, values)

    return run


def bounded(program: Program) -> Program:
    """The same with upper bounds that no good answer comes near: CP-SAT takes no variable without one."""
    return replace(program, upper=np.minimum(program.upper, MOST))


def compact(instance: Instance, solved: Callable[[Program], Floats | None]) -> Made:
    """The compact model solved by someone, its counts with commitments at their best."""
    began = time.perf_counter()
    program = build(instance.problem)
    values = solved(program)
    if values is None:
        return Made(None, time.perf_counter() - began)
    placement = with_cover(instance.problem, read_placement(instance.problem, program, values, None))
    return Made(placement, time.perf_counter() - began)


def limits() -> Limits:
    """The gap wanted and the clock."""
    return Limits(GAP_SHARE, 10**9, SECONDS)


def every(one: Callable[[Instance], Made]) -> Callable[[list[Instance]], list[Made]]:
    """All instances, one after another."""
    return lambda instances: [one(instance) for instance in instances]


def judge(instances: list[Instance], made: list[Made]) -> dict[str, float]:
    """Gap to the proven bound, seconds of an instance, rules broken, instances without an answer."""
    gaps, seconds = [each.gap_share for each in made], [each.seconds for each in made]
    placed = [(i.problem, m.placement) for i, m in zip(instances, made, strict=True) if m.placement]
    return {
        "gap %": 100 * float(np.median(gaps)),
        "worst gap %": 100 * float(np.max(gaps)),
        "s each": float(np.median(seconds)),
        "worst s": float(np.max(seconds)),
        "broken rules": float(sum(len(check(problem, placement)) for problem, placement in placed)),
        "unsolved": float(len(made) - len(placed)),
    }


def usd(instances: list[Instance], made: list[Made]) -> Sequence[Losses]:
    """Cost of each instance, to be compared seed by seed; NaN where there is no placement."""
    costs = [
        float("nan") if m.placement is None else cost(i.problem, m.placement)
        for i, m in zip(instances, made, strict=True)
    ]
    mean = float(np.nanmean(costs)) if np.isfinite(costs).any() else float("nan")
    return (Losses("", "USD", costs, {"mean USD": mean}),)


POLICIES = (
    Contender("greedy, price-sorted", every(policy(baselines.greedy))),
    Contender("best mix per workload", every(policy(baselines.per_workload))),
    Contender(
        "best mix per workload, with spot", every(policy(lambda p: baselines.per_workload(p, spot=True)))
    ),
    Contender("single choice", every(policy(baselines.single_choice))),
    Contender(
        "single choice, for the peak", every(policy(lambda p: baselines.single_choice(p, autoscaled=False)))
    ),
)
SOLVERS = (
    Contender("compact, HiGHS", every(by_highs)),
    Contender("compact, PuLP and HiGHS", every(by_pulp_highs)),
    Contender("compact, PuLP and CBC", every(by_cbc)),
    Contender("compact, SCIP", every(by_file("SCIP", "pyscipopt"))),
    Contender("compact, CP-SAT", every(by_file("CP-SAT", "ortools"))),
)


def row(workloads: int, periods: int, seeds: tuple[int, int, int], peers: Peers) -> Row:
    """One row; a size with no seeds is left out."""
    return Benchmark(
        name=f"placement-{workloads}x{periods}",
        about=f"One joint placement to a gap of {GAP_SHARE:.1%}; general solvers have {SECONDS:.0f} s.",
        sizes=dict(zip(("small", "medium", "large"), seeds, strict=True)),
        prepare=prepare(workloads, periods),
        load=load,
        judge=judge,
        subject=Contender("trimtab solve", every(trimtab)),
        peers=peers,
        losses=usd,
        most_repeats=1,
    )


def listed_row(workloads: int, periods: int, seeds: tuple[int, int, int]) -> Row:
    """The same on listed prices, where the sample data has them."""
    made = row(workloads, periods, seeds, POLICIES)
    name = f"placement-listed-{workloads}x{periods}"
    return replace(made, name=name, prepare=prepare(workloads, periods, listed=True))


def solvers_row() -> Row:
    """The smallest row again beside general solvers: they take all the time they are given."""
    return replace(row(100, 1, (0, 5, 5), SOLVERS), name="placement-solvers")


BENCHMARKS: tuple[Benchmark[Any, Any], ...] = (
    row(100, 1, (5, 5, 5), POLICIES),
    solvers_row(),
    row(100, 24, (0, 5, 5), POLICIES),
    row(1_000, 1, (0, 5, 5), POLICIES),
    row(1_000, 24, (0, 5, 5), POLICIES),
    row(10_000, 24, (0, 0, 2), ()),
    listed_row(100, 1, (5, 5, 5)),
    listed_row(1_000, 1, (0, 5, 5)),
    listed_row(1_000, 24, (0, 5, 5)),
    BUILD,
)
