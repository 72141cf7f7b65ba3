"""From a `Problem` to a `Placement` with a proven bound. The only package that imports a solver."""

from __future__ import annotations

from optimizer.solve.dominance import prune_dominated
from optimizer.solve.solver import Shortfall, Solution, solve

__all__ = ["Shortfall", "Solution", "prune_dominated", "solve"]
