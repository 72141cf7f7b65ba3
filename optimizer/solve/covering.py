"""What serving demand costs at least, however many options a workload may use: a bound, compiled.

Capacity is counted in cells of demand, rounded up, so that the fewest USD for so many cells are never more
than those for the demand itself; firm and spot options are counted apart, because a share of demand must be
firm. Where cells are coarse beside replicas, fractions of replicas bound the cost more closely.
"""

from __future__ import annotations

import math

import numpy as np

from optimizer.compiled import compiled
from optimizer.problem import Bools, Floats, Ints
from optimizer.solve.desk import INF, NEAR

CELLS = 400


@compiled
def cheapest_cover(cells: Ints, usd: Floats, usable: Bools, least: Floats) -> None:
    """Fill the fewest USD for at least so many cells, by any number of usable options."""
    least[0] = 0.0
    for g in range(1, least.size):
        best = INF
        for i in range(cells.size):
            if usable[i]:
                best = min(best, usd[i] + least[max(0, g - cells[i])])
        least[g] = best


@compiled
def cover_usd(
    workloads: Ints, begin: Ints, capacity: Floats, is_firm: Bools, usd: Floats, egress: Floats,
    demand: Floats, firm_share: Floats, total: Floats,
) -> None:  # fmt: skip
    """Add the least cost of each workload over all periods to (W,) totals.

    Args:
        workloads: which; `begin` (W + 1,) the first option of each.
        capacity, is_firm: (I,).
        usd: (I, T) of a replica; egress: (I, T) of a unit served.
        demand: (W, T).
        firm_share: (W,) of demand.
    """
    firm, spot = np.empty(CELLS + 1), np.empty(CELLS + 1)
    for w in workloads:
        at, end = begin[w], begin[w + 1]
        can_firm, cells = is_firm[at:end], np.empty(end - at, np.int64)
        for t in range(demand.shape[1]):
            need, share = demand[w, t], firm_share[w]
            if need <= NEAR:
                continue
            any_unit, firm_unit, sent = INF, INF, INF
            for i in range(end - at):
                cells[i] = min(CELLS, math.ceil(capacity[at + i] / need * CELLS - NEAR))
                unit = usd[at + i, t] / capacity[at + i] + egress[at + i, t]
                any_unit, sent = min(any_unit, unit), min(sent, egress[at + i, t])
                if can_firm[i]:
                    firm_unit = min(firm_unit, unit)
            cheapest_cover(cells, usd[at:end, t], can_firm, firm)
            cheapest_cover(cells, usd[at:end, t], ~can_firm, spot)
            least = INF
            for g in range(math.ceil(share * CELLS - NEAR), CELLS + 1):
                least = min(least, firm[g] + spot[CELLS - g])
            fraction = (1.0 - share) * any_unit + (share * firm_unit if share > 0.0 else 0.0)
            total[w] += max(least + need * sent, need * fraction)
