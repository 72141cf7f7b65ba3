"""Solve a `Problem`: components, the compact model with HiGHS, the checker, the proven gap.

The status of a solver is never trusted: PuLP calls an incumbent that hit a limit "Optimal". The bound is
read from the solver itself, feasibility and cost are computed anew by `optimizer.problem`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pulp

from optimizer.errors import InfeasibleError, SolverError
from optimizer.problem import Floats, Placement, Problem, at, check, cost
from optimizer.solve.compact import Vars, build, missed_total, rule_size, total_cost
from optimizer.solve.components import Part, components

MAX_NODES = 20_000
TIME_LIMIT_SECONDS = 300.0
LEAST_MISSED_GAP_SHARE = 1e-6  # of what is missed: the cost is weighed only among placements that miss least


@dataclass(frozen=True)
class Shortfall:
    """One rule that a shortage forced to be missed: by how much, of how much."""

    rule: str
    workload: str
    period: str
    missing: float
    wanted: float


@dataclass(frozen=True)
class Solution:
    """A checked placement with what is proven about it.

    `gap_share` is (cost - bound) / cost and holds for the problem with the shortfalls as they stand.
    """

    placement: Placement
    cost_usd: float
    bound_usd: float
    shortfalls: tuple[Shortfall, ...]
    stopped_by: str  # "gap" | "nodes" | "time"

    @property
    def gap_share(self) -> float:
        """Proven distance to the optimum as a share of the cost."""
        if abs(self.cost_usd) < 1e-9:
            return 0.0
        return max(0.0, (self.cost_usd - self.bound_usd) / abs(self.cost_usd))


def solve(problem: Problem, *, gap_share: float = 0.005) -> Solution:
    """Place every workload at least cost.

    Args:
        problem: every workload has at least one option (filters come before).
        gap_share: stop a component once its gap is proven to be this small.

    Raises:
        InfeasibleError: a workload has no option at all.
        SolverError: no placement came back or the checker refused it.
    """
    bare = [name for w, name in enumerate(problem.workloads) if not len(problem.options_of(w))]
    if bare:
        raise InfeasibleError(f"no option at all for {', '.join(bare)}: add options or remove the workload")
    whole = join(problem, [(part, solve_component(part.problem, gap_share)) for part in components(problem)])
    refused = check(problem, whole.placement)
    if whole.shortfalls:
        known = {(s.rule, f"{s.workload},{s.period}") for s in whole.shortfalls}
        refused = tuple(violation for violation in refused if (violation.rule, violation.where) not in known)
    if refused:
        raise SolverError("the checker refuses the placement: " + "; ".join(map(str, refused[:5])))
    return whole


def solve_component(problem: Problem, gap_share: float) -> Solution:
    """Strictly where possible; else miss as little as possible, then at least cost."""
    model, v = build(problem)
    run = minimise(model, gap_share)
    if run is None:
        model, v = build(problem, elastic=True)
        first = minimise(model, LEAST_MISSED_GAP_SHARE)
        if first is None:
            raise SolverError(f"no placement exists for {', '.join(problem.workloads)}: upper limits clash")
        model.addConstraint(missed_total(problem, v) <= first.objective * (1 + 1e-6) + 1e-7, "least_missed")
        model.setObjective(total_cost(problem, v))
        run = minimise(model, gap_share)
        if run is None:
            raise SolverError("the solver lost the least-missed placement it had found")
        run = Run(run.objective, run.bound, last_reason((first.stopped_by, run.stopped_by)))
    placement = read_placement(problem, v)
    shortfalls = tuple(read_shortfalls(problem, v, placement))
    return Solution(placement, cost(problem, placement), run.bound, shortfalls, run.stopped_by)


def last_reason(reasons: Iterable[str]) -> str:
    """The reason that proves least."""
    return max(reasons, key=("gap", "nodes", "time").index, default="gap")


@dataclass(frozen=True)
class Run:
    """What one call of the solver proved."""

    objective: float
    bound: float
    stopped_by: str


def minimise(model: pulp.LpProblem, gap_share: float) -> Run | None:
    """Run HiGHS to a gap or a node limit; None if it is infeasible. The clock is only a safety net."""
    solver = pulp.HiGHS(
        msg=False,
        gapRel=gap_share,
        threads=1,
        timeLimit=TIME_LIMIT_SECONDS,
        mip_max_nodes=MAX_NODES,
        random_seed=0,
    )
    with silent_stdout():
        solver.createAndConfigureSolver(model)
    solver.buildSolverModel(model)
    solver.callSolver(model)
    highs = model.solverModel
    status = highs.modelStatusToString(highs.getModelStatus())
    if "nfeasible" in status:
        return None
    info = highs.getInfo()
    incumbent = np.isfinite(info.objective_function_value) and info.primal_solution_status == FEASIBLE
    if not incumbent or status not in STOPPED_BY:
        without = "" if incumbent else " and without a placement"
        raise SolverError(f"HiGHS ended with {status!r}{without}")
    values = highs.getSolution().col_value
    for variable in model.variables():
        variable.varValue = values[variable.index]
    objective = float(info.objective_function_value)
    has_integers = any(variable.cat == pulp.LpInteger for variable in model.variables())
    bound = float(info.mip_dual_bound) if has_integers else objective
    return Run(objective, min(bound, objective), STOPPED_BY[status])


@contextmanager
def silent_stdout() -> Iterator[None]:
    """Hide what the solver's library prints when it is first used: standard output may carry JSON."""
    sys.stdout.flush()
    kept = os.dup(1)
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), 1)
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)


