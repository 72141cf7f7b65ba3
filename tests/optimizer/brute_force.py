"""An oracle for tiny problems: tries every count of every option. Shares no code with model or checker.

Counts run to `top` per option and period, so problems must be small: four options, two periods.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product

import numpy as np
from scipy.optimize import linprog

from optimizer.problem import Problem
from tests.optimizer.brute_force_rules import ramped, routing_usd, serves, survives, within_own_bounds

EPS = 1e-7


def cheapest(p: Problem, top: int) -> float | None:
    """Least cost of any placement with at most `top` replicas per option and period; None if none."""
    counts = np.array(list(product(range(top + 1), repeat=len(p.option_id))))
    allowed = [counts[feasible(p, counts, t)] for t in range(len(p.periods))]
    if any(len(rows) == 0 for rows in allowed):
        return None
    running = [running_cost(p, rows, t) for t, rows in enumerate(allowed)]
    running[0] = running[0] + np.abs(allowed[0] - p.current_replicas) @ p.migration_cost_usd
    if np.isfinite(p.ramp.max_replicas).any():
        return cheapest_with_ramp(p, allowed, running)
    if len(p.commitments):
        return cheapest_with_cover(p, allowed, running)
    return cheapest_by_used_set(p, allowed, running)


def feasible(p: Problem, counts: np.ndarray, t: int) -> np.ndarray:
    """Which rows of counts keep every rule of one period."""
    ok = within_own_bounds(p, counts, t)
    room = counts * p.capacity
    spot = np.array([kind == "spot" for kind in p.purchase])
    for w in range(len(p.workloads)):
        own = p.option_workload == w
        need = p.demand[w, t]
        firm = room[:, own & ~spot].sum(axis=1)
        ok &= serves(p, room, own, w, t) >= need - EPS
        ok &= firm >= (1 - p.max_spot_share[w]) * need - EPS
        replicas = counts[:, own].sum(axis=1)
        ok &= (replicas >= p.min_replicas[w]) & (replicas <= p.max_replicas[w])
        ok &= counts[:, own & ~spot].sum(axis=1) >= p.min_on_demand_replicas[w]
        ok &= spread_enough(p, room, own, w, t) & survives(p, counts, own, w, t)
    for k in range(len(p.pools)):
        drawing = (p.pool == k) | (p.quota_pool == k)
        ok &= counts[:, drawing] @ p.pool_units[drawing] <= p.pool_limit[k, t] + EPS
    return ok


def spread_enough(p: Problem, room: np.ndarray, own: np.ndarray, w: int, t: int) -> np.ndarray:
    """Which rows use enough regions and put no more than its share into any."""
    places = [f"{provider}/{region}" for provider, region in zip(p.provider, p.region, strict=True)]
    held = np.array(
        [room[:, own & np.array([q == place for q in places])].sum(axis=1) for place in sorted(set(places))]
    )
    total = held.sum(axis=0)
    ok = np.ones(room.shape[0], dtype=bool)
    always_on = p.min_replicas[w] > 0 or p.min_on_demand_replicas[w] > 0
    if p.min_regions[w] > 1 and (p.demand[w, t] > 0 or always_on):
        ok &= (held > 0).sum(axis=0) >= p.min_regions[w]
    return ok & (held <= p.max_region_share[w] * total + EPS).all(axis=0)


def running_cost(p: Problem, counts: np.ndarray, t: int) -> np.ndarray:
    """USD of instances and of the cheapest routing, per row of counts."""
    usd = counts @ p.price_hourly
    for w in range(len(p.workloads)):
        if w in p.routes.workload:
            usd = usd + routing_usd(p, counts * p.capacity, w, t)
            continue
        own = [i for i in np.argsort(p.egress_usd_per_unit, kind="stable") if p.option_workload[i] == w]
        left = np.full(len(counts), p.demand[w, t])
        for i in own:
            taken = np.minimum(left, counts[:, i] * p.capacity[i])
            usd = usd + p.egress_usd_per_unit[i] * taken
            left = left - taken
    return usd * p.hours[t]


def used_sets(counts: np.ndarray) -> np.ndarray:
    """Bit mask of the options in use, per row."""
    return (counts > 0) @ (1 << np.arange(counts.shape[1]))


def once_per_option(p: Problem, mask: int) -> float:
    """Activation cost of a set of options; infinite where a workload uses too many."""
    used = np.array([bool(mask >> i & 1) for i in range(len(p.option_id))])
    for w in range(len(p.workloads)):
        if (used & (p.option_workload == w)).sum() > p.max_options[w]:
            return float("inf")
    return float(sum(p.activation_cost_usd[p.option_workload[used & (p.current_replicas == 0)]]))


def cheapest_by_used_set(p: Problem, allowed: list[np.ndarray], running: list[np.ndarray]) -> float | None:
    """Periods meet only in the set of options used: the best of each set, then every mix of sets."""
    best: dict[int, float] = {0: 0.0}
    for counts, usd in zip(allowed, running, strict=True):
        masks = used_sets(counts)
        here = {int(mask): float(usd[masks == mask].min()) for mask in np.unique(masks)}
        merged: dict[int, float] = {}
        for (a, x), (b, y) in product(best.items(), here.items()):
            merged[a | b] = min(merged.get(a | b, np.inf), x + y)
        best = merged
    least = min(usd + once_per_option(p, mask) for mask, usd in best.items())
    return least if np.isfinite(least) else None


def cheapest_with_ramp(p: Problem, allowed: list[np.ndarray], running: list[np.ndarray]) -> float | None:
    """Every combination of rows that keeps the ramps; commitments play no part."""
    once = {mask: once_per_option(p, mask) for mask in range(1 << len(p.option_id))}
    masks = [used_sets(counts) for counts in allowed]
    best = np.inf
    for rows in ramped(p, allowed):
        mask = int(np.bitwise_or.reduce([masks[t][r] for t, r in enumerate(rows)]))
        best = min(best, sum(running[t][r] for t, r in enumerate(rows)) + once[mask])
    return float(best) if np.isfinite(best) else None


def cheapest_with_cover(p: Problem, allowed: list[np.ndarray], running: list[np.ndarray]) -> float | None:
    """Every combination of periods, most promising first, each with its best use of commitments."""
    floors = [
        usd - most_saved(p, counts, t) for t, (counts, usd) in enumerate(zip(allowed, running, strict=True))
    ]
    known: dict[tuple[float, ...], float] = {}
    best = np.inf
    for rows, floor in by_floor(floors):
        if floor >= best:
            break
        mask = int(np.bitwise_or.reduce([used_sets(allowed[t][r : r + 1])[0] for t, r in enumerate(rows)]))
        fixed = sum(running[t][r] for t, r in enumerate(rows)) + once_per_option(p, mask)
        if not np.isfinite(fixed):
            continue
        units = np.array([coverable_units(p, allowed[t][r : r + 1])[0] for t, r in enumerate(rows)])
        key = tuple(units.ravel())
        if key not in known:
            known[key] = cover_cost(p, units)
        best = min(best, fixed + known[key])
    return float(best) if np.isfinite(best) else None


def by_floor(floors: list[np.ndarray]) -> Iterator[tuple[tuple[int, ...], float]]:
    """Row numbers, one per period, in the order of the sum of their floors."""
    total = floors[0]
    for more in floors[1:]:
        total = (total[:, None] + more[None, :]).ravel()
    shape = tuple(len(floor) for floor in floors)
    for flat in np.argsort(total, kind="stable"):
        yield tuple(int(r) for r in np.unravel_index(flat, shape)), float(total[flat])


def coverable_units(p: Problem, counts: np.ndarray) -> np.ndarray:
    """(rows, P) on-demand units running in each pool."""
    weight = p.pool_units * np.array([kind == "on_demand" for kind in p.purchase])
    return np.array([(counts * weight)[:, p.pool == k].sum(axis=1) for k in range(len(p.pools))]).T


def most_saved(p: Problem, counts: np.ndarray, t: int) -> np.ndarray:
    """What cover could save at best if it were free."""
    reached = np.where(np.isnan(p.covered_list_price), 0.0, p.covered_list_price).max(axis=0)
    return coverable_units(p, counts) @ reached * p.hours[t]


def cover_cost(p: Problem, units: np.ndarray) -> float:
    """Fees minus savings of the best cover of units (T, P), as one linear program."""
    pairs = [(c, k, t) for c, k in np.argwhere(~np.isnan(p.committed_rate)) for t in range(len(units))]
    bought = len(p.commitments)
    usd = [*(p.fee_per_usd * p.hours.sum()), *(-p.covered_list_price[c, k] * p.hours[t] for c, k, t in pairs)]
    rows, limits = [], []
    for t in range(len(units)):
        for k in range(len(p.pools)):
            rows.append([0.0] * bought + [float((j, s) == (k, t)) for _, j, s in pairs])
            limits.append(units[t, k])
        for c in range(bought):
            own = [-float(d == c) for d in range(bought)]
            rows.append(own + [p.committed_rate[c, k] if (d, s) == (c, t) else 0.0 for d, k, s in pairs])
            limits.append(p.committed_usd_per_hour[c])
    bounds = [(0.0, most) for most in p.offered_max_usd_per_hour] + [(0.0, None)] * len(pairs)
    return float(linprog(usd, A_ub=rows, b_ub=limits, bounds=bounds).fun)
