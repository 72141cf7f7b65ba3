"""What replicas draw on pools; a pool that is limit and quota of an option counts once."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats, Ints, Problem


def drawn_on(p: Problem, replicas: Floats | Ints, options: Ints | slice = slice(None)) -> Floats:
    """(P, T) units that replicas of some options (all by default) draw on each pool."""
    pool, quota = p.pool[options], p.quota_pool[options]
    drawn = np.zeros((len(p.pools) + 1, replicas.shape[1]))
    units = p.pool_units[options, None] * replicas
    np.add.at(drawn, pool, units)
    np.add.at(drawn, np.where(quota == pool, -1, quota), units)
    return drawn[:-1]
