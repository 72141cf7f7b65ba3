"""A `Program` as a PuLP model: for any solver that PuLP knows, and for rows of one's own.

Works alike on PuLP 3.3 and 4: all that differs between them is in this file.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np
import pulp

from optimizer.solve import highs
from optimizer.solve.highs import Found, Limits
from optimizer.solve.program import Program
from optimizer.solve.quiet import silent_stdout

Model: TypeAlias = (
    Any  # pulp.LpProblem, pulp.LpVariable, pulp.LpSolver: pulp ships no types in all its versions
)
Variable: TypeAlias = Any
Solver: TypeAlias = Any
OwnRows = Callable[[Model, Mapping[tuple[str | int, ...], Variable]], None]

TOLERANCE = 1e-5  # relative, to which a solver must have kept rows for its answer to count
sum_of = getattr(pulp.LpAffineExpression, "from_list", pulp.LpAffineExpression)  # PuLP 4, PuLP 3


def to_pulp(
    program: Program, extra: OwnRows | None = None
) -> tuple[Model, dict[tuple[str | int, ...], Variable]]:
    """The model, and its variables by block and indices: `variables["n", 3, 0]` is n of option 3 in period 0.

    Args:
        program: what to translate.
        extra: is called with the model and its variables; it may add rows (`model += sum <= 3, "mine"`)
            and variables (`model.add_variable`). The objective must stay as it is.
    """
    model = pulp.LpProblem("placement", pulp.LpMinimize)
    keys = [(block.name, *index) for block in program.variables for index in block.index.tolist()]
    kinds = np.where(program.whole, pulp.LpInteger, pulp.LpContinuous).tolist()
    columns = [
        model.add_variable("_".join(map(str, key)), finite(lower), finite(upper), kind)
        for key, lower, upper, kind in zip(
            keys, program.lower.tolist(), program.upper.tolist(), kinds, strict=True
        )
    ]
    model.setObjective(sum_of([(columns[j], float(program.cost[j])) for j in np.flatnonzero(program.cost)]))
    matrix = program.matrix.tocsr()
    column, value = matrix.indices.tolist(), matrix.data.tolist()
    bounds = zip(program.row_lower.tolist(), program.row_upper.tolist(), strict=True)
    for k, (name, (lower, upper)) in enumerate(zip(program.row_names(), bounds, strict=True)):
        own = range(matrix.indptr[k], matrix.indptr[k + 1])
        left = sum_of([(columns[column[e]], value[e]) for e in own])
        add_rows(model, name, left, lower, upper)
    variables = dict(zip(keys, columns, strict=True))
    if extra is not None:
        extra(model, variables)
    return model, variables


def add_rows(model: Model, name: str, left: Any, lower: float, upper: float) -> None:
    """One row, or two for a sum that lies between two bounds: PuLP's rows have one side."""
    if lower == upper:
        model.addConstraint(left == lower, name)
        return
    both = np.isfinite(lower) and np.isfinite(upper)
    if np.isfinite(lower):
        model.addConstraint(left >= lower, f"{name}_least" if both else name)
    if np.isfinite(upper):
        model.addConstraint(left <= upper, f"{name}_most" if both else name)


def finite(bound: float) -> float | None:
    """A bound as PuLP wants it."""
    return bound if np.isfinite(bound) else None


def minimise(
    program: Program, limits: Limits, extra: OwnRows | None = None, solver: Solver | None = None
) -> Found:
    """Solve by a solver of PuLP; by HiGHS within the limits unless another solver, configured, is given.

    An answer counts if it keeps the program's rows and those added, whatever the solver calls it.
    """
    model, variables = to_pulp(program, extra)
    with silent_stdout():
        stats = model.solve(solver if solver is not None else default_solver(limits))
    status = getattr(stats, "status_str", None) or pulp.LpStatus[model.status]
    found = [variable.varValue for variable in variables.values()]
    values = np.array(
        [low if x is None else x for x, low in zip(found, program.lower, strict=True)], dtype=float
    )
    own = (row.valid(TOLERANCE * (1.0 + abs(row.constant))) for row in model.constraints())
    kept = program.violation(values) <= TOLERANCE and all(own)
    none = np.zeros(len(program.row_lower))
    if not kept:
        return Found(status, None, np.inf, -np.inf, none)
    objective = float(program.cost @ values)
    return Found(status, values, objective, min(proven(program, model, stats, limits), objective), none)


def default_solver(limits: Limits) -> Solver:
    """HiGHS as `optimizer.solve.highs` runs it, but for the nodes: PuLP 3 fails where they end it.

    So it ends by gap or by the clock, and a run that the clock ends may differ from the next.
    """
    return pulp.HiGHS(
        msg=False, gapRel=limits.gap_share, threads=1, timeLimit=limits.seconds, random_seed=0,
    )  # fmt: skip


def proven(program: Program, model: Model, stats: Any, limits: Limits) -> float:
    """What no answer is below: the solver's word if PuLP passes it on, else that of the relaxed program.

    Rows of one's own only make the optimum dearer, so the program's own bound holds with them too.
    """
    reported = getattr(stats, "best_bound", None)  # PuLP 4
    if reported is None and hasattr(getattr(model, "solverModel", None), "getInfo"):  # HiGHS under PuLP 3
        reported = model.solverModel.getInfo().mip_dual_bound
    if reported is not None and np.isfinite(reported) and program.whole.any():
        return float(reported)
    return highs.minimise(program.relaxed(), limits).bound
