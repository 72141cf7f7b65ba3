"""The plans generated so far, as the restricted master sees them: cheap to value at any prices."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from optimizer.problem import Floats, Ints
from optimizer.solve.kernel import compiled
from optimizer.solve.plans import Plans, Pricing
from optimizer.solve.terms import Terms


@dataclass(frozen=True)
class Columns:
    """Plans sorted by workload.

    Attributes:
        plans: themselves.
        usd: (N,) own cost.
        kind: (N, 2) kinds of their options; -1 where none.
        units: (N, T, 2) pool units drawn.
        begin: (W + 1,) first plan of each workload.
    """

    plans: Plans
    usd: Floats
    kind: Ints
    units: Floats
    begin: Ints

    @classmethod
    def of(cls, terms: Terms, plans: Plans) -> Columns:
        """Plans as columns, each once."""
        plans = plans.take(first_of_each(plans))
        begin = np.searchsorted(plans.workload, np.arange(len(terms.demand) + 1))
        return cls(plans, plans.usd(terms), plans.kinds(terms), plans.units(terms), begin)

    def with_plans(self, terms: Terms, new: Plans) -> Columns:
        """These and others."""
        return Columns.of(terms, self.plans.and_also(new))

    def only(self, which: Ints) -> Columns:
        """Some of the plans."""
        workload = self.plans.workload[which]
        begin = np.searchsorted(workload, np.arange(len(self.begin)))
        return Columns(self.plans.take(which), self.usd[which], self.kind[which], self.units[which], begin)

    def values(self, added: Floats) -> Floats:
        """(N,) cost of every plan at (K, T) shared prices."""
        value = self.usd.copy()
        add_shared(self.kind, self.units, added, value)
        return value

    def least(self, added: Floats) -> Floats:
        """(W,) value of each workload's best plan at (K, T) shared prices."""
        return least_of_each(self.begin, self.values(added))

    def drawn(self, share: Floats, kinds: int) -> Floats:
        """(K, T) units that each kind draws where plans are taken by (N,) shares."""
        units = np.zeros((kinds, self.units.shape[1]))
        add_drawn(self.kind, self.units, share, units)
        return units

    def soft_least(self, value: Floats, softness: float) -> tuple[float, Floats]:
        """Sum over workloads of the smooth least value, and (N,) the share of each plan in it."""
        share = np.empty_like(value)
        return float(smooth_least(self.begin, value, softness, share)), share


def drawn_by(pricing: Pricing, plans: Plans) -> tuple[Floats, Floats]:
    """(L, T) and (O, T) units that plans draw on limits and under cover."""
    columns = Columns.of(pricing.terms, plans)
    by_kind = columns.drawn(np.ones(len(columns.usd)), len(pricing.kinds.limit))
    return pricing.kinds.drawn(by_kind)


def first_of_each(plans: Plans) -> Ints:
    """Places of plans without those that stand there already, sorted by workload, first come first."""
    count = plans.count.reshape(len(plans), int(np.prod(plans.count.shape[1:])))
    key = np.concatenate([plans.workload[:, None], plans.option, count.astype(np.int64)], axis=1)
    _, place = np.unique(key, axis=0, return_index=True)
    place = np.sort(place)
    return np.asarray(place[np.argsort(plans.workload[place], kind="stable")], dtype=np.int64)


def least_of_each(begin: Ints, value: Floats) -> Floats:
    """(W,) least of each workload's values; infinite where it has none."""
    least = np.full(len(begin) - 1, np.inf)
    np.minimum.at(least, np.repeat(np.arange(len(least)), np.diff(begin)), value)
    return least


@compiled
def add_shared(kind: Ints, units: Floats, added: Floats, value: Floats) -> None:
    """Add to (N,) values what shared things cost."""
    for n in range(value.size):
        usd = 0.0
        for j in range(2):
            k = kind[n, j]
            if k >= 0:
                for t in range(added.shape[1]):
                    usd += units[n, t, j] * added[k, t]
        value[n] += usd


@compiled
def add_drawn(kind: Ints, units: Floats, share: Floats, drawn: Floats) -> None:
    """Add to (K, T) units what plans draw by their share."""
    for n in range(share.size):
        if share[n] > 1e-9:
            for j in range(2):
                k = kind[n, j]
                if k >= 0:
                    for t in range(drawn.shape[1]):
                        drawn[k, t] += share[n] * units[n, t, j]


@compiled
def smooth_least(begin: Ints, value: Floats, softness: float, share: Floats) -> float:
    """Sum of smooth least values (log-sum-exp), shares into `share`."""
    total = 0.0
    for w in range(begin.size - 1):
        least = np.inf
        for n in range(begin[w], begin[w + 1]):
            least = min(least, value[n])
        weight = 0.0
        for n in range(begin[w], begin[w + 1]):
            share[n] = np.exp((least - value[n]) / softness)
            weight += share[n]
        for n in range(begin[w], begin[w + 1]):
            share[n] /= weight
        if begin[w + 1] > begin[w]:
            total += least - softness * np.log(weight)
    return total
