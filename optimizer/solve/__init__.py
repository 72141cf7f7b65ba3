"""From a `Problem` to a `Placement` with a proven bound. The only package that imports a solver."""

from __future__ import annotations

from optimizer.solve.dominance import prune_dominated
from optimizer.solve.solution import ShadowPrice, Shortfall, Solution
from optimizer.solve.solver import solve

__all__ = ["ShadowPrice", "Shortfall", "Solution", "prune_dominated", "solve"]
