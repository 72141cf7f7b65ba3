"""What one covered unit may save: at most the least that it costs on demand.

A commitment that saved more would pay for running what nobody needs. Models count on it (`most_replicas` of
the compact one, the kernel of prices); tables and problems from Python are held to it here.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from optimizer.problem import Bools, Floats, Ints, Problem

RULE = "at most the least that a unit of the pool costs on demand"


def least_unit_usd(pool: Ints, usd: Floats, units: Floats, pools: int) -> Floats:
    """(P,) the least USD that a unit costs of what draws on each pool; infinite where nothing does.

    Args:
        pool: (N,) of what is paid on demand; -1 = none.
        usd: (N,) its price; nan counts for nothing.
        units: (N,) that it draws.
        pools: how many there are.
    """
    least = np.full(pools + 1, np.inf)
    np.fmin.at(least, pool, np.divide(usd, units, out=np.full(len(usd), np.inf), where=units > 0))
    return least[:-1]


def saves_too_much(saved: Floats, least: Floats) -> Bools:
    """Which covered units save more than they cost; nan = not eligible."""
    return np.asarray(saved > least * (1 + 1e-6) + 1e-9, dtype=bool)


def oversaved(problem: Problem) -> Iterator[str]:
    """Every breach of the rule in words."""
    p, nodes = problem, problem.nodes
    own = p.is_coverable & ~nodes.is_shared
    least = least_unit_usd(
        np.concatenate([p.pool[own], nodes.pool[nodes.is_coverable]]),
        np.concatenate([p.price_hourly[own], nodes.price_hourly[nodes.is_coverable]]),
        np.concatenate([p.pool_units[own], nodes.pool_units[nodes.is_coverable]]),
        len(p.pools),
    )
    for c, k in np.argwhere(saves_too_much(p.covered_list_price, least)):
        yield (
            f"commitment {p.commitments[c]!r} saves {p.covered_list_price[c, k]:g} for a unit of "
            f"{p.pools[k]!r} that costs {least[k]:g}; expected {RULE}"
        )
