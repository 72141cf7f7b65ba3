"""A model file solved by SCIP or CP-SAT: `python -m benchmarks.solvers SOLVER MODEL RESULT SECONDS`.

In a process of its own, because OR-tools cannot be imported beside highspy.
"""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path

STEP = 2.0**-10  # of what is not whole, where a solver knows whole numbers only
LARGEST = 2.0**20  # coefficient of a row, after scaling
FINEST = 2.0**30  # most that a row is multiplied by
UNBOUNDED = 2**62


def scip(model: str, seconds: float) -> list[float] | None:
    """Values by column; None where nothing was found in time."""
    from pyscipopt import Model  # noqa: PLC0415 - not installed everywhere

    problem = Model()
    problem.hideOutput()
    problem.readProblem(model)
    problem.setParam("limits/time", seconds)
    problem.optimize()
    if not problem.getNSols():
        return None
    best = problem.getBestSol()
    named = {variable.name: best[variable] for variable in problem.getVars()}
    return [named[f"c{k}"] for k in range(len(named))]


def cp_sat(model: str, seconds: float) -> list[float] | None:
    """The same by CP-SAT, on one worker.

    OR-tools' own conversion rounds bounds of rows until some hold nothing, and refuses the model. Here
    columns that are not whole move in steps, rows are multiplied before they are rounded, and an equation
    may be missed by one step.
    """
    from ortools.linear_solver.python import model_builder  # noqa: PLC0415
    from ortools.sat.python import cp_model  # noqa: PLC0415

    read, whole = model_builder.Model(), cp_model.CpModel()
    read.import_from_mps_file(model)
    columns = read.get_variables()
    step = [1.0 if column.is_integral else STEP for column in columns]
    made = [
        whole.new_int_var(math.ceil(column.lower_bound / s), math.floor(column.upper_bound / s), column.name)
        for column, s in zip(columns, step, strict=True)
    ]
    for row in read.get_linear_constraints():
        at = list(read.helper.constraint_var_indices(row.index))
        sizes = [a * step[k] for k, a in zip(at, read.helper.constraint_coefficients(row.index), strict=True)]
        scaled, least, most = in_whole_numbers(sizes, row.lower_bound, row.upper_bound)
        if row.lower_bound == row.upper_bound:
            most += max((abs(c) for k, c in zip(at, scaled, strict=True) if step[k] < 1.0), default=0)
        total = cp_model.LinearExpr.weighted_sum([made[k] for k in at], scaled)
        whole.add_linear_expression_in_domain(total, cp_model.Domain(least, most))
    prices = [column.objective_coefficient * s for column, s in zip(columns, step, strict=True)]
    whole.minimize(cp_model.LinearExpr.weighted_sum(made, prices))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds, solver.parameters.num_workers = seconds, 1
    if solver.solve(whole) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    named = {column.name: solver.value(x) * s for column, x, s in zip(columns, made, step, strict=True)}
    return [named[f"c{k}"] for k in range(len(named))]


def in_whole_numbers(sizes: list[float], least: float, most: float) -> tuple[list[int], int, int]:
    """A row multiplied until its numbers may be rounded: coefficients and both bounds."""
    factor = min(LARGEST / max(map(abs, sizes)), FINEST)
    low = -UNBOUNDED if math.isinf(least) else math.ceil(factor * least)
    high = UNBOUNDED if math.isinf(most) else math.floor(factor * most)
    return [round(factor * size) for size in sizes], low, max(low, high)


if __name__ == "__main__":
    by = {"SCIP": scip, "CP-SAT": cp_sat}[sys.argv[1]]
    Path(sys.argv[3]).write_text(json.dumps(by(sys.argv[2], float(sys.argv[4]))), encoding="utf-8")
