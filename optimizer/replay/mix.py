"""The cheapest mix of options for one hour, as an integer program."""

from __future__ import annotations

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.replay.world import UNLIMITED, World
from optimizer.solve.highs import Limits, minimise
from optimizer.solve.program import Blocks, Rows, along, everywhere, numbered

LIMITS = Limits(gap_share=1e-4, nodes=2000, seconds=10.0)
MISSED = 1000.0  # times the price of the dearest option's request: only where quotas leave no choice


def cheapest_mix(world: World, usable: Ints, capacity: Floats, need: Floats) -> Ints:
    """(o) replicas that serve the need of every workload for least, within quotas.

    Args:
        world: prices, workloads and quotas of the options.
        usable: positions of the options to choose from.
        capacity: (o) requests/s of a replica.
        need: (w) requests/s; what quotas leave no room for stays unserved.
    """
    price, per_replica, workload = world.price_hourly[usable], capacity[usable], world.option_workload[usable]
    v = Blocks()
    most = np.ceil(need[workload] / per_replica)
    v.add("n", everywhere(len(usable)), upper=most, whole=True)
    v.add("s", everywhere(len(need)))
    v.pay("n", price)
    v.pay("s", MISSED * float((price / per_replica).max(initial=0.0)))
    row = np.arange(len(need))
    meet = Rows("meet", row, [(row[workload], v["n"], per_replica), (row, v["s"], 1.0)], lower=need)
    found = minimise(v.program([meet, quotas(world, usable, v["n"])]), LIMITS)
    counts = np.zeros(len(world.option_id), dtype=np.int64)
    if found.values is not None:
        counts[usable] = np.round(found.values[v["n"]]).astype(np.int64)
    return counts


def quotas(world: World, usable: Ints, counts: Ints) -> Rows:
    r"""$\sum_{i \in q} n_{i} \le Q_q$ in every period; `counts` are the (usable, ...) columns of n."""
    limited = np.zeros((len(world.quota), *counts.shape[1:]), dtype=bool)
    limited[world.quota < UNLIMITED] = True
    row = numbered(limited)
    limit = world.quota.astype(float).reshape(-1, *[1] * (counts.ndim - 1))
    return Rows("quota", row, [(along(row, world.quota_pool[usable]), counts, 1.0)], upper=limit)
