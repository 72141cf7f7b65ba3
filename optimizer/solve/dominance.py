"""Exact dominance: options that another option of the same workload replaces at no cost in any plan.

Drop b for a when k = ceil(capacity_b / capacity_a) replicas of a never cost more than one of b, in any
respect a model can see. Where a limit, a region rule or a cap on replicas could tell them apart, b stays.
Nodes that are shared fall whole, see `optimizer.solve.node_dominance`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from optimizer.caps import CHANGED, KG_CO2E
from optimizer.problem import OPTION_ARRAYS, OPTION_NAMES, Bools, Floats, Ints, Problem
from optimizer.solve.node_dominance import on_dominated_nodes


def prune_dominated(problem: Problem) -> Problem:
    """The same problem without dominated options: same optimum, fewer variables."""
    keep = np.full(len(problem.option_id), fill_value=True)
    for w in range(len(problem.workloads)):
        options = problem.options_of(w)
        unit_price = problem.price_hourly[options] / problem.capacity[options]
        # The best option per unit is tried first as the one that replaces: most fall to it at once.
        for a in options[np.lexsort((options, unit_price))]:
            if keep[a]:
                keep[options[dominated(problem, int(a), options)]] = False
    keep &= ~on_dominated_nodes(problem, dominated)
    return only(problem, np.flatnonzero(keep).astype(np.int64))


def dominated(p: Problem, a: int, options: Ints) -> Bools:
    """Which of a workload's options one option replaces."""
    w = p.option_workload[a]
    copies = np.maximum(np.ceil(p.capacity[options] / p.capacity[a] - 1e-9), 1.0)
    limited = np.asarray(np.isfinite(p.pool_limit).any(axis=1))
    free = not any(limited[pool] for pool in (p.pool[a], p.quota_pool[a]) if pool >= 0)
    ok: Bools = (options != a) & (copies * p.price_hourly[a] <= p.price_hourly[options])
    ok &= (p.nodes.of_option[options] < 0) & (p.nodes.of_option[a] < 0)  # nodes cost, not what is on them
    ok &= p.current_replicas[options] <= 0
    ok &= p.egress_usd_per_unit[a] <= p.egress_usd_per_unit[options]
    ok &= copies * p.migration_cost_usd[a] <= p.migration_cost_usd[options]
    ok &= free & as_well_placed(p, a, options)
    if np.isfinite(p.max_replicas[w]) or np.isfinite(p.ramp.max_replicas[w]):
        ok &= copies <= 1
    if p.is_spot[a]:
        ok &= p.is_spot[options]
    survives = p.survive_region_loss[w] or p.survival.survive_zone_loss[w]
    if p.min_regions[w] > 1 or p.max_region_share[w] < 1.0 or survives:
        here = (p.provider[a], p.region[a])
        ok &= np.array([(p.provider[b], p.region[b]) == here for b in options], dtype=bool)
    if p.caps.counted(KG_CO2E)[w]:
        ok &= copies * p.caps.kg_co2e_hourly[a] <= p.caps.kg_co2e_hourly[options]
    if p.caps.counted(CHANGED)[w]:
        ok &= copies <= 1
    if p.scenarios.is_paid[w]:
        kept = p.scenarios.kept_share(p.pool[np.append(options, a)])
        ok &= (kept[:, [-1]] >= kept[:, :-1]).all(axis=(0, 2))
    if p.max_region_share[w] < 1.0:
        # Shares count capacity, so under them only an exact stand-in is safe.
        ok &= np.isclose(copies * p.capacity[a], p.capacity[options], rtol=1e-12, atol=0.0)
    return np.asarray(ok & as_well_covered(p, a, options, copies), dtype=np.bool_)


def as_well_placed(p: Problem, a: int, options: Ints) -> Bools:
    """Which options a may stand in for whatever countries, latency, routes, zones and own bounds say."""
    if not p.is_admissible[a]:
        return np.zeros(len(options), dtype=bool)
    fine = p.survival.zones[a] >= p.survival.zones[options]
    if len(p.bounds):
        fine &= ~np.isin(options, p.bounds.option) & (a not in p.bounds.option)
    w = int(p.option_workload[a])
    if p.routes.is_routed[w]:
        usd = p.routes.table(w, options, p.routes.egress_usd_per_unit, np.inf)
        fine &= (usd[:, options == a] <= usd).all(axis=0)
    return np.asarray(fine, dtype=bool)


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
        k = copies[position]
        uses_less = k * replica_rate(p, a, reach) <= replica_rate(p, b, reach)
        costs_less = k * covered_price(p, a, reach) <= covered_price(p, b, reach) + 1e-12
        fine[position] = bool((uses_less & costs_less).all())
    return fine


def replica_rate(p: Problem, i: int, commitments: Bools) -> Floats:
    """USD of each commitment that covering one replica uses up; NaN where it does not reach."""
    return np.asarray(p.pool_units[i] * p.committed_rate[commitments, p.pool[i]])


def covered_price(p: Problem, i: int, commitments: Bools) -> Floats:
    """What one replica still costs per hour when a commitment covers it whole."""
    return np.asarray(p.price_hourly[i] - p.pool_units[i] * p.covered_list_price[commitments, p.pool[i]])


def only(problem: Problem, options: Ints) -> Problem:
    """The problem with some of its options."""
    kept: dict[str, Any] = {name: getattr(problem, name)[options] for name in OPTION_ARRAYS}
    kept |= {name: tuple(getattr(problem, name)[i] for i in options) for name in OPTION_NAMES}
    kept |= {name: getattr(problem, name)[options] for name in ("option_workload", "pool", "quota_pool")}
    return replace(problem, **kept, **problem.groups_of(np.arange(len(problem.workloads)), options))
