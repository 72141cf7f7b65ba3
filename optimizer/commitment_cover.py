"""What existing commitments leave uncovered, and the groups of pools that one purchase can be weighed for.

Existing commitments go first: their fee is paid whatever runs. They are applied as providers do, those that
reach the fewest pools first, each to its deepest discount first. One that ends inside the term covers nothing
afterwards.

Pools with about the same discounts form a group, which counts at its mean discount: in it every committed
USD covers the same spend at list price, whatever the pool, so offers of all terms add up. A commitment that
reaches several groups is weighed in each and the amounts are added. It may cover more than that: it can move
between groups, and goes to the deepest discount first.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.commitment_demand import Demand, Steps
from optimizer.problem import Bools, Floats, Ints

DISCOUNT_STEP = 0.02  # discounts that differ by less count as the same
MOST_GROUPS = 4  # of pools that the same offers reach


@dataclass(frozen=True)
class Existing:
    """Running commitments.

    Attributes:
        rate: (E, P) committed USD per USD at list price; NaN where out of reach.
        usd_per_hour: (E,).
        end_h: (E,) hours from now; infinity where no end is known.
    """

    rate: Floats
    usd_per_hour: Floats
    end_h: Floats

    def left_of(self, listed: Floats, begin_h: float) -> Floats:
        """(S, T, P) USD/h at list price that nothing covers in a step that begins at a moment."""
        left = listed.copy()
        for e in np.argsort((~np.isnan(self.rate)).sum(axis=1), kind="stable"):
            pools = np.flatnonzero(~np.isnan(self.rate[e]))
            if self.end_h[e] > begin_h + 1.0 and len(pools):
                order = pools[np.argsort(self.rate[e, pools], kind="stable")]
                left[:, :, order] -= covered_by(
                    left[:, :, order], self.rate[e, order], float(self.usd_per_hour[e])
                )
        return left


def covered_by(listed: Floats, rate: Floats, budget: float) -> Floats:
    """(S, T, P) USD/h at list price that a budget covers, first pool first."""
    spent = listed * rate
    before = np.cumsum(spent, axis=2) - spent
    used = np.clip(budget - before, 0.0, spent)
    return np.divide(used, rate, out=listed.copy(), where=np.broadcast_to(rate > 0, listed.shape))


@dataclass(frozen=True)
class Group:
    """Pools at one discount.

    Attributes:
        pools: their indices.
        rate: (C,) committed USD per USD at list price, mean by spend; NaN where an offer does not reach them.
    """

    pools: Ints
    rate: Floats


def groups_of(rate: Floats, spend: Floats, *, alone: Bools) -> list[Group]:
    """Pools that some offer reaches at a saving, by their discounts.

    Args:
        rate: (C, P) of the offers; NaN where out of reach.
        spend: (P,) planned USD/h at list price, the weight of a pool.
        alone: (P,) whether a pool is a group of its own: what covers it covers no other.
    """
    reached: dict[tuple[int, ...], list[int]] = {}
    for p in np.flatnonzero((spend > 0) & (rate < 1.0).any(axis=0)):
        offers = np.flatnonzero(~np.isnan(rate[:, p])).tolist()
        reached.setdefault((*offers, -int(p) - 1 if alone[p] else 0), []).append(int(p))
    return [
        Group(pools, np.average(rate[:, pools], axis=1, weights=spend[pools]))
        for _, together in sorted(reached.items())
        for pools in by_discount(np.array(together, dtype=np.int64), np.nanmean(rate[:, together], axis=0))
    ]


def by_discount(pools: Ints, rate: Floats) -> Iterator[Ints]:
    """The pools in at most MOST_GROUPS parts of about the same rate."""
    width = max(DISCOUNT_STEP, float(np.ptp(rate)) / MOST_GROUPS)
    part = np.minimum((rate - rate.min()) // width, MOST_GROUPS - 1)
    for number in np.unique(part):
        yield pools[part == number]


def loads_of(demand: Demand, steps: Steps, existing: Existing, groups: Sequence[Group]) -> list[Floats]:
    """(S, Q, T) USD/h at list price per group that existing commitments leave uncovered."""
    shape = (demand.draws, len(steps.hours), demand.spend.shape[2])
    loads = [np.empty(shape) for _ in groups]
    for q, begin_h in enumerate(steps.begin_h):
        left = existing.left_of(demand.listed(q), float(begin_h))
        for load, group in zip(loads, groups, strict=True):
            load[:, q] = left[:, :, group.pools].sum(axis=2)
    return loads
