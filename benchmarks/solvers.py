"""A model file solved by SCIP or CP-SAT: `python -m benchmarks.solvers SOLVER MODEL RESULT SECONDS`.

In a process of its own, because OR-tools cannot be imported beside highspy.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path


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
    """The same by CP-SAT, on one worker."""
    from ortools.linear_solver.python import model_builder  # noqa: PLC0415

    problem = model_builder.Model()
    problem.import_from_mps_file(model)
    solver = model_builder.Solver("sat")
    solver.set_time_limit_in_seconds(seconds)
    solver.set_solver_specific_parameters("num_workers:1")
    status = solver.solve(problem)
    if status == model_builder.SolveStatus.MODEL_INVALID:
        sys.exit("CP-SAT refuses the model")
    if status not in (model_builder.SolveStatus.OPTIMAL, model_builder.SolveStatus.FEASIBLE):
        return None
    named = {variable.name: solver.value(variable) for variable in problem.get_variables()}
    return [named[f"c{k}"] for k in range(len(named))]


if __name__ == "__main__":
    by = {"SCIP": scip, "CP-SAT": cp_sat}[sys.argv[1]]
    Path(sys.argv[3]).write_text(json.dumps(by(sys.argv[2], float(sys.argv[4]))), encoding="utf-8")
