"""The one door to HiGHS: a `Program` goes in as arrays, what was found and what is proven come out.

Whether there is an answer is read from the values HiGHS holds, never from its status, which only tells why it
stopped. One thread, a fixed seed: equal programs have equal answers.
"""

from __future__ import annotations

from dataclasses import dataclass

import highspy
import numpy as np
from scipy.sparse import csc_array

from optimizer.errors import SolverError
from optimizer.problem import Floats
from optimizer.solve.program import Program
from optimizer.solve.quiet import silent_stdout

# How far a count may be off a whole number. With the usual 1e-6 what is missed in a shortage came out as less
# than whole counts can miss: the levels after it then found nothing, or answers that were far too dear.
WHOLE = 1e-9


@dataclass(frozen=True)
class Limits:
    """Where a run ends. Nodes and the gap repeat from run to run; the clock is only a safety net."""

    gap_share: float
    nodes: int
    seconds: float
    presolve: str = "choose"


@dataclass(frozen=True)
class Found:
    """What one run of a solver came to.

    Attributes:
        status: in the solver's own words; only to tell why it stopped.
        values: (columns,) the best answer, None where there is none.
        objective, bound: of the answer, and what no answer is below.
        duals: (rows,) of a program without whole numbers, else zeros.
    """

    status: str
    values: Floats | None
    objective: float
    bound: float
    duals: Floats


def minimise(program: Program, limits: Limits, start: Floats | None = None) -> Found:
    """Run HiGHS; `start` are values to begin from, HiGHS fills in what they leave open."""
    options: dict[str, bool | float | str] = {
        "output_flag": False, "threads": 1, "random_seed": 0, "mip_rel_gap": limits.gap_share,
        "mip_max_nodes": limits.nodes, "time_limit": limits.seconds, "presolve": limits.presolve,
        "mip_feasibility_tolerance": WHOLE,
    }  # fmt: skip
    with silent_stdout():
        highs = highspy.Highs()  # type: ignore[no-untyped-call]
        for name, value in options.items():
            highs.setOptionValue(name, value)
        hand_over(program, highs)
        if start is not None:
            given = highspy.HighsSolution()
            given.col_value = start.tolist()
            highs.setSolution(given)
        highs.run()
    status = str(highs.modelStatusToString(highs.getModelStatus()))
    info, solution = highs.getInfo(), highs.getSolution()
    duals = np.asarray(solution.row_dual)
    objective = float(info.objective_function_value)  # what HiGHS says of its answer
    feasible = info.primal_solution_status == highspy.SolutionStatus.kSolutionStatusFeasible
    if not feasible or not np.isfinite(objective):
        return Found(status, None, np.inf, -np.inf, duals)
    values = np.asarray(solution.col_value)
    own = float(program.cost @ values)
    # Seen with 1.16 and a start: "Optimal" with an objective a fifth below that of the answer it gives.
    is_honest = abs(own - objective) <= 1e-6 * (1.0 + abs(own))
    bound = objective if not program.whole.any() else float(info.mip_dual_bound)
    return Found(status, values, own, min(bound, own) if is_honest else -np.inf, duals)


class Growing:
    """A linear program that gets more columns from run to run, each run from where the last one ended."""

    def __init__(self, program: Program) -> None:
        self.cost, self.size = program.cost, len(program.cost)
        with silent_stdout():
            self.highs = highspy.Highs()  # type: ignore[no-untyped-call]
            for name, value in {"output_flag": False, "threads": 1, "random_seed": 0}.items():
                self.highs.setOptionValue(name, value)
            hand_over(program, self.highs)

    def add_columns(self, columns: csc_array) -> None:
        """Add columns that cost nothing, without an upper bound."""
        size = columns.shape[1]
        self.highs.addCols(
            size, np.zeros(size), np.zeros(size), np.full(size, np.inf), columns.nnz,
            columns.indptr[:-1].astype(np.int32), columns.indices.astype(np.int32), columns.data,
        )  # fmt: skip
        self.cost = np.append(self.cost, np.zeros(size))

    def run(self) -> Found:
        """Solve it as it is now."""
        with silent_stdout():
            self.highs.run()
        status = str(self.highs.modelStatusToString(self.highs.getModelStatus()))
        solution = self.highs.getSolution()
        duals = np.asarray(solution.row_dual)
        if self.highs.getModelStatus() != highspy.HighsModelStatus.kOptimal:
            return Found(status, None, np.inf, -np.inf, duals)
        values = np.asarray(solution.col_value)
        usd = float(self.cost @ values)
        return Found(status, values, usd, usd, duals)


def hand_over(program: Program, highs: highspy.Highs) -> None:
    """Give HiGHS the program's arrays as they are, in one call."""
    matrix = program.matrix
    rows, columns = matrix.shape
    told = highs.passModel(
        columns,
        rows,
        matrix.nnz,
        int(highspy.MatrixFormat.kColwise),
        int(highspy.ObjSense.kMinimize),
        0.0,
        program.cost,
        program.lower,
        program.upper,
        program.row_lower,
        program.row_upper,
        matrix.indptr.astype(np.int32, copy=False),
        matrix.indices.astype(np.int32, copy=False),
        matrix.data,
        program.whole.astype(np.int32),
    )
    if told == highspy.HighsStatus.kError:
        raise SolverError("HiGHS refuses the program: a coefficient or bound is not a number it can take")
