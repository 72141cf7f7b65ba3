"""What existing commitments leave uncovered, and the groups of pools that one purchase can be weighed for.

Existing commitments go first: their fee is paid whatever runs. They are applied as providers do, those that
reach the fewest pools first, each to its deepest discount first. One that ends inside the term covers nothing
afterwards.

Pools that the same offers reach form a group: one purchase is weighed for all of them. In it, pools of about
the same discount are one part, which counts at its mean discount. Where several offers reach a group, each
counts at one factor on the same rates, so that they add up; with one offer alone nothing is lost by that.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from optimizer.commitment_demand import Demand, Steps
from optimizer.problem import Bools, Floats, Ints

DISCOUNT_STEP = 0.02  # discounts that differ by less count as the same
MOST_PARTS = 4  # of a group
LEAST_RATE = 1e-6  # a committed price of nothing covers a million times itself


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
    """Pools that the same offers reach.

    Attributes:
        parts: J lists of pools, deepest discount first.
        rate: (J,) committed USD per USD at list price, mean of offers and, by spend, of pools.
        scale: (C,) an offer's own rate over that mean; NaN where it does not reach the group.
    """

    parts: tuple[Ints, ...]
    rate: Floats
    scale: Floats

    def saves(self, offer: int, fee: float) -> bool:
        """Whether an offer can save anywhere in the group."""
        return bool(self.scale[offer] * self.rate[0] * fee < 1.0)


def groups_of(rate: Floats, spend: Floats, *, alone: Bools) -> list[Group]:
    """Pools that some offer reaches at a saving, by the offers that reach them.

    Args:
        rate: (C, P) of the offers; NaN where out of reach.
        spend: (P,) planned USD/h at list price, the weight of a pool.
        alone: (P,) whether a pool is a group of its own: what covers it covers no other.
    """
    reached: dict[tuple[int, ...], list[int]] = {}
    for p in np.flatnonzero((spend > 0) & (rate < 1.0).any(axis=0)):
        offers = np.flatnonzero(~np.isnan(rate[:, p])).tolist()
        reached.setdefault((*offers, -int(p) - 1 if alone[p] else 0), []).append(int(p))
    return [group_of(np.array(pools, dtype=np.int64), rate, spend) for _, pools in sorted(reached.items())]


def group_of(pools: Ints, rate: Floats, spend: Floats) -> Group:
    """One group of pools."""
    base = np.maximum(np.nanmean(rate[:, pools], axis=0), LEAST_RATE)
    parts = list(by_discount(base))
    mean = [float(np.average(base[part], weights=spend[pools[part]])) for part in parts]
    scale = np.average(rate[:, pools] / base, axis=1, weights=spend[pools])
    return Group(tuple(pools[part] for part in parts), np.array(mean), scale)


def by_discount(rate: Floats) -> Iterator[Ints]:
    """Positions in at most MOST_PARTS parts of about the same rate, ascending."""
    width = max(DISCOUNT_STEP, float(np.ptp(rate)) / MOST_PARTS)
    part = np.minimum((rate - rate.min()) // width, MOST_PARTS - 1)
    for number in np.unique(part):
        yield np.flatnonzero(part == number)


def loads_of(demand: Demand, steps: Steps, existing: Existing, groups: Sequence[Group]) -> list[Floats]:
    """(S, Q, T, J) USD/h at list price per group and part that existing commitments leave uncovered."""
    shape = (demand.draws, len(steps.hours), demand.spend.shape[2])
    loads = [np.empty((*shape, len(group.parts))) for group in groups]
    for q, begin_h in enumerate(steps.begin_h):
        left = existing.left_of(demand.listed(q), float(begin_h))
        for load, group in zip(loads, groups, strict=True):
            for j, pools in enumerate(group.parts):
                load[:, q, :, j] = left[:, :, pools].sum(axis=2)
    return loads
