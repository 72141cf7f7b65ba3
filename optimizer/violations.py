"""What the checker says of a rule that is broken, and how much rounding it lets pass."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Problem

TOLERANCE = 1e-6


@dataclass(frozen=True)
class Violation:
    """One rule that a placement breaks, and by how much."""

    rule: str
    where: str
    found: float
    allowed: float

    def __str__(self) -> str:
        return f"{self.rule}[{self.where}]: {self.found:.6g} against {self.allowed:.6g}"


def at(problem: Problem, workload: int | np.integer, period: int | np.integer) -> str:
    """Name of one workload in one period, as it stands in messages."""
    return f"{problem.workloads[workload]},{problem.periods[period]}"


def of_option(problem: Problem, option: int | np.integer, period: int | np.integer | None = None) -> str:
    """Name of one option of a workload, in one period or in all, as it stands in messages."""
    when = "" if period is None else f",{problem.periods[period]}"
    return f"{problem.workloads[problem.option_workload[option]]}/{problem.option_id[option]}{when}"


def slack(values: Floats) -> Floats:
    """Absolute plus relative tolerance: solvers keep rows to about 1e-7 of their size."""
    return np.asarray(TOLERANCE * (1.0 + np.abs(values)))