FEASIBLE = 2  # HighsInfo.primal_solution_status: kSolutionStatusFeasible
STOPPED_BY = {
    "Optimal": "gap",
    "Time limit reached": "time",
    "Solution limit reached": "nodes",
    "Iteration limit reached": "nodes",
}


def read_placement(problem: Problem, v: Vars) -> Placement:
    """The model's values as arrays: counts rounded to whole numbers, demand shared out over what runs."""
    _, options, periods = problem.shape
    replicas = np.zeros((options, periods), dtype=np.int64)
    for (i, t), variable in v.n.items():
        replicas[i, t] = round(variable.varValue)
    covered = np.zeros((len(problem.commitments), len(problem.pools), periods))
    for (c, k, t), variable in v.y.items():
        covered[c, k, t] = max(0.0, variable.varValue)
    bought = np.array([max(0.0, v.b[c].varValue) for c in range(len(problem.commitments))])
    return Placement(replicas, share_out(problem, replicas, servable(problem, replicas)), covered, bought)


def servable(problem: Problem, replicas: np.ndarray) -> Floats:
    """(W, T) demand that running capacity can serve without leaning on spot beyond its share."""
    room = problem.capacity[:, None] * replicas
    total, firm = np.zeros_like(problem.demand), np.zeros_like(problem.demand)
    np.add.at(total, problem.option_workload, room)
    np.add.at(firm, problem.option_workload, room * ~problem.is_spot[:, None])
    share = 1.0 - problem.max_spot_share[:, None]
    most = np.divide(firm, share, out=np.full_like(firm, np.inf), where=share > 0)
    return np.minimum(problem.demand, np.minimum(total, most))


def share_out(problem: Problem, replicas: np.ndarray, amounts: Floats) -> Floats:
    """(I, T) served by each option: cheapest egress first, then in proportion to what is left.

    For given replicas and amounts (W, T) this routing is optimal: no other cost depends on it.
    """
    served = np.zeros(replicas.shape)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        left = amounts[w].copy()
        egress = problem.egress_usd_per_unit[options]
        for level in np.unique(egress):
            tier = options[egress == level]
            room = problem.capacity[tier][:, None] * replicas[tier]
            total = room.sum(axis=0)
            taken = np.minimum(left, total)
            served[tier] = room * np.divide(taken, total, out=np.zeros_like(total), where=total > 0)
            left -= taken
    return served


def read_shortfalls(problem: Problem, v: Vars, placement: Placement) -> Iterable[Shortfall]:
    """The rules the elastic model missed by more than rounding; by how much is the checker's word."""
    found = {(violation.rule, violation.where): violation for violation in check(problem, placement)}
    for (rule, w, t), variable in sorted(v.s.items()):
        violation = found.get((rule, at(problem, w, t)))
        if violation is not None and variable.varValue > 1e-7 * (1.0 + rule_size(problem, rule, w, t)):
            missing = abs(violation.allowed - violation.found)
            yield Shortfall(rule, problem.workloads[w], problem.periods[t], missing, violation.allowed)


def join(problem: Problem, parts: Sequence[tuple[Part, Solution]]) -> Solution:
    """The parts' placements put together in the whole problem's order."""
    _, options, periods = problem.shape
    replicas = np.zeros((options, periods), dtype=np.int64)
    served = np.zeros((options, periods))
    covered = np.zeros((len(problem.commitments), len(problem.pools), periods))
    bought = np.zeros(len(problem.commitments))
    for part, solution in parts:
        placed = solution.placement
        rows = np.ix_(part.options, part.periods)
        replicas[rows], served[rows] = placed.replicas, placed.served
        used = np.union1d(problem.pool[part.options], problem.quota_pool[part.options])
        covered[np.ix_(part.commitments, used[used >= 0], part.periods)] = placed.covered
        bought[part.commitments] = placed.bought_usd_per_hour
    placement = Placement(replicas, served, covered, bought)
    return Solution(
        placement,
        cost(problem, placement),
        sum(solution.bound_usd for _, solution in parts),
        tuple(shortfall for _, solution in parts for shortfall in solution.shortfalls),
        last_reason(solution.stopped_by for _, solution in parts),
    )
