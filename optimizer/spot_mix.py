r"""How much spot, in which pools, how much on demand beside it: the cheapest that joint losses leave enough.

    minimise    sum over pools of  price_p x_p  +  price_firm y  +  usd_per_late L(x, y)
    subject to  sum of x_p + y >= need        x_p <= what the pool grants        y >= the share kept firm

    L = sum over loss patterns s of  probability_s  E[ load where load > what s leaves of x and y ]

Where what is left does not serve the load, a queue builds up within seconds and everyone in it is late: so
lateness counts the whole load, not what is missing. That makes the problem small and not convex; it is solved
by looking at every mix of a grid, then of finer ones around the best. All amounts are shares of the need,
which the minute loop reads off the load; how load lies below it while a launch boots the history says.

What is there now is not the best mix, for launches boot. `firm_wanted` is the amount on demand that is best
beside given spot: what serves now says what must stay, what is on its way says what must be launched.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from optimizer.compiled import compiled
from optimizer.load_ahead import FINE_STEP, LoadAhead
from optimizer.pool_losses import Patterns, PoolLosses
from optimizer.problem import Bools, Floats

STEPS = (0.1, 0.05, FINE_STEP)  # of the grids, shares of the need
MOST_FIRM = 4.0  # times the need
LEVELS = (0, 41, 25, 17, 12)  # of the first grid per pool, by number of pools
AROUND = 3  # of finer ones
MOST_POOLS = len(LEVELS) - 1
GRANT_RATIO = 1.05  # what pools grant is told apart in steps of this ratio
MOST_GRANT = 1.5  # times the need: no pool is asked for more
LEAST_GRANT = 1e-3
NEAR = 1e-9


@dataclass(frozen=True)
class Prices:
    """What requests/s cost for an hour.

    Attributes:
        spot: (p) USD.
        firm: on demand.
        late: of load that is late.
    """

    spot: Floats
    firm: float
    late: float


@dataclass(frozen=True)
class Moment:
    """What is to be served.

    Attributes:
        need: requests/s.
        full: last load as a share of it.
        pools: that are up, `MOST_POOLS` at most.
    """

    need: float
    full: float
    pools: tuple[int, ...]


Key = tuple[tuple[int, ...], int, tuple[int, ...]]


@dataclass
class SpotMix:
    """The best mix for one workload, for as long as prices and distributions are taken to hold.

    Attributes:
        losses: of all pools.
        load: how it lies below the need.
        prices: pools in the order of `losses`.
        firm_share: of the need that is never spot.
    """

    losses: PoolLosses
    load: LoadAhead
    prices: Prices
    firm_share: float = 0.0
    known: dict[Key, Floats] = field(default_factory=dict)
    patterns: dict[tuple[int, ...], Patterns] = field(default_factory=dict)

    def spot_wanted(self, moment: Moment, granted: Floats) -> Floats:
        """(p) requests/s to have in the pools of a moment.

        Args:
            moment: what is to be served.
            granted: (p) requests/s that each pool grants.
        """
        steps = np.log(np.maximum(granted / moment.need, LEAST_GRANT)) / np.log(GRANT_RATIO)
        steps = np.floor(np.minimum(steps, np.log(MOST_GRANT) / np.log(GRANT_RATIO)) + NEAR)
        key = moment.pools, self.load.place(moment.full), tuple(steps.astype(int).tolist())
        if key not in self.known:
            lost = self.pattern(moment.pools)
            self.known[key] = cheapest(
                (lost.probability, lost.is_lost),
                (self.prices.spot[list(moment.pools)], self.prices.firm, self.prices.late),
                self.load.at(moment.full).late,
                (GRANT_RATIO**steps, self.firm_share),
            )
        return self.known[key] * moment.need

    def firm_wanted(self, moment: Moment, spot: Floats) -> float:
        """Requests/s on demand that are best beside given spot.

        Args:
            moment: what is to be served.
            spot: (p) requests/s that each of its pools serves.
        """
        lost, load, need = self.pattern(moment.pools), self.load.at(moment.full), moment.need
        wanted = (load.share * need - ((~lost.is_lost) @ spot)[:, None]).ravel()
        late = np.outer(lost.probability, load.weight * load.share * need).ravel()
        late, wanted = np.append(0.0, late[wanted > 0]), np.append(0.0, wanted[wanted > 0])
        order = np.argsort(wanted, kind="stable")
        wanted, late = wanted[order], late[order]
        cost = self.prices.firm * wanted + self.prices.late * (late.sum() - late.cumsum())
        least = max(need - float(spot.sum()), self.firm_share * need, 0.0)
        return max(least, float(wanted[int(cost.argmin())]))

    def pattern(self, pools: tuple[int, ...]) -> Patterns:
        """What may be lost of pools that are up."""
        if pools not in self.patterns:
            self.patterns[pools] = self.losses.patterns(pools)
        return self.patterns[pools]


Lost = tuple[Floats, Bools]  # probability of each pattern, and which pools it takes
Costs = tuple[Floats, float, float]  # of pools, on demand, and of load that is late
Limits = tuple[Floats, float]  # what pools grant, and the share that is on demand at least


@compiled
def cheapest(lost: Lost, costs: Costs, late: Floats, limits: Limits) -> Floats:
    """(p) the pools' shares in the cheapest mix; `late` as `LoadBelowNeed.late` gives it."""
    pools = len(costs[0])
    best = searched(lost, costs, late, limits, (np.zeros(pools), LEVELS[pools], STEPS[0]))
    for step in STEPS[1:]:
        best = searched(lost, costs, late, limits, (best - step, AROUND, step))
    return best


@compiled
def searched(
    lost: Lost, costs: Costs, late: Floats, limits: Limits, grid: tuple[Floats, int, float]
) -> Floats:
    """(p) the same on a grid: shares from the lowest on, in so many levels, a step apart."""
    lowest, levels, step = grid
    probability, is_lost = lost
    spot, firm, usd_per_late = costs
    granted, firm_share = limits
    pools = len(spot)
    share, best, best_cost = np.zeros(pools), np.zeros(pools), np.inf
    left = np.zeros(len(probability))
    for place in range(levels**pools):
        rest, cost, total, fits = place, 0.0, 0.0, True
        for p in range(pools):
            share[p] = max(0.0, lowest[p] + step * (rest % levels))
            rest //= levels
            fits = fits and share[p] <= granted[p] + NEAR
            cost += spot[p] * share[p]
            total += share[p]
        if not fits or cost >= best_cost:
            continue
        for s in range(len(left)):
            left[s] = (share * ~is_lost[s]).sum()
        fewest = int(np.ceil(max(1.0 - total, firm_share, 0.0) / step - NEAR))
        for count in range(fewest, int(MOST_FIRM / step) + 1):
            both = cost + firm * step * count
            if both >= best_cost:
                break
            for s in range(len(left)):
                level = int((left[s] + step * count) / FINE_STEP + NEAR)
                if level < len(late):
                    both += usd_per_late * probability[s] * late[level]
            if both < best_cost:
                best_cost = both
                best[:] = share
    return best
