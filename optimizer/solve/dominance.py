"""Exact dominance: options that another option of the same workload replaces at no cost in any plan.

Drop b for a when k = ceil(capacity_b / capacity_a) replicas of a never cost more than one of b, in any
respect a model can see. Where a limit, a region rule or a cap on replicas could tell them apart, b stays.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.problem import Bools, Ints, Problem
from optimizer.solve.components import OPTION_ARRAYS, OPTION_NAMES


def prune_dominated(problem: Problem) -> Problem:
    """The same problem without dominated options: same optimum, fewer variables."""
    keep: Bools = np.ones(len(problem.option_id), dtype=np.bool_)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        unit_price = problem.price_hourly[options] / problem.capacity[options]
        # The best option per unit is tried first as the one that replaces: most fall to it at once.
        for a in options[np.lexsort((options, unit_price))]:
            if keep[a]:
                keep[options[dominated(problem, int(a), options)]] = False
    return only(problem, np.flatnonzero(keep).astype(np.int64))


def dominated(p: Problem, a: int, options: Ints) -> Bools:
    """Which of a workload's options one option replaces."""
    w = p.option_workload[a]
    copies = np.ceil(p.capacity[options] / p.capacity[a] - 1e-9)
    limited = np.isfinite(p.pool_limit).any(axis=1)
    free = not any(limited[pool] for pool in (p.pool[a], p.quota_pool[a]) if pool >= 0)
    ok: Bools = (options != a) & (copies * p.price_hourly[a] <= p.price_hourly[options])
    ok &= p.current_replicas[options] <= 0
    ok &= p.egress_usd_per_unit[a] <= p.egress_usd_per_unit[options]
    ok &= copies * p.migration_cost_usd[a] <= p.migration_cost_usd[options]
    ok &= free
    if np.isfinite(p.max_replicas[w]):
        ok &= copies <= 1
    if p.is_spot[a]:
        ok &= p.is_spot[options]
    if p.min_regions[w] > 1 or p.max_region_share[w] < 1.0 or p.survive_region_loss[w]:
        # Shares count capacity, so under them only an exact stand-in is safe.
        here = (p.provider[a], p.region[a])
        ok &= np.array([(p.provider[b], p.region[b]) == here for b in options], dtype=bool)
        ok &= np.isclose(copies * p.capacity[a], p.capacity[options], rtol=1e-12, atol=0.0)
    return np.asarray(ok & as_well_covered(p, a, options, copies), dtype=np.bool_)


def as_well_covered(p: Problem, a: int, options: Ints, copies: np.ndarray) -> Bools:
    """Which options no commitment covers better than it covers a."""
    fine = np.ones(len(options), dtype=bool)
    if not len(p.commitments):
        return fine
    coverable = p.is_coverable
    for position, b in enumerate(options):
        if not coverable[b] or p.pool[b] < 0:
            continue
        reach = ~np.isnan(p.committed_rate[:, p.pool[b]])
        if not reach.any():
            continue
        if not coverable[a] or p.pool[a] < 0:
            fine[position] = False
            continue
        scale = copies[position] * p.pool_units[a] / p.pool_units[b]
        rate_a, rate_b = p.committed_rate[reach, p.pool[a]], p.committed_rate[reach, p.pool[b]]
        net_a = p.price_hourly[a] / p.pool_units[a] - p.covered_list_price[reach, p.pool[a]]
        net_b = p.price_hourly[b] / p.pool_units[b] - p.covered_list_price[reach, p.pool[b]]
        fine[position] = bool(((scale * rate_a <= rate_b) & (scale * net_a <= net_b + 1e-12)).all())
    return fine


def only(problem: Problem, options: Ints) -> Problem:
    """The problem with some of its options."""
    kept: dict[str, Any] = {name: getattr(problem, name)[options] for name in OPTION_ARRAYS}
    kept |= {name: tuple(getattr(problem, name)[i] for i in options) for name in OPTION_NAMES}
    kept |= {name: getattr(problem, name)[options] for name in ("option_workload", "pool", "quota_pool")}
    return replace(problem, **kept)
