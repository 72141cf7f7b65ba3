"""What commitments cover of a given fleet: a small linear program per period, apart from the models.

Providers apply commitments to running on-demand units; the best use of them is an upper bound on what the
bill will show, since a provider's own order may waste some.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from scipy.sparse import block_diag, coo_array, eye_array, hstack, vstack

from optimizer.problem import Floats, Ints, Problem

DIGITS = 9  # to which discounts of pools are the same


def best_cover(problem: Problem, replicas: Floats | Ints, bought_usd_per_hour: Floats) -> Floats:
    """(C, P, T) unit-hours covered per hour that save most for given replicas (I, T)."""
    budget = problem.committed_usd_per_hour + bought_usd_per_hour
    running = running_units(problem, replicas)
    return cover_units(problem.covered_list_price, problem.committed_rate, running, budget)


def running_units(problem: Problem, replicas: Floats | Ints) -> Floats:
    """(P, T) pool units that run and can be covered."""
    used = (problem.pool >= 0) & problem.is_coverable & (replicas.max(axis=1, initial=0) > 0)
    running = np.zeros((len(problem.pools), replicas.shape[1]))
    np.add.at(running, problem.pool[used], problem.pool_units[used, None] * replicas[used])
    return running


def cover_units(listed: Floats, rate: Floats, running: Floats, budget: Floats) -> Floats:
    """(C, P, T) units covered that save most: (P, T) units run, (C,) USD per hour are committed.

    `listed` and `rate` (C, P) are USD a covered unit saves and uses up; NaN where out of reach. Pools with
    the same discounts are one: what is covered of them is shared by what runs in each.
    """
    if np.isnan(rate).all():
        return np.zeros((*rate.shape, running.shape[1]))
    group, size, first = like_pools(listed, rate)
    together = np.zeros((len(first), running.shape[1]))
    np.add.at(together, group, size[:, None] * running)
    covered = cover_groups(listed[:, first] / size[first], rate[:, first] / size[first], together, budget)
    share = np.divide(running, together[group], out=np.zeros_like(running), where=together[group] > 0)
    return np.asarray(covered[:, group] * share)


def like_pools(listed: Floats, rate: Floats) -> tuple[Ints, Floats, Ints]:
    """(P,) group of pools that cover treats alike, (P,) size of their units, and the first pool of each.

    Alike are pools of which a unit is so and so many units of the other: in rate and saving, with everything
    that reaches them.
    """
    size = np.nan_to_num(np.concatenate([rate, listed])).max(axis=0, initial=0.0)
    size[size <= 0] = 1.0
    per_size = np.nan_to_num(np.concatenate([rate, listed]) / size, nan=-1.0).round(DIGITS)
    _, first, group = np.unique(per_size, axis=1, return_index=True, return_inverse=True)
    return group.reshape(-1).astype(np.int64), size, first.astype(np.int64)


def cover_groups(listed: Floats, rate: Floats, running: Floats, budget: Floats) -> Floats:
    """(C, G, T) the units of groups of pools that save most."""
    covered = np.zeros((*rate.shape, running.shape[1]))
    reach = ~np.isnan(rate)
    pairs = np.argwhere(reach)  # (pair, [c, g])
    rows = np.zeros((rate.shape[1] + rate.shape[0], len(pairs)))
    rows[pairs[:, 1], np.arange(len(pairs))] = 1.0
    rows[rate.shape[1] + pairs[:, 0], np.arange(len(pairs))] = rate[reach]
    for t in range(running.shape[1]):
        limits = np.concatenate([running[:, t], budget])
        best = minimise(-listed[reach], A_ub=rows, b_ub=limits)
        covered[pairs[:, 0], pairs[:, 1], t] = best.x
    return covered


def minimise(objective: Floats, **rows: Any) -> Any:
    """Solve a linear program with SciPy's own HiGHS."""
    from scipy.optimize import linprog  # noqa: PLC0415  half a second that only commitments should cost

    return linprog(objective, method="highs-ds", **rows)


def saved_per_unit_hour(problem: Problem, replicas: Floats | Ints, covered: Floats) -> Floats:
    """(P, T) USD that cover saves per running on-demand unit-hour, shared evenly among a pool's users."""
    running = running_units(problem, replicas)
    saved = np.einsum("cp,cpt->pt", np.nan_to_num(problem.covered_list_price), covered)
    return np.asarray(np.divide(saved, running, out=np.zeros_like(running), where=running > 0), dtype=float)


def best_purchase(problem: Problem, replicas: Floats | Ints) -> Floats:
    """(C,) USD/h of each offered commitment worth buying for given replicas (I, T): one linear program.

    Buys while what the next committed USD/h covers, over all periods, saves more than its fee.
    """
    reach = ~np.isnan(problem.committed_rate)
    commitments, pools, periods = len(problem.commitments), len(problem.pools), len(problem.periods)
    if not (reach.any() and (problem.offered_max_usd_per_hour > 0).any()):
        return np.zeros(commitments)
    pairs = np.argwhere(reach)
    running = running_units(problem, replicas)
    each = np.arange(len(pairs))
    pool_rows = coo_array((np.ones(len(pairs)), (pairs[:, 1], each)), shape=(pools, len(pairs)))
    rate_rows = coo_array(
        (problem.committed_rate[reach], (pairs[:, 0], each)), shape=(commitments, len(pairs))
    )
    spent = vstack([pool_rows, rate_rows])
    bought = vstack([coo_array((pools, commitments)), -eye_array(commitments)])
    rows = hstack([block_diag([spent] * periods), vstack([bought] * periods)])
    limits = np.concatenate(
        [np.concatenate([running[:, t], problem.committed_usd_per_hour]) for t in range(periods)]
    )
    saved = np.concatenate([hours * problem.covered_list_price[reach] for hours in problem.hours])
    fees = problem.fee_per_usd * problem.hours.sum()
    bounds = [(0, None)] * len(saved) + [(0, float(most)) for most in problem.offered_max_usd_per_hour]
    best = minimise(np.concatenate([-saved, fees]), A_ub=rows.tocsr(), b_ub=limits, bounds=bounds)
    return np.asarray(best.x[len(saved) :], dtype=float)
