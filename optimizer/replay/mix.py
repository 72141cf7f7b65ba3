"""The cheapest mix of options for one hour, as an integer program."""

from __future__ import annotations

from functools import lru_cache
from typing import TypeAlias

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.world import UNLIMITED, World
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.program import Blocks, Rows, along, everywhere, numbered

LIMITS = Limits(gap_share=1e-4, nodes=2000, seconds=10.0)
Offer: TypeAlias = tuple[int, float, float, int]  # workload, price, capacity, quota
MISSED = 1000.0  # times the price of the dearest option's request: only where quotas leave no choice


def cheapest_mix(world: World, usable: Ints, capacity: Floats, need: Floats) -> Ints:
    """(o) replicas that serve the need of every workload for least, within quotas.

    Args:
        world: prices, workloads and quotas of the options.
        usable: positions of the options to choose from.
        capacity: (o) requests/s of a replica.
        need: (w) requests/s; what quotas leave no room for stays unserved.
    """
    offers = tuple(
        zip(
            world.option_workload[usable].tolist(),
            world.price_hourly[usable].tolist(),
            capacity[usable].tolist(),
            world.quota_pool[usable].tolist(),
            strict=True,
        )
    )
    counts = np.zeros(len(world.option_id), dtype=np.int64)
    counts[usable] = solved(offers, tuple(need.tolist()), tuple(world.quota.tolist()))
    return counts


@lru_cache(maxsize=100_000)  # rivals that differ in other knobs ask for the same hours
def solved(offers: tuple[Offer, ...], need: tuple[float, ...], quota: tuple[int, ...]) -> tuple[int, ...]:
    """Replicas of each offer."""
    workload, price, capacity, group = (np.array(column) for column in zip(*offers, strict=True))
    v = Blocks()
    n = v.add("n", everywhere(len(offers)), upper=np.ceil(np.array(need)[workload] / capacity), whole=True)
    s = v.add("s", everywhere(len(need)))
    v.pay("n", price)
    v.pay("s", MISSED * float((price / capacity).max()))
    row = np.arange(len(need))
    meet = Rows("meet", row, [(row[workload], n, capacity), (row, s, 1.0)], lower=np.array(need))
    found = minimise(v.program([meet, quotas(np.array(quota, dtype=np.int64), group, n)]), LIMITS)
    values = np.zeros(v.size) if found.values is None else found.values
    return tuple(np.round(values[n]).astype(int).tolist())


def quotas(quota: Ints, group: Ints, counts: Ints) -> Rows:
    r"""$\sum_{i \in q} n_{i} \le Q_q$ in every period.

    Args:
        quota: (q).
        group: (i) position of the quota or NONE.
        counts: (i, ...) columns of n.
    """
    limited = np.zeros((len(quota), *counts.shape[1:]), dtype=bool)
    limited[quota < UNLIMITED] = True
    row = numbered(limited)
    limit = quota.astype(float).reshape(-1, *[1] * (counts.ndim - 1))
    return Rows("quota", row, [(along(row, group), counts, 1.0)], upper=limit)
