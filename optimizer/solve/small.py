"""Small problems: the compact model with HiGHS, its status never trusted.

PuLP calls an incumbent that hit a limit "Optimal". The bound is read from the solver itself, feasibility and
cost are computed anew by `optimizer.problem`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pulp

from optimizer.errors import SolverError
from optimizer.problem import Floats, Placement, Problem, at, check, cost
from optimizer.solve.compact import Vars, build, missed_total, rule_size, total_cost
from optimizer.solve.quiet import silent_stdout
from optimizer.solve.solution import ShadowPrice, Shortfall, Solution, last_reason

MAX_NODES = 20_000
TIME_LIMIT_SECONDS = 300.0
LEAST_MISSED_GAP_SHARE = 1e-6  # of what is missed: the cost is weighed only among placements that miss least


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


def shadow_prices(problem: Problem) -> Iterator[ShadowPrice]:
    """What one more unit of each limit or commitment is worth: duals without whole numbers."""
    if not np.isfinite(problem.pool_limit).any() and not len(problem.commitments):
        return
    found = relaxed(problem)
    if found is None:
        return  # a shortage: what more would be worth has no price
    _, duals = found
    for t, period in enumerate(problem.periods):
        for k, name in enumerate(problem.pools):
            yield ShadowPrice("pool", name, period, max(0.0, -duals.get(f"within_pool_{k}_{t}", 0.0)))
        for c, name in enumerate(problem.commitments):
            yield ShadowPrice(
                "commitment", name, period, max(0.0, -duals.get(f"within_commitment_{c}_{t}", 0.0))
            )


def relaxed(problem: Problem) -> tuple[float, dict[str, float]] | None:
    """Cost without whole numbers and the dual of each row by its name; None where that is infeasible."""
    model, _ = build(problem)
    for variable in model.variables():
        variable.cat = pulp.LpContinuous
    run = minimise(model, 0.0)
    if run is None:
        return None
    names = [row.name for row in model.constraints()]
    return run.objective, dict(zip(names, model.solverModel.getSolution().row_dual, strict=True))


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
